"""A WebP file as its chunks (RFC 9649, 2.3), so that those with metadata can be left out."""

from __future__ import annotations

from collections.abc import Iterator

from vlmdata.image.exif import OddMetadataError, orientation_alone, without_position

EXIF_FLAG, XMP_FLAG = 0x08, 0x04


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's name and content. Raises OddMetadataError."""
    end = 8 + int.from_bytes(data[4:8], "little")
    place = 12
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or end > len(data):
        raise OddMetadataError("the WebP file is shorter than it says")
    while place < end:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        if place + 8 + length > end:
            raise OddMetadataError("a WebP chunk is longer than the file")
        yield data[place : place + 4], data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def stripped(data: bytes, turn: int, *, everything: bool, position: bool) -> bytes:
    """A WebP without metadata, or without positions. `turn` is its orientation. Raises OddMetadataError."""
    if not everything and not position:
        return data
    kept: list[tuple[bytes, bytes]] = []
    for name, content in chunks(data):
        if name == b"EXIF":
            if not everything:
                kept.append((name, without_position(content)))
        elif name != b"XMP " or not (everything or b"GPS" in content.replace(b"\0", b"")):
            kept.append((name, content))
    if turn != 1 and not any(name == b"EXIF" for name, _ in kept):
        kept.append((b"EXIF", orientation_alone(turn)))
    made = _joined(kept)
    return data if made == data else made


def _joined(kept: list[tuple[bytes, bytes]]) -> bytes:
    names = {name for name, _ in kept}
    flags = EXIF_FLAG * (b"EXIF" in names) | XMP_FLAG * (b"XMP " in names)
    body = b"WEBP"
    for name, found in kept:
        extended = name == b"VP8X" and found
        content = bytes([found[0] & ~(EXIF_FLAG | XMP_FLAG) | flags]) + found[1:] if extended else found
        body += name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
