"""A record of a dataset on its way out: its values, and its images as the bytes that the dataset's files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vlmdata.arrow_bytes import bytes_at
from vlmdata.contract import arrow_type
from vlmdata.pixels import PixelError, open_image, orientation
from vlmdata.record import Message, Origin, Part

ROWS_AT_ONCE = 64
ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
MIME_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
BEGINNINGS = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"BM", "BMP"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "HEIF"),
)
"""How the files of each format begin: where, and with what."""

UNTURNED = frozenset({"", "GIF", "BMP"})
"""Formats that have no orientation."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image: its bytes, where they lie in the dataset's file, and the file name that is stored with them."""

    buffer: pa.Buffer
    name: str

    @property
    def data(self) -> memoryview:
        """The bytes, not copied."""
        return memoryview(self.buffer)

    @property
    def sha256(self) -> str:
        """Of the bytes themselves, whatever the record says of them."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def format(self) -> str:
        """By its first bytes; nothing where they are those of no format that a dataset holds."""
        start = bytes(self.data[:16])
        return next((name for at, sign, name in BEGINNINGS if start[at:].startswith(sign)), "")

    @property
    def ending(self) -> str:
        """The end of a file name that tells readers the format."""
        return ENDINGS.get(self.format, ".bin")

    @property
    def mime(self) -> str:
        """The MIME type."""
        return MIME_TYPES.get(self.format, "application/octet-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A record. `record` is the same as a batch of one row, as its file holds it."""

    id: str
    split: str
    messages: tuple[Message, ...]
    images: tuple[Picture, ...]
    group: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    origin: Origin
    has_provenance: bool
    record: pa.RecordBatch

    @property
    def system(self) -> str:
        """The text of the system's turn at the beginning; empty where there is none."""
        return text_of(self.messages[0]) if self.messages and self.messages[0].role == "system" else ""

    @property
    def turns(self) -> tuple[Message, ...]:
        """The turns of user and assistant."""
        return self.messages[1:] if self.messages and self.messages[0].role == "system" else self.messages

    @property
    def image_places(self) -> int:
        """How many parts are images."""
        return sum(part.type == "image" for message in self.messages for part in message.content)


def text_of(message: Message) -> str:
    """The texts of a message, one after the other."""
    return "".join(part.text or "" for part in message.content if part.type == "text")


def is_turned(picture: Picture) -> bool:
    """Whether an image's EXIF orientation turns or mirrors it. One that can't be read is not turned."""
    if picture.format in UNTURNED:
        return False
    try:
        return orientation(open_image(bytes(picture.data))) != 1
    except PixelError:
        return False


def rows_of(batch: pa.RecordBatch, split: str) -> Iterator[Row]:
    """The rows of a batch, in order. Images are not read before they are asked for."""
    plain = batch.select([name for name in arrow_type().names if name not in ("images", "image_info")])
    images = batch.column("images")
    for start in range(0, batch.num_rows, ROWS_AT_ONCE):
        for place, values in enumerate(plain.slice(start, ROWS_AT_ONCE).to_pylist(), start):
            yield _row(values, split, _pictures(images[place]), batch.slice(place, 1))


def _row(values: Mapping[str, Any], split: str, images: tuple[Picture, ...], record: pa.RecordBatch) -> Row:
    origin = values["origin"] or {}
    return Row(
        id=values["id"] or "",
        split=split,
        messages=tuple(_message(message) for message in values["messages"] or ()),
        images=images,
        group=values["group"] or "",
        tags=_pairs(values["tags"]),
        fields=_pairs(values["fields"]),
        origin=Origin(source=origin.get("source") or "", row=origin.get("row") or 0, line=origin.get("line") or 0),
        has_provenance=values["provenance"] is not None and any(values["provenance"].values()),
        record=record,
    )


def _message(message: Mapping[str, Any]) -> Message:
    parts = (Part(type=part["type"], text=part["text"]) for part in message["content"] or ())
    return Message(role=message["role"], content=tuple(parts))


def _pairs(named: list[dict[str, str]] | None) -> tuple[tuple[str, str], ...]:
    return tuple((pair["name"] or "", pair["value"] or "") for pair in named or ())


def _pictures(images: pa.ListScalar) -> tuple[Picture, ...]:
    if not images.is_valid or not len(images):
        return ()
    names = images.values.field("path").to_pylist()
    data = images.values.field("bytes")
    return tuple(Picture(bytes_at(data, place), name or "") for place, name in enumerate(names))
