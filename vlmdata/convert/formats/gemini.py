"""Gemini's tuning JSONL for Vertex AI: `contents` of parts, each a text, `inlineData` or `fileData`, and a
`systemInstruction`.

Facts: Google Cloud's guide to preparing supervised tuning data. Keys are known in both spellings, `inlineData` and
`inline_data`. A literal `<image>` in a text is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmdata.convert.formats.draft import Draft, Turn, is_empty, kind_of_value
from vlmdata.convert.formats.image_values import from_base64
from vlmdata.convert.formats.messages import add_text, read_messages
from vlmdata.convert.formats.parts import address_image
from vlmdata.convert.formats.unsupported import kind_of_mime, kind_of_part


def read(draft: Draft) -> None:
    """Read a row."""
    draft.take_id("id", "key")
    read_messages(draft, draft.take("contents"), "contents", add_parts)
    system = _either(draft.row, "systemInstruction", "system_instruction")
    parts = system.get("parts") if isinstance(system, Mapping) else system
    draft.read |= {"systemInstruction", "system_instruction"}
    if parts:
        turn = Turn("system", "systemInstruction")
        add_parts(draft, turn, parts)
        draft.turns.insert(0, turn)
    draft.join_user_turns()


def add_parts(draft: Draft, turn: Turn, parts: Any) -> None:
    """Read a turn's parts, or its only one."""
    for index, part in enumerate(parts if isinstance(parts, list | tuple) else [parts]):
        if isinstance(part, str):
            add_text(draft, turn, part)
        elif isinstance(part, Mapping):
            _add_part(draft, turn, part, f"{turn.place}.parts[{index}]")
        else:
            hint = "text, inlineData or fileData were expected"
            draft.fault("messages.part", turn.place, f"found {kind_of_value(part)}", hint)


def _add_part(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> None:
    filled = {key: value for key, value in part.items() if value is not None}
    held = next((kind for key in filled if (kind := kind_of_part(key)) and filled[key] is not False), None)
    inline = filled.get("inlineData", filled.get("inline_data"))
    file = filled.get("fileData", filled.get("file_data"))
    if held is not None:
        draft.unsupported(held, where, part)
    elif isinstance(inline, Mapping):
        _add_inline(draft, turn, inline, where)
    elif isinstance(file, Mapping):
        address_image(draft, turn, _either(file, "fileUri", "file_uri"), _either(file, "mimeType", "mime_type"), where)
    elif isinstance(filled.get("text"), str):
        add_text(draft, turn, filled["text"])
    else:
        draft.fault(
            "messages.part", where, f"found {kind_of_value(part)}", "text, inlineData or fileData were expected"
        )
    known = ("text", "inlineData", "inline_data", "fileData", "file_data", "thought")
    for key in filled.keys() - set(known):
        if kind_of_part(key) is None and not is_empty(filled[key]):
            draft.left_out(f"contents[].parts[].{key}", filled[key])


def _add_inline(draft: Draft, turn: Turn, inline: Mapping[str, Any], where: str) -> None:
    mime = _either(inline, "mimeType", "mime_type")
    held = kind_of_mime(mime) if isinstance(mime, str) and mime else None
    if held is not None:
        draft.unsupported(held, where, mime)
    elif (image := from_base64(draft, inline.get("data"), where, str(mime or ""))) is not None:
        draft.image(turn, image)


def _either(values: Mapping[str, Any], first: str, second: str) -> Any:
    return values.get(first, values.get(second))
