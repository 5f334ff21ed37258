"""What a dataset can't hold, and the keys, part types and roles by which others' formats name it. It is never flattened
into text: the row is rejected by a named rule, or the part is left out and counted where the recipe allows that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeGuard

Kind = Literal[
    "video",
    "audio",
    "document",
    "tools",
    "boxes",
    "preference",
    "rejected_response",
    "reasoning",
    "loss",
    "response_format",
    "refusal",
]

HELD: dict[Kind, str] = {
    "video": "a video",
    "audio": "audio",
    "document": "a document",
    "tools": "tools, or their calls and results",
    "boxes": "boxes, points or masks",
    "preference": "a preference between answers, or a judgement of one",
    "rejected_response": "an answer that is not to be given",
    "reasoning": "reasoning beside the answer",
    "loss": "a weight of the loss",
    "response_format": "a format that the answer must have",
    "refusal": "a refusal in the place of an answer",
}

DROPPABLE: tuple[Kind, ...] = ("tools", "boxes", "rejected_response", "reasoning", "loss", "response_format")
"""What may be left out, by its name in `source.drop`. A judgement may not: a bad answer would pass for a good one."""

NAMES: dict[Kind, tuple[str, ...]] = {
    "video": ("video", "videos", "video_id", "video_path", "video_url", "input_video", "videometadata", "frames"),
    "audio": ("audio", "audios", "audio_url", "audio_path", "input_audio", "ref_audios", "audio_codes"),
    "document": ("document", "documents", "file", "input_file", "pdf", "search_result", "container_upload"),
    "tools": (
        *("tools", "functions", "tool_calls", "function_call", "tool_call", "tool_use", "tool_result", "tool_call_id"),
        *("function_response", "tool_response", "functioncall", "functionresponse", "executablecode"),
        *("executable_code", "codeexecutionresult", "code_execution_result", "server_tool_use", "mcp_tool_use"),
        *("mcp_tool_result", "web_search_tool_result", "code_execution_tool_result"),
    ),
    "boxes": ("objects", "boxes", "box", "bbox", "bboxes", "bounding_boxes", "points", "mask", "masks", "segmentation"),
    "preference": (
        *("chosen", "chosen_messages", "preferred_output", "kto_tag", "positive_messages", "negative_messages"),
    ),
    "rejected_response": (
        *("rejected", "rejected_response", "rejected_messages", "rejected_images", "non_preferred_output"),
    ),
    "reasoning": (
        *(
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "thinking",
            "thought",
            "thoughts",
            "redacted_thinking",
        ),
        "teacher_prompt",
    ),
    "loss": ("loss", "loss_scale", "loss_weight", "weight", "train", "channel"),
    "response_format": ("response_format",),
    "refusal": ("refusal",),
}
BY_NAME: dict[str, Kind] = {name: kind for kind, names in NAMES.items() for name in names}

TOOL_ROLES = frozenset(
    {
        *("tool", "tools", "function", "function_call", "tool_call", "function_response", "tool_response"),
        *("observation", "observations", "ipython", "tool_result"),
    }
)

LOSS_BY_ROLE = {"assistant": 1.0}
"""The weight that a turn has anyway: only answers are learned."""


def kind_of_part(name: str) -> Kind | None:
    """What a part's type, or one of its keys, names that a dataset can't hold, or nothing."""
    return BY_NAME.get(name.lower())


def kind_of_key(key: str, value: Any) -> Kind | None:
    """What a row's or a message's key names that a dataset can't hold, or nothing.

    The value must look the part, too: a row may well have a column `file`, or one `weight` of a parcel.
    """
    if key.lower() == "label":
        return "preference" if isinstance(value, bool) else None
    kind = BY_NAME.get(key.lower())
    if kind == "loss":
        return kind if isinstance(value, bool | int | float) or key.lower() == "channel" else None
    if kind == "boxes":
        return kind if isinstance(value, list | tuple | Mapping) else None
    if kind == "response_format" and isinstance(value, Mapping) and value.get("type") == "text":
        return None
    return None if kind == "document" or (kind != "preference" and value is False) else kind


def kind_of_mime(mime: str) -> Kind | None:
    """What a MIME type other than an image's is."""
    family = mime.partition("/")[0].lower()
    if family == "image" or mime.lower() == "application/octet-stream":
        return None
    return family if _is_media(family) else "document"


def _is_media(family: str) -> TypeGuard[Literal["video", "audio"]]:
    return family in ("video", "audio")


def is_usual_loss(role: str, value: Any) -> bool:
    """Whether a weight says what holds anyway: that answers are learned, and other turns are not."""
    return isinstance(value, bool | int | float) and float(value) == LOSS_BY_ROLE.get(role, 0.0)
