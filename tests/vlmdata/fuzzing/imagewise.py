"""Mutations of pictures that know their structure: JPEG segments, PNG chunks, the lengths of RIFF, TIFF and AVIF."""

from __future__ import annotations

import struct
import zlib
from random import Random

from tests.vlmdata.fuzzing.bytewise import NUMBERS, changed_blindly

PNG = b"\x89PNG\r\n\x1a\n"
EXIFS = (
    b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 30,
    b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0",
    b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x88\x25\0\x04\0\0\0\x01\xff\xff\xff\xff",
    b"Exif\0\0",
    b"ICC_PROFILE\0\x01\x02" + b"\0" * 40,
    b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + b"<" * 5_000,
    b"MPF\0MM\0*\0\0\0\x08" + b"\xff" * 40,
    b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff",
)
"""Segments that Pillow reads more of than the picture needs."""


def changed_picture(random: Random, data: bytes) -> tuple[bytes, str]:
    """A changed picture, by its first bytes."""
    if data.startswith(b"\xff\xd8") and random.random() < 0.8:
        return _jpeg(random, data)
    if data.startswith(PNG) and random.random() < 0.8:
        return _png(random, data)
    if data.startswith((b"RIFF", b"II", b"MM", b"GIF", b"BM")) or data[4:8] == b"ftyp":
        return _header(random, data)
    return changed_blindly(random, data or b"\0", data) if data else (b"\0", "zero")


def _segments(data: bytes) -> list[bytes]:
    """A JPEG's segments, the first two bytes and all that follows the start of the scan as one each."""
    found, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        length = 2 + struct.unpack_from(">H", data, place + 2)[0]
        if data[place + 1] == 0xDA:
            break
        found.append(data[place : place + length])
        place += length
    return [*found, data[place:]]


def _jpeg(random: Random, data: bytes) -> tuple[bytes, str]:
    segments = _segments(data)
    place = random.randrange(1, len(segments)) if len(segments) > 1 else 0
    how = random.choice(("removed", "doubled", "length", "exif", "moved", "size", "scan", "scans"))
    if how == "removed":
        del segments[place]
    elif how == "doubled":
        segments[place] *= random.choice((2, 500))
    elif how == "length":
        segments[place] = (
            segments[place][:2] + struct.pack(">H", random.choice((0, 1, 2, 3, 0xFFFF))) + segments[place][4:]
        )
    elif how == "exif":
        body = random.choice(EXIFS)
        segments.insert(
            1,
            b"\xff"
            + bytes([random.choice((0xE1, 0xE1, 0xE2, 0xED, 0xEE, 0xFE))])
            + struct.pack(">H", len(body) + 2)
            + body,
        )
    elif how == "moved":
        segments.insert(random.randrange(1, len(segments)), segments.pop(place))
    elif how == "size":
        frames = [n for n, each in enumerate(segments) if each[1:2] in {b"\xc0", b"\xc1", b"\xc2"} and len(each) > 9]
        for number in frames:
            size = struct.pack(">HH", *(random.choice((0, 1, 8, 60, 3_000, 65_535)) for _ in range(2)))
            segments[number] = segments[number][:5] + size + segments[number][9:]
    elif how == "scan":
        segments[-1] = changed_blindly(random, segments[-1], data)[0] if segments[-1] else b""
    else:
        segments[-1] = (segments[-1][:-2] or b"\xff\xda\0\x02") * random.choice((3, 300)) + b"\xff\xd9"
    return b"".join(segments), f"jpeg {how}"


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks, each its type and its body."""
    found, place = [], len(PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def chunk(kind: bytes, body: bytes, *, length: int | None = None, crc: int | None = None) -> bytes:
    """A PNG chunk, lying where it is told to."""
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + kind + body + struct.pack(">I", checksum)


def _png(random: Random, data: bytes) -> tuple[bytes, str]:
    found = _chunks(data)
    written = [chunk(*each) for each in found]
    place = random.randrange(len(found))
    kind, body = found[place]
    how = random.choice(("length", "crc", "removed", "doubled", "body", "header", "text", "odd", "idat"))
    if how == "length":
        written[place] = chunk(kind, body, length=random.choice((0, len(body) + 1, *NUMBERS)) & 0xFFFFFFFF)
    elif how == "crc":
        written[place] = chunk(kind, body, crc=random.randrange(1 << 32))
    elif how == "removed":
        del written[place]
    elif how == "doubled":
        written.insert(place, written[place] * random.choice((1, 500)))
    elif how == "body" and body:
        written[place] = chunk(kind, changed_blindly(random, body, data)[0])
    elif how == "header":
        size = [random.choice((0, 1, 7, 40, 1_000, 2_000, 65_535, 1 << 30, 0xFFFFFFFF)) for _ in range(2)]
        rest = bytes(
            [random.choice((0, 1, 8, 16, 7)), random.choice((0, 2, 3, 4, 6, 1)), 0, 0, random.choice((0, 1, 9))]
        )
        written[0] = chunk(b"IHDR", struct.pack(">II", *size) + rest)
    elif how == "text":
        text = zlib.compress(b"x" * random.choice((10, 3_000_000)))
        kinds = (
            (b"zTXt", b"a\0\0" + text),
            (b"iTXt", b"a\0\x01\0\0\0" + text),
            (b"tEXt", b"\xff" * 90),
            (b"iCCP", b"a\0\0" + text),
            (b"eXIf", random.choice(EXIFS)[6:]),
        )
        written.insert(1, chunk(*random.choice(kinds)))
    elif how == "odd":
        kinds = (
            (b"tRNS", b"\0"),
            (b"PLTE", b"\0\1"),
            (b"acTL", b"\xff" * 8),
            (b"fcTL", b"\0" * 26),
            (b"fdAT", b"\0"),
            (b"IEND", b""),
            (b"\xff\0ab", b""),
            (b"pHYs", b"\0"),
            (b"cHRM", b""),
            (b"gAMA", b""),
            (b"sRGB", b""),
            (b"tRNS", b"\0" * 6),
        )
        written.insert(random.randrange(1, len(written) + 1), chunk(*random.choice(kinds)))
    else:
        written = [
            chunk(b"IDAT", zlib.compress(b"\0" * random.choice((1, 10_000_000)))) if each[4:8] == b"IDAT" else each
            for each in written
        ]
    return PNG + b"".join(written), f"png {how}"


def _header(random: Random, data: bytes) -> tuple[bytes, str]:
    """A number within the first or the last bytes of a file, where the sizes and offsets stand."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 3)):
        form = random.choice(("B", "<H", ">H", "<I", ">I"))
        size = struct.calcsize(form)
        span = random.choice((64, 64, 256, len(changed)))
        place = random.randrange(max(min(span, len(changed)) - size, 0) + 1)
        place = place if random.random() < 0.8 else max(len(changed) - place - size, 0)
        changed[place : place + size] = struct.pack(
            form, random.choice((*NUMBERS, 2, 3, 5, 16)) & ((1 << 8 * size) - 1)
        )
    return bytes(changed), "header"
