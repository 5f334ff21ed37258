"""The ways in which rows give an image: a path, an address, base64, bytes, or a mapping of bytes and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from vlmdata.convert.formats.draft import Draft, is_empty, kind_of_value, shown
from vlmdata.convert.formats.messages import as_list
from vlmdata.convert.formats.unsupported import kind_of_mime
from vlmdata.record import ImageReference, InlineImage, MemberImage

DATA = re.compile(r"\s*data:([^;,]*)", re.IGNORECASE)
BASE64_OF_IMAGES = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR")
"""How the base64 of a JPEG, PNG, GIF and WebP begins."""

SHORTEST_BASE64 = 100
BUCKET = re.compile(r"(gs|s3)://", re.IGNORECASE)
COPY = {"gs": "gcloud storage rsync -r", "s3": "aws s3 sync"}
REFERENCE_KEYS = ("path", "url", "image_url", "image", "src", "file_name")


def images_of(draft: Draft, value: Any, field: str) -> list[ImageReference]:
    """The images of a key's value: one, or a list of them."""
    if value is None:
        return []
    entries = as_list(value)
    if entries is None:
        entries, places = [value], [field]
    else:
        places = [f"{field}[{index}]" for index in range(len(entries))]
    found = (image_of(draft, entry, place) for entry, place in zip(entries, places, strict=True))
    return [image for image in found if image is not None]


def image_of(draft: Draft, value: Any, field: str) -> ImageReference | None:
    """One image. A value that names none is noted, and None is given."""
    if isinstance(value, InlineImage | MemberImage):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return InlineImage(data=bytes(value), name="")
    if isinstance(value, str) and value.strip():
        return _from_text(draft, value, field)
    if isinstance(value, Mapping) and not is_empty(value):
        return _from_mapping(draft, value, field)
    if isinstance(value, list | tuple) and value:
        draft.unsupported("video", field, value)
    else:
        draft.fault("images.value", field, f"found {kind_of_value(value)}", "a path, an address or bytes were expected")
    return None


def _from_text(draft: Draft, text: str, field: str) -> ImageReference | None:
    if DATA.match(text):
        return from_data_address(draft, text, field)
    if len(text) > SHORTEST_BASE64 and text.startswith(BASE64_OF_IMAGES):
        return from_base64(draft, text, field)
    return path_or_address(draft, text.strip(), field)


def path_or_address(draft: Draft, text: str, field: str) -> ImageReference | None:
    """A path or an address, its beginning replaced as the recipe says; an image beside the row, where it names one."""
    member = draft.members.get(text) or draft.members.get(PurePosixPath(text).name)
    if member is not None:
        return member
    text = text[len("file://") :] if text.lower().startswith("file://") else text
    for beginning in sorted(draft.rebase, key=len, reverse=True):
        if text.startswith(beginning):
            return draft.rebase[beginning] + text[len(beginning) :]
    bucket = BUCKET.match(text)
    if bucket:
        start = text[: text.rfind("/") + 1]
        hint = (
            f"copy the files first (`{COPY[bucket[1].lower()]} {start} images`), "
            f"and set source.rebase: {{'{start}': 'images/'}}"
        )
        draft.fault("images.bucket", field, f"{shown(text)!r} is in a cloud storage bucket", hint)
        return None
    return text


def from_data_address(draft: Draft, text: str, field: str) -> str | None:
    """A `data:` address, which is read where images are; None where it says that it holds no image."""
    found = DATA.match(text)
    kind = kind_of_mime(found[1].strip()) if found is not None and found[1].strip() else None
    if kind is not None:
        draft.unsupported(kind, field, text[:40])
        return None
    return text.strip()


def from_base64(draft: Draft, text: Any, field: str, mime: str = "") -> ImageReference | None:
    """An image whose bytes stand as base64, as the `data:` address that holds them."""
    if isinstance(text, bytes | bytearray):
        return InlineImage(data=bytes(text), name="")
    if not isinstance(text, str) or not text.strip():
        draft.fault("images.value", field, f"found {kind_of_value(text)}", "an image's bytes as base64 were expected")
        return None
    return f"data:{mime};base64,{text.strip()}"


def _from_mapping(draft: Draft, value: Mapping[str, Any], field: str) -> ImageReference | None:
    data, path = value.get("bytes"), value.get("path")
    name = PurePosixPath(path.replace("\\", "/")).name if isinstance(path, str) else ""
    if isinstance(data, bytes | bytearray | memoryview):
        return InlineImage(data=bytes(data), name=name)
    if isinstance(data, str) and data:
        return from_base64(draft, data, field)
    for key in REFERENCE_KEYS:
        if not is_empty(value.get(key)):
            return image_of(draft, value[key], f"{field}.{key}")
    if not is_empty(value.get("base64")):
        return from_base64(draft, value["base64"], field)
    hint = "the keys bytes and path, or one of url, path and base64, were expected"
    draft.fault("images.value", field, f"found {kind_of_value(value)}", hint)
    return None
