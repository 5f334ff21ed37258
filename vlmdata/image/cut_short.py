"""Whether the end of an image's file is missing, by what the file itself says of its length, its parts or its end.

Only headers and ends are looked at; a file that ends as its format does is let go at once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vlmdata.image.endings import JPEG_END, JPEG_START, PNG_START, png_chunks
from vlmdata.image.jpeg_segments import start_of_scan
from vlmdata.pixels import HEIC_BRANDS

Missing = Literal["part", "end"]
"""A part that a picture is made of, or nothing but what marks the end, pads it, or says nothing of the pixels."""

PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
GIF_STARTS, GIF_END = (b"GIF87a", b"GIF89a"), b"\0;"
IMAGE, EXTENSION, TRAILER = 0x2C, 0x21, 0x3B
RIFF, WEBP, BMP_START = b"RIFF", b"WEBP", b"BM"
BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
PLAIN_BMP = frozenset({0, 3, 6})
"""Compressions that are none: RGB, and RGB by masks."""

BRANDS = HEIC_BRANDS | {b"avif", b"avis"}
BOXES_OF_PIXELS = frozenset({b"ftyp", b"meta", b"moov", b"moof", b"mdat"})
BOX_NAME = re.compile(rb"[A-Za-z0-9 ]{4}")

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
OFFSETS, LENGTHS = frozenset({273, 324}), frozenset({279, 325})
"""Where strips and tiles begin, and how long they are (TIFF 6.0)."""

NUMBERS = {3: "u2", 4: "u4", 16: "u8"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type; others are left alone."""

MOST_PAGES, MOST_TAGS = 100, 1_000


def missing_from(data: bytes) -> Missing | None:
    """What of a picture's file is not there, by its own words; None where nothing is, or where they are not known."""
    for starts, look in LOOKS:
        if data.startswith(starts):
            return look(data)
    return _of_boxes(data) if data[4:8] == b"ftyp" and data[8:12] in BRANDS else None


def ended(data: bytes) -> bytes:
    """A JPEG's bytes with an end mark."""
    return data.removesuffix(JPEG_END[:1]) + JPEG_END


def _of_jpeg(data: bytes) -> Missing | None:
    """An end mark before the scan is that of a thumbnail. Decoders ask for the mark, so that all is missing with it."""
    if data.endswith(JPEG_END) or data.rfind(JPEG_END, start_of_scan(data)) >= 0:
        return None
    return "part"


def _of_png(data: bytes) -> Missing | None:
    if data.endswith(PNG_END):
        return None
    end, has_pixels = len(PNG_START), False
    for name, _, end in png_chunks(data):  # noqa: B007  (where the last whole one ends)
        if name == b"IEND":
            return None
        has_pixels |= name == b"IDAT"
    return "end" if has_pixels and PNG_END.startswith(data[end:]) else "part"


def _of_gif(data: bytes) -> Missing | None:
    """Some programs write no trailer. Where the mark behind a picture's last block is missing too, it was the last."""
    if data.endswith(GIF_END):
        return None
    place = 13 + _palette(data, 10)
    while place < len(data) and data[place] != TRAILER:
        kind = data[place]
        if kind not in {IMAGE, EXTENSION}:
            return None
        place += 2 if kind == EXTENSION else 11 + _palette(data, place + 9)
        while place < len(data) and data[place]:
            place += 1 + data[place]
        if place >= len(data):
            return "end" if place == len(data) and kind == IMAGE else "part"
        place += 1
    return None if place < len(data) else "end"


def _palette(data: bytes, place: int) -> int:
    """The size of a GIF's palette, by the flags at a place."""
    flags = data[place] if place < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _of_riff(data: bytes) -> Missing | None:
    return "part" if data[8:12] == WEBP and 8 + int.from_bytes(data[4:8], "little") > len(data) else None


def _of_bmp(data: bytes) -> Missing | None:
    """The rows are counted where they are not packed. The header's own size of the file is often a little off."""
    says, first, header = struct.unpack_from("<I4xII", data.ljust(18, b"\0"), 2)
    if header not in BMP_HEADERS:
        return None
    if header >= 40 and len(data) >= 34:
        width, height, bits, packed = struct.unpack_from("<ii2xHI", data, 18)
        if packed in PLAIN_BMP and first + (width * bits + 31) // 32 * 4 * abs(height) > len(data):
            return "part"
    return "end" if says > len(data) else None


