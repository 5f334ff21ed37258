"""Contents that are lists of typed parts: a table from a part's type to the function that reads it, for each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vlmdata.convert.formats.draft import IMAGE, Draft, Turn, is_empty, kind_of_value, shown
from vlmdata.convert.formats.image_values import from_base64, image_of, path_or_address
from vlmdata.convert.formats.messages import ContentReader, add_text
from vlmdata.convert.formats.unsupported import kind_of_mime, kind_of_part
from vlmdata.record import ImageReference

PartReader = Callable[[Draft, Turn, Mapping[str, Any], str], set[str]]
"""Reads a part at a place, and gives the keys that it has read."""


def content_of(kinds: Mapping[str, PartReader], text: ContentReader = add_text) -> ContentReader:
    """A reader of contents: a text, which `text` reads, or a list of parts of these kinds."""

    def content(draft: Draft, turn: Turn, said: Any) -> None:
        if isinstance(said, str):
            text(draft, turn, said)
        elif isinstance(said, list | tuple):
            for index, part in enumerate(said):
                read_part(draft, turn, part, f"{turn.place}.content[{index}]", kinds)
            _leave_out_blank_text(draft, turn)
        elif isinstance(said, Mapping):
            read_part(draft, turn, said, f"{turn.place}.content", kinds)
        else:
            hint = "a text or a list of parts was expected"
            draft.fault("messages.content", turn.place, f"found {kind_of_value(said)}", hint)

    return content


def read_part(draft: Draft, turn: Turn, part: Any, where: str, kinds: Mapping[str, PartReader]) -> None:
    """Read one part into a turn."""
    if isinstance(part, str):
        add_text(draft, turn, part)
        return
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        hint = f"a text, or a part with one of the types {', '.join(kinds)}, was expected"
        draft.fault("messages.part", where, f"found {kind_of_value(part)}", hint)
    elif kind in kinds:
        _beside(draft, part, {"type"} | kinds[kind](draft, turn, part, where), where)
    elif (held := kind_of_part(kind)) is not None:
        draft.unsupported(held, where, kind)
    else:
        hint = f"{', '.join(kinds)} were expected"
        draft.fault("unsupported.part", where, f"found a part of type {shown(kind)!r}", hint)


def _beside(draft: Draft, part: Mapping[str, Any], read: set[str], where: str) -> None:
    for key, value in part.items():
        if key in read or is_empty(value):
            continue
        kind = kind_of_part(key)
        if kind is not None and value is not False:
            draft.unsupported(kind, f"{where}.{key}", value)
        else:
            draft.left_out(f"{where.partition('[')[0]}[].content[].{key}", value)


def _leave_out_blank_text(draft: Draft, turn: Turn) -> None:
    """Leave out texts of nothing but white space where the turn has more than them."""
    blank = [part for part in turn.parts if part != IMAGE and not (part.text or "").strip()]
    if blank and len(blank) < len(turn.parts):
        turn.parts = [part for part in turn.parts if part not in blank]
        for part in blank:
            draft.changed("import.blank_text", f"{turn.place.partition('[')[0]}[].content", part.text)


def text_part(*keys: str) -> PartReader:
    """A reader of text that stands under the first of these keys that is there."""

    def read(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
        text = next((part[key] for key in keys if part.get(key) is not None), None)
        if not isinstance(text, str):
            message = f"found {kind_of_value(text)} where the text belongs"
            draft.fault("messages.part", where, message, f"a text under the key {keys[0]!r} was expected")
        else:
            add_text(draft, turn, text)
        return set(keys)

    return read


def image_part(*keys: str) -> PartReader:
    """A reader of an image that stands, in any way, under the first of these keys that is filled."""

    def read(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
        key = next((key for key in keys if not is_empty(part.get(key))), None)
        value = part[key] if key is not None else None
        if isinstance(value, Mapping) and value.get("detail") not in (None, "auto"):
            draft.left_out(f"{where.partition('[')[0]}[].content[].detail", value["detail"])
        if not is_empty(part.get("file_id")):
            hint = "download the file and give its path below the image root"
            draft.fault("images.uploaded", where, f"the image is an uploaded file, {shown(part['file_id'])!r}", hint)
        elif key is None:
            draft.fault("images.value", where, "the part names no image", f"a value under {keys[0]!r} was expected")
        elif (image := image_of(draft, value, where)) is not None:
            draft.image(turn, image)
        return {*keys, "file_id"}

    return read


def source_image(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
    """An image as Anthropic has it: a source with base64 and its media type, an address, or an uploaded file's id."""
    source = part.get("source")
    place = f"{where}.source"
    kind = source.get("type") if isinstance(source, Mapping) else None
    image = None
    if not isinstance(source, Mapping) or kind not in ("base64", "url", "file"):
        hint = "type base64 with media_type and data, or type url with url, were expected"
        draft.fault("images.value", place, f"found {kind_of_value(source)}", hint)
    elif kind == "file":
        hint = "download the file and give its path below the image root"
        draft.fault("images.uploaded", place, f"the image is an uploaded file, {shown(source.get('file_id'))!r}", hint)
    elif kind == "url":
        image = image_of(draft, source.get("url"), place)
    elif held := kind_of_mime(str(source.get("media_type") or "image/")):
        draft.unsupported(held, place, source.get("media_type"))
    else:
        image = from_base64(draft, source.get("data"), place, str(source.get("media_type") or ""))
    if image is not None:
        draft.image(turn, image)
    return {"source"}


