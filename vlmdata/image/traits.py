"""What is in an image that its readers treat differently, or that its owner may not want to give away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from PIL import Image

from vlmdata.image.noise import is_noise
from vlmdata.pixels import DAMAGE, has_alpha

Trait = Literal["cmyk", "sixteen_bit", "alpha", "animated", "heic", "gps", "turned", "blank", "trailing", "unended"]
GPS_TAG = 0x8825
GPS_COORDINATES = (1, 2, 3, 4)
RAW_XMP = "Raw profile type xmp"
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
    "turned": (
        "is stored turned or mirrored, and its EXIF says so, which some readers do not look at",
        "nothing to do for vlmtrain and datasets, which turn it; for others, export it upright",
    ),
    "blank": (
        "shows one colour and nothing else",
        "put the product's photo in its place, or drop the row",
    ),
    "trailing": (
        "holds more behind its picture, such as another file or a phone's film, which the dataset gives on",
        "set images.metadata: strip, or export the photo again",
    ),
}

OF_PIXELS: frozenset[Trait] = frozenset({"alpha", "blank"})
"""Traits that the pixels alone can tell."""

THUMBNAIL = 16
BLOCK_RANGE = 2
NOISE, CODEC = 8, 3
DRAWN_SHARE = 0.9
STRAY_SHARE = 0.0001
"""What `is_blank` allows: by how many of 256 levels a piece of the picture may differ from the others, and how many of
its pixels may be further from its colour than noise reaches. Where nine pixels in ten have one value there is none but
the codec's, and a faint line is something drawn."""


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
    if coordinates_in(image.getexif()):
        return True
    return any(word in packet for packet in _xmp_packets(image) for word in XMP_POSITION)


def coordinates_in(exif: Image.Exif) -> bool:
    """Whether the GPS folder holds coordinates; one that Pillow can't read may hold some that others can."""
    if GPS_TAG not in exif:
        return False
    try:
        return any(tag in exif.get_ifd(GPS_TAG) for tag in GPS_COORDINATES)
    except (*DAMAGE, OSError):
        return True


def _xmp_packets(image: Image.Image) -> Iterator[bytes]:
    """XMP as Pillow finds it, under a name for each format; of UTF-16 and UTF-32 the letters alone."""
    for name in ("xmp", "XML:com.adobe.xmp", RAW_XMP):
        packet = image.info.get(name)
        if isinstance(packet, str | bytes):
            found = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
            yield (_from_hexadecimal(found) if name == RAW_XMP else found).replace(b"\0", b"")


def _from_hexadecimal(text: bytes) -> bytes:
    """What ImageMagick wrote as a name, a length and hexadecimal digits; the text itself where it is none of that."""
    try:
        return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return text


def is_see_through(image: Image.Image) -> bool:
    """Whether any pixel of a decoded image lets through what lies behind it."""
    if not has_alpha(image):
        return False
    cover = image if "A" in image.getbands() else image.convert("RGBA")
    lowest, _ = cover.getchannel("A").getextrema()
    return bool(float(lowest) < 255)  # type: ignore[arg-type]


def is_flat(grey: Image.Image) -> bool:
    """Whether a grey picture has one brightness, looked at from afar: the cheap part of `is_blank`."""
    lowest, highest = grey.resize((8, 8), Image.Resampling.BOX).getextrema()
    return bool(float(highest) - float(lowest) <= BLOCK_RANGE)  # type: ignore[arg-type]


def is_blank(colours: Image.Image) -> bool:
    """Whether an RGB picture has one colour all over, but for noise. A pale product on white is none."""
    return _is_one_colour(colours) or is_noise(colours)


def _is_one_colour(colours: Image.Image) -> bool:
    if all(low == high for low, high in colours.getextrema()):  # type: ignore[misc]
        return True
    size = (min(colours.width, THUMBNAIL), min(colours.height, THUMBNAIL))
    blocks = colours.resize(size, Image.Resampling.BOX)
    if any(high - low > BLOCK_RANGE for low, high in blocks.getextrema()):  # type: ignore[misc]
        return False
    counts = colours.histogram()
    return all(_is_one_level(counts[start : start + 256]) for start in (0, 256, 512))


def _is_one_level(counts: list[int]) -> bool:
    """Whether the values of a channel lie about one of them."""
    pixels = sum(counts)
    most = max(range(256), key=counts.__getitem__)
    reach = CODEC if counts[most] >= DRAWN_SHARE * pixels else NOISE
    near = sum(counts[max(most - reach, 0) : most + reach + 1])
    return pixels - near <= STRAY_SHARE * pixels
