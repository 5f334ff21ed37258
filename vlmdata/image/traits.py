"""What is in an image that its readers treat differently, or that its owner may not want to give away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from PIL import Image

from vlmdata.pixels import DAMAGE, has_alpha
from vlmdata.record import Problem

Trait = Literal["cmyk", "sixteen_bit", "alpha", "animated", "heic", "gps"]
GPS_TAG = 0x8825
GPS_COORDINATES = (1, 2, 3, 4)
XMP_POSITION = (b"GPSLatitude", b"GPSLongitude", b"GPSPosition", b"GPSDest")

WORDS: dict[Trait, tuple[str, str]] = {
    "cmyk": (
        "is CMYK, made for print: its colours on a screen are a guess, and each reader guesses its own way",
        "export it as sRGB, or set images.convert: {format: PNG}",
    ),
    "sixteen_bit": (
        "has more than 8 bits a pixel, which vlmtrain scales to 8 and most other readers clip to white",
        "set images.convert: {format: JPEG}, or export it with 8 bits",
    ),
    "alpha": (
        "is partly see-through: vlmtrain lays it on white, other readers show the colour hidden there",
        "set images.convert: {format: JPEG}, which lays it on white",
    ),
    "animated": (
        "has several frames, of which models see the first",
        "export the frame that shows the product, or set images.animated: reject",
    ),
    "heic": (
        "is HEIC, which readers open only where pillow-heif is installed",
        "set images.convert: {format: JPEG}",
    ),
    "gps": (
        "says where it was taken (GPS in its metadata), which the dataset gives on",
        "set images.metadata: strip_location",
    ),
}


def traits_of(image: Image.Image) -> Iterator[Trait]:
    """What stands in an image's header, but for its position. To be called within `pillow_errors`."""
    if image.mode == "CMYK":
        yield "cmyk"
    if image.mode.startswith(("I", "F")):
        yield "sixteen_bit"
    if image.format != "MPO" and getattr(image, "is_animated", False):
        yield "animated"
    if image.format == "HEIF":
        yield "heic"


def has_position(image: Image.Image) -> bool:
    """Whether the metadata hold coordinates; those behind a PNG's pixels are known once it is loaded.

    To be called within `pillow_errors`.
    """
    if GPS_TAG in image.getexif() and _has_coordinates(image.getexif()):
        return True
    return any(word in packet for packet in _xmp_packets(image) for word in XMP_POSITION)


def _has_coordinates(exif: Image.Exif) -> bool:
    """Whether the GPS folder holds coordinates; one that Pillow can't read may hold some that others can."""
    try:
        return any(tag in exif.get_ifd(GPS_TAG) for tag in GPS_COORDINATES)
    except (*DAMAGE, OSError):
        return True


def _xmp_packets(image: Image.Image) -> Iterator[bytes]:
    """XMP as Pillow finds it, under a name for each format."""
    for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp"):
        packet = image.info.get(name)
        if isinstance(packet, str | bytes):
            yield packet.encode("utf-8", "replace") if isinstance(packet, str) else packet


def is_see_through(image: Image.Image) -> bool:
    """Whether any pixel of a decoded image lets through what lies behind it."""
    if not has_alpha(image):
        return False
    cover = image if "A" in image.getbands() else image.convert("RGBA")
    lowest, _ = cover.getchannel("A").getextrema()
    return bool(float(lowest) < 255)  # type: ignore[arg-type]


def warning(trait: Trait, shown: str) -> Problem:
    """A trait as a warning."""
    message, hint = WORDS[trait]
    return Problem(rule=f"images.{trait}", message=f"{shown} {message}", hint=hint, severity="warning")