def _of_boxes(data: bytes) -> Missing | None:
    """AVIF and HEIC are boxes one after the other, each with its size before it (ISO/IEC 14496-12, 4.2)."""
    place = 0
    while place + 8 <= len(data):
        size, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size == 0:
            return None
        if place + size > len(data):
            return "part" if name in BOXES_OF_PIXELS else "end" if BOX_NAME.fullmatch(name) else None
        place += max(size, 8)
    return "end" if data[place:].strip(b"\0\r\n") else None


def _of_tiff(data: bytes) -> Missing | None:
    """Of the first page, a strip that is said to be longer than the file may be said so wrongly: some programs count
    rows that the picture does not have. Its decoder knows."""
    found: Missing | None = None
    for number, page in enumerate(_pages(data)):
        if page is None or page.offsets.max(initial=0) >= len(data):
            return "part"
        if page.end() > len(data):
            if number:
                return "part"
            found = "end"
        found = found if page.whole else "end"
    return found


Numbers = npt.NDArray[np.uint64]
NONE = np.zeros(0, np.uint64)


class _Page(NamedTuple):
    """Where the strips of a TIFF's page begin, how long they are, and whether all that is said of it is there."""

    offsets: Numbers
    lengths: Numbers
    whole: bool

    def end(self) -> int:
        """Where the last strip ends, as far as it is known."""
        return int((self.offsets + self.lengths).max(initial=0)) if len(self.offsets) == len(self.lengths) else 0


def _pages(data: bytes) -> Iterator[_Page | None]:
    """The pages of a TIFF; None for one whose strips are not known, since what lists them is not all there."""
    kinds = _Kinds("little" if data[:1] == b"I" else "big", big=b"+" in data[2:4])
    place = kinds.number(data, kinds.word)
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MOST_PAGES:
        seen.add(place)
        first = place + (8 if kinds.big else 2)
        next_page = first + int.from_bytes(data[place:first], kinds.order) * kinds.entry
        if next_page + kinds.word > len(data):
            yield None
            return
        yield kinds.page(data, range(first, next_page, kinds.entry)[:MOST_TAGS])
        place = kinds.number(data, next_page)


class _Kinds(NamedTuple):
    """How a TIFF or BigTIFF writes its numbers."""

    order: Literal["little", "big"]
    big: bool

    @property
    def entry(self) -> int:
        """Bytes of a tag."""
        return 20 if self.big else 12

    @property
    def word(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    def number(self, data: bytes, place: int) -> int:
        """The offset at a place."""
        return int.from_bytes(data[place : place + self.word], self.order)

    def page(self, data: bytes, tags: range) -> _Page | None:
        """A page by its tags."""
        offsets, lengths, whole = NONE, NONE, True
        for place in tags:
            tag, kind = struct.unpack_from("<HH" if self.order == "little" else ">HH", data, place)
            count, start = self.number(data, place + 4), place + 4 + self.word
            size = count * SIZES.get(kind, 0)
            if size > self.word:
                start = self.number(data, start)
            if start + size <= len(data):
                if tag in OFFSETS:
                    offsets = self._numbers(data, kind, count, start)
                elif tag in LENGTHS:
                    lengths = self._numbers(data, kind, count, start)
            elif tag in OFFSETS or tag in LENGTHS:
                return None
            else:
                whole = False
        return _Page(offsets, lengths, whole)

    def _numbers(self, data: bytes, kind: int, count: int, start: int) -> Numbers:
        if kind not in NUMBERS:
            return NONE
        dtype = np.dtype(NUMBERS[kind]).newbyteorder("<" if self.order == "little" else ">")
        return np.frombuffer(data, dtype, count, start).astype(np.uint64)


LOOKS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Missing | None]], ...] = (
    (JPEG_START, _of_jpeg),
    (PNG_START, _of_png),
    (GIF_STARTS, _of_gif),
    (RIFF, _of_riff),
    (BMP_START, _of_bmp),
    (TIFF_STARTS, _of_tiff),
)
