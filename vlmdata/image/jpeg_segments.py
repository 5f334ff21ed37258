"""A JPEG file as its segments (ITU-T T.81, annex B), so that those with metadata can be left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vlmdata.image.exif import PREFIX, OddMetadataError, orientation_alone, without_position

SOI, EOI, SOS, COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP13, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF
FRAMES = frozenset({0xC0, 0xC1, 0xC2})
PLAIN = frozenset({*FRAMES, 0xC4, 0xDB, 0xDD, APP0, COMMENT})
"""Frames of the usual kinds, tables, JFIF, comments."""

WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
COLOURS = {APP0: (b"JFIF\0",), APP2: (b"ICC_PROFILE\0",), APP14: (b"Adobe",)}
"""The segments that say how the picture's numbers become colours."""

PHOTOSHOP_EXIF = (b"8BIM\x04\x22", b"8BIM\x04\x23", b"8BIM\x04\x24")
"""Photoshop's copies of EXIF and XMP."""

BEHIND = (PREFIX, b"GPS", b"ftyp", b"\xa9xyz")
"""What further pictures and films behind a phone's picture are known by; each has a position of its own."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker, and the bytes from it to the next one, marker and length included."""

    marker: int
    raw: bytes

    @property
    def body(self) -> bytes:
        """What follows the length; a marker may have fill bytes before it."""
        return self.raw.lstrip(b"\xff")[3:]


def segments(data: bytes) -> Iterator[Segment]:
    """The segments of a JPEG file up to the end of its picture; joined again they are its bytes.

    What stands behind the picture's end comes as a segment with the marker 0. Raises OddMetadataError.
    """
    yield Segment(SOI, data[:2])
    place = 2
    while True:
        start = place
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        if place + 2 > len(data) or data[place] != 0xFF:
            raise OddMetadataError("a JPEG segment is not where it should be")
        marker = data[place + 1]
        if marker == EOI or marker in WITHOUT_LENGTH:
            end = place + 2
        else:
            length = int.from_bytes(data[place + 2 : place + 4], "big")
            end = place + 2 + length
            if length < 2 or end > len(data):
                raise OddMetadataError("a JPEG segment is longer than the file")
        if marker == SOS:
            end = _end_of_scan(data, end)
        yield Segment(marker, data[start:end])
        place = end
        if marker == EOI:
            if place < len(data):
                yield Segment(0, data[place:])
            return


def has_plain_header(data: bytes) -> bool:
    """Whether all that stands before a JPEG's picture is about its pixels, in grey or in three colours of 8 bits.

    Then it has no orientation, no position, no further frame and no inks; where in doubt, it is not plain.
    """
    place = 2
    while data[place : place + 1] == b"\xff":
        marker = data[place + 1]
        if marker == SOS:
            return True
        if marker in FRAMES and (data[place + 4] != 8 or data[place + 9] not in {1, 3}):
            return False
        if marker not in PLAIN:
            return False
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if place + 10 > len(data):
            return False
    return False


def start_of_scan(data: bytes) -> int:
    """Where a JPEG's first coded data are announced; 0 where the segments before them do not follow one another."""
    place = 2
    while data[place : place + 1] == b"\xff":
        if data[place + 1 : place + 2] == bytes([SOS]):
            return place
        place += 2 + max(int.from_bytes(data[place + 2 : place + 4], "big"), 1)
    return 0


def _end_of_scan(data: bytes, start: int) -> int:
    """Where the coded data end: at the first marker that is no restart and no stuffed byte."""
    place = start
    while True:
        place = data.find(b"\xff", place)
        if place < 0 or place + 1 >= len(data):
            raise OddMetadataError("a JPEG scan has no end")
        following = data[place + 1]
        if following == 0xFF:
            place += 1
        elif following == 0 or following in WITHOUT_LENGTH:
            place += 2
        else:
            return place


def stripped(data: bytes, turn: int, *, everything: bool, position: bool) -> bytes:
    """A JPEG without metadata, or without positions. `turn` is its orientation. Raises OddMetadataError."""
    found = list(segments(data))
    behind = found[-1].raw if found[-1].marker == 0 else b""
    if not everything and not position and not any(sign in behind for sign in BEHIND):
        return data
    kept = [found[0]]
    has_exif = False
    for segment in found[1:]:
        made = _kept(segment, everything=everything)
        if made is not None:
            has_exif |= made.body.startswith(PREFIX)
            kept.append(made)
    if turn != 1 and not has_exif:
        kept.insert(2 if kept[1].marker == APP0 else 1, _exif(orientation_alone(turn)))
    made_anew = b"".join(segment.raw for segment in kept)
    return data if made_anew == data else made_anew


def _kept(segment: Segment, *, everything: bool) -> Segment | None:
    """A segment as it is, edited, or not at all."""
    body, marker = segment.body, segment.marker
    if marker == 0 or (marker == APP2 and body.startswith(b"MPF\0")):
        return None
    if everything:
        plain = marker != COMMENT and not APP0 <= marker <= APP15
        return segment if plain or body.startswith(COLOURS.get(marker, ())) else None
    if marker == APP1 and body.startswith(PREFIX):
        return _exif(without_position(body)[len(PREFIX) :])
    if marker == APP1 and (body.startswith(XMP_MORE) or (body.startswith(XMP) and b"GPS" in body.replace(b"\0", b""))):
        return None
    if marker == APP13 and any(sign in body for sign in PHOTOSHOP_EXIF):
        return None
    return segment


def _exif(block: bytes) -> Segment:
    body = PREFIX + block
    return Segment(APP1, b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body)
