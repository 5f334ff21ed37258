"""Coordinates that stand where a reader of the picture does not look: behind its end, and in a GIF's XMP."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from vlmdata.image.endings import behind
from vlmdata.image.exif import PREFIX
from vlmdata.image.jpeg_segments import has_plain_header
from vlmdata.image.traits import XMP_POSITION, coordinates_in
from vlmdata.pixels import DAMAGE

JPEG_START, JPEG_END, GIF_START = b"\xff\xd8\xff", b"\xff\xd9", b"GIF8"
XMP_START = b"http://ns.adobe.com/x"
"""How the names of XMP's two kinds of segments begin."""

GIF_XMP = b"XMP DataXMP"
FILM, FILM_PLACES = b"ftyp", (b"\xa9xyz", b"com.apple.quicktime.location")
"""What a film behind a phone's picture begins with, and the names of its places."""

LONGEST_BLOCK = 65_536
APP1 = 0xE1FF
"""The marker of EXIF's and XMP's segments, as two bytes of which the lower one comes first."""


def tells_place(data: bytes) -> bool:
    """Whether a JPEG or GIF holds coordinates anywhere, or a PNG or WebP behind its picture: a phone puts further
    pictures and a film there.

    Otherwise these and other formats hold none but those that their readers find.
    """
    if data.startswith(GIF_START):
        return GIF_XMP in data and any(word in data.replace(b"\0", b"") for word in XMP_POSITION)
    if not may_tell_place(data) and not _has_metadata(data):
        return False
    return _holds_place(data if data.startswith(JPEG_START) else behind(data))


def _holds_place(data: bytes) -> bool:
    """Whether XMP, EXIF or a film with coordinates stands anywhere in these bytes."""
    packets = _blocks(data, XMP_START)
    if any(word in packet.replace(b"\0", b"") for packet in packets for word in XMP_POSITION):
        return True
    if any(map(_has_coordinates, _blocks(data, PREFIX))):
        return True
    return not data.endswith(JPEG_END) and FILM in data and any(word in data for word in FILM_PLACES)


def may_tell_place(data: bytes) -> bool:
    """Whether it is worth to look through all of a file: not where a JPEG's header says nothing but what its pixels
    are, and it ends as a picture does. Pictures that somebody put behind such a one without a word are passed over."""
    return not (data.startswith(JPEG_START) and data.endswith(JPEG_END) and has_plain_header(data))


def _has_metadata(data: bytes) -> bool:
    """Whether any JPEG in these bytes may hold EXIF or XMP: among coded pixels, their marker does not occur.

    A fifth of the time that it takes to look for what they begin with, and other threads go on meanwhile.
    """
    pairs = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) for start in (0, 1))
    return any((pair == APP1).any() for pair in pairs)


def _blocks(data: bytes, start: bytes) -> Iterator[bytes]:
    """Every block of a file that starts so, as far as one may reach."""
    place = data.find(start)
    while place >= 0:
        yield data[place : place + LONGEST_BLOCK]
        place = data.find(start, place + 1)


def _has_coordinates(block: bytes) -> bool:
    """Whether an EXIF block has coordinates; one that is none, such as bytes of a picture by chance, has not."""
    if not block[len(PREFIX) :].startswith((b"II*\0", b"MM\0*")):
        return False
    exif = Image.Exif()
    try:
        exif.load(block)
    except (*DAMAGE, OSError):
        return False
    return coordinates_in(exif)