def binary_image(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
    """An image as oumi has it: its bytes as base64 under `binary`, else its path or address under `content`."""
    binary, content = part.get("binary"), part.get("content")
    image: ImageReference | None = None
    if not is_empty(binary):
        image = from_base64(draft, binary, f"{where}.binary")
    elif isinstance(content, str) and content.strip():
        image = image_of(draft, content, f"{where}.content")
    else:
        hint = "a path or an address under 'content', or base64 under 'binary', was expected"
        draft.fault("images.value", where, "the part names no image", hint)
    if image is not None:
        draft.image(turn, image)
    return {"binary", "content"}


def path_image(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
    """An image whose path or address stands under `image_url`, `content` or `value`, whoever wrote it."""
    for key in ("value", "content"):
        if isinstance(part.get(key), str) and part[key].strip():
            if (image := image_of(draft, part[key], where)) is not None:
                draft.image(turn, image)
            return {key}
    return image_part("image_url", "url", "image")(draft, turn, part, where)


def placeholder_image(draft: Draft, turn: Turn, part: Mapping[str, Any], where: str) -> set[str]:
    """An image as TRL and transformers have it: in the part itself, or in the row's list, in the parts' order."""
    keys = ("image", "url", "path", "base64", "bytes")
    if "source" in part and not is_empty(part["source"]):
        return source_image(draft, turn, part, where)
    key = next((key for key in keys if not is_empty(part.get(key))), None)
    if key is None:
        draft.image(turn, None)
        if isinstance(part.get("index"), int):
            draft.order.append(part["index"])
    else:
        value = from_base64(draft, part[key], where) if key == "base64" else image_of(draft, part[key], where)
        if value is not None:
            draft.image(turn, value)
    return {*keys, "source", "index"}


def address_image(draft: Draft, turn: Turn, address: Any, mime: Any, where: str) -> None:
    """An image by its address and MIME type, as Gemini has it."""
    held = kind_of_mime(mime) if isinstance(mime, str) and mime else None
    if held is not None:
        draft.unsupported(held, where, mime)
    elif not isinstance(address, str) or not address.strip():
        draft.fault("images.value", where, f"found {kind_of_value(address)}", "an address was expected")
    elif (image := path_or_address(draft, address.strip(), where)) is not None:
        draft.image(turn, image)
