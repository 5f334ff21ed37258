"""Where a picture ends in its file, and whether a PNG's bytes are those that were written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from vlmdata.pixels import PixelError

JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"
MOST_BEHIND = 1_024
"""Bytes behind a picture that are taken for padding."""


def has_more(data: bytes) -> bool:
    """Whether something stands behind a JPEG's or PNG's picture. In a JPEG, what has an end of its own is not seen."""
    if data.startswith(JPEG_START):
        end = data.rfind(JPEG_END)
        return end >= 0 and len(data) - end - len(JPEG_END) > MOST_BEHIND
    return data.startswith(PNG_START) and len(behind(data)) > MOST_BEHIND


def behind(data: bytes) -> bytes:
    """What stands behind a PNG's or WebP's picture, by what the file itself says of its end; nothing of other kinds."""
    if data.startswith(PNG_START):
        return data[max((end for _, _, end in png_chunks(data)), default=len(data)) :]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return data[8 + int.from_bytes(data[4:8], "little") :]
    return b""


def refuse_changed_png(data: bytes) -> None:
    """Raise PixelError where a PNG's chunk is not what was written, which Pillow does not look at for pixels."""
    if not data.startswith(PNG_START):
        return
    view = memoryview(data)
    for name, start, end in png_chunks(data):
        needed = not name[0] & 0x20  # a capital letter: what a reader must know to show the picture
        if needed and zlib.crc32(view[start - 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            kind = name.decode("latin-1")
            raise PixelError("corrupt", f"is damaged: the checksum of a {kind} chunk is another ({len(data):,} bytes)")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each whole chunk's name in a PNG, and where its content begins and the chunk ends, up to the picture's end."""
    place, name = len(PNG_START), b""
    while name != b"IEND" and place + 12 <= len(data):
        name = data[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            return
        yield name, place + 8, end
        place = end
