"""Metadata taken out of JPEG, PNG and WebP files without touching a pixel: whole segments go, the rest stays as it is.

What decodes to pixels, and how (colour profile, Adobe's colour transform, orientation), is always kept.
"""

from __future__ import annotations

from typing import Literal

from PIL import Image

from vlmdata.image import jpeg_segments, png_chunks, webp_chunks
from vlmdata.image.exif import OddMetadataError
from vlmdata.image.inspecting import JPEG_START
from vlmdata.image.places import tells_place
from vlmdata.image.traits import has_position
from vlmdata.pixels import ORIENTATION_TAG, open_image, orientation, pillow_errors

Wanted = Literal["strip_location", "strip"]
TELLING_TAGS = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298, 0x8769, 0x8825, 700, 33723, 34377}
"""Description, maker, model, software, time, artist, host, copyright, EXIF, GPS, XMP, IPTC, Photoshop."""

PNG_START = b"\x89PNG\r\n\x1a\n"


def stripped(data: bytes, wanted: Wanted, *, pixel_limit: int) -> bytes:
    """An image's bytes without metadata, or without its position alone; the same bytes where there is none of it.

    Raises OddMetadataError where that can't be done without encoding the picture anew, and PixelError.
    """
    before = _state(data, pixel_limit)
    edited = _edited(data, wanted, before)
    if edited is data:
        return data
    after = _state(edited, pixel_limit)
    if after.turn != before.turn or after.size != before.size or after.position:
        raise OddMetadataError("its metadata are in an odd order")
    return edited


class _State:
    """What must stay as it is, and what must go."""

    def __init__(self, image: Image.Image, exif: Image.Exif, data: bytes) -> None:
        self.format = image.format
        self.size = (image.mode, image.size)
        self.turn = orientation(image)
        self.position = has_position(image) or tells_place(data)
        self.any = bool(_tags(image, exif)) or "xmp" in image.info


def _tags(image: Image.Image, exif: Image.Exif) -> set[int]:
    """The EXIF tags that say something of the photo's making; a TIFF has its own tags among them."""
    tags = set(exif) - {ORIENTATION_TAG}
    return tags & TELLING_TAGS if image.format == "TIFF" else tags


def _state(data: bytes, pixel_limit: int) -> _State:
    image = open_image(data, pixel_limit=pixel_limit)
    with pillow_errors(len(data)):
        if image.format == "PNG":
            image.load()
        return _State(image, image.getexif(), data)


def _edited(data: bytes, wanted: Wanted, before: _State) -> bytes:
    everything = wanted == "strip"
    if data.startswith(JPEG_START):
        return jpeg_segments.stripped(data, before.turn, everything=everything, position=before.position)
    if data.startswith(PNG_START):
        return png_chunks.stripped(data, before.turn, everything=everything, position=before.position)
    if before.format == "WEBP":
        return webp_chunks.stripped(data, before.turn, everything=everything, position=before.position)
    if before.position or (everything and before.any):
        raise OddMetadataError(f"{before.format} can't be edited without encoding it anew")
    return data
