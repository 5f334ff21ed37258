"""A PNG file as its chunks (W3C PNG, third edition, 5.3), so that those with metadata can be left out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from vlmdata.image.exif import OddMetadataError, orientation_alone, without_position

START = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
METADATA = (b"eXIf", b"tIME", *TEXTS)
RAW_PROFILE = b"Raw profile type "
XMP = b"XML:com.adobe.xmp"
TEXT_LIMIT = 10_000_000


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's name and content, to the last. Raises OddMetadataError."""
    place = len(START)
    name = b""
    while name != b"IEND":
        if place + 12 > len(data):
            raise OddMetadataError("a PNG chunk is cut short")
        length = int.from_bytes(data[place : place + 4], "big")
        name = data[place + 4 : place + 8]
        end = place + 12 + length
        if end > len(data):
            raise OddMetadataError("a PNG chunk is longer than the file")
        content = data[place + 8 : end - 4]
        if int.from_bytes(data[end - 4 : end], "big") != zlib.crc32(name + content):
            raise OddMetadataError("a PNG chunk has another checksum")
        yield name, content
        place = end


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def stripped(data: bytes, turn: int, *, everything: bool, position: bool) -> bytes:
    """A PNG without metadata, or without positions. `turn` is its orientation. Raises OddMetadataError."""
    if not everything and not position:
        return data
    kept: list[tuple[bytes, bytes]] = []
    for name, content in chunks(data):
        if everything and name in METADATA:
            continue
        if name == b"eXIf":
            kept.append((name, without_position(content)))
        elif name not in TEXTS or not _may_hold_position(name, content):
            kept.append((name, content))
    if turn != 1 and not any(name == b"eXIf" for name, _ in kept):
        kept.insert(1, (b"eXIf", orientation_alone(turn)))
    made = START + b"".join(chunk(name, content) for name, content in kept)
    return data if made == data else made


def _may_hold_position(name: bytes, content: bytes) -> bool:
    """Whether a text chunk holds EXIF or XMP of which a position may be part."""
    keyword, _, rest = content.partition(b"\0")
    if keyword.startswith(RAW_PROFILE):
        return True
    if name == b"zTXt":
        rest = _inflated(rest[1:])
    elif name == b"iTXt" and rest[:1] == b"\1":
        *_, packed = rest[2:].split(b"\0", 2)
        rest = _inflated(packed)
    return b"GPS" in keyword or b"GPS" in rest.replace(b"\0", b"")


def _inflated(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(packed, TEXT_LIMIT)
    except zlib.error as error:
        raise OddMetadataError(f"a PNG text is damaged: {error}") from None
    if stream.unconsumed_tail:
        raise OddMetadataError(f"a PNG text is longer than {TEXT_LIMIT:,} bytes")
    return found
