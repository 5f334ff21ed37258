"""The group, tags and fields of a row as keys of its own, in formats whose readers pass over keys that they don't know.

A name that readers know, such as `image` or `tools`, is left out: it would be taken for what it says.
"""

from __future__ import annotations

from collections.abc import Iterator

from vlmdata.exports.protocol import Survey
from vlmdata.exports.row import Row

GROUP = "group"
KNOWN = frozenset(
    {
        *("id", GROUP, "messages", "conversations", "conversation", "conversation_id", "prompt", "completion"),
        *("contents", "chosen", "rejected", "system", "system_prompt", "systeminstruction", "history", "metadata"),
        *("image", "images", "image_path", "image_paths", "image_url", "image_urls", "image_file", "img", "picture"),
        *("video", "videos", "audio", "audios", "frames", "document", "documents", "file", "files", "bytes", "path"),
        *("tools", "functions", "objects", "bbox", "boxes", "mask", "masks", "points", "loss", "loss_scale", "weight"),
        *("channel", "label", "labels", "kto_tag", "reasoning", "thinking", "response_format", "rejected_response"),
        *("query", "response", "instruction", "input", "output", "input_ids", "attention_mask", "length", "margin"),
        *("chat_template_kwargs", "positive_messages", "negative_messages", "completion_mask", "assistant_masks"),
        *("teacher_prompt", "teacher_images", "ref_audios", "audio_codes", "questions", "kinds", "options", "state"),
        *("target_probs", "question_ids", "criteria", "omnijev_column_keys", "omnijev_video", "rejected_images"),
        *("rejected_messages", "positive_images", "negative_images", "tool_calls", "function_call"),
        *("__key__", "__url__", "__index_level_0__", "file_name", "file_names", "images_file_names"),
    }
)
"""Names, in lower case, that receivers or an import give a meaning."""


def extras(row: Row, survey: Survey) -> dict[str, str]:
    """The keys that are written beside a row's conversation: its group, tags and fields, each under its own name.

    Every row has the keys of all, empty where it has no such value: readers that learn the keys from the first rows
    would stop at a new one.
    """
    return {**dict.fromkeys(columns(survey), ""), **own_extras(row)}


def own_extras(row: Row) -> dict[str, str]:
    """The keys for what the row has itself."""
    found = {GROUP: row.group or row.id}
    for name, value in (*row.tags, *row.fields):
        if is_free(name):
            found.setdefault(name, value)
    return found


def columns(survey: Survey) -> tuple[str, ...]:
    """The keys that rows have beside their conversation, each once."""
    return (GROUP, *dict.fromkeys(name for name in (*survey.tags, *survey.fields) if is_free(name)))


def is_free(name: str) -> bool:
    """Whether a name means nothing to anyone."""
    return bool(name.strip()) and name.lower() not in KNOWN


def names_left_out(row: Row) -> Iterator[str]:
    """`tags` or `fields`, where some of them can't stand under their own name, or another value stands there."""
    written = own_extras(row)
    for kind, pairs in (("tags", row.tags), ("fields", row.fields)):
        if any(written.get(name) != value for name, value in pairs):
            yield kind
