"""One image's bytes: header, sha256, strict decode and dhash in one pass."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import simplejpeg
import xxhash
from PIL import Image

from vlmdata.image.cut_short import ended, missing_from
from vlmdata.image.endings import has_more, refuse_changed_png
from vlmdata.image.jpeg_segments import has_plain_header
from vlmdata.image.noise import BLOCK, may_be_noise
from vlmdata.image.places import may_tell_place, tells_place
from vlmdata.image.traits import OF_PIXELS, Trait, has_position, is_blank, is_flat, is_see_through, traits_of
from vlmdata.pixels import (
    PIXEL_LIMIT,
    TRANSPOSED,
    PixelError,
    flatten,
    format_of,
    has_alpha,
    open_image,
    orientation,
    pillow_errors,
    refuse_bomb,
    refuse_other_bytes,
    turned,
)
from vlmdata.record import ImageInfo, Inspected

Verify = Literal["full", "whole", "header"]
"""How far an image is read: decoded, hashed and looked at; decoded alone; not beyond its header."""

Known = Callable[[str], ImageInfo | None]
"""From the sha256 of an image's bytes to what was found when they were decoded before."""

JPEG_START = b"\xff\xd8\xff"
DHASH_SIDE = 8
SHRUNK = (DHASH_SIDE + 1, DHASH_SIDE)
FLAT = "0" * 16
"""The dhash of a picture that gets no brighter from left to right. A blank one has it too, whatever its noise is."""

PALE = 12
"""Levels between the darkest and the lightest of 9 x 8 parts of a blank picture, at most: the noise of a small one."""

PACKED = 40
"""Pixels a byte from which on a picture may be blank whatever its dhash: a photo has 4, a drawing on white 20."""

FOR_PILLOW = re.compile(
    r"colorspace|color conversion|unsupported|invalid sos parameters|\b[1-8] extraneous bytes before marker 0xd9", re.I
)
"""Complaints after which Pillow decides, by decoding the whole picture: CMYK, and what every viewer shows rightly, such
as a few bytes of padding at the end. Many bytes left over there mean that some before them are not what they were."""

PNG_METADATA = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
"""What EXIF and XMP stand under. Pillow decodes a whole PNG to be sure that it has none."""

SMALL = 2 * 8 * (DHASH_SIDE + 1)
"""Below this many pixels a side, an eighth of the size is too little to hash."""


def fingerprint(data: bytes | memoryview) -> str:
    """xxh3-128 of bytes, as 32 hex digits: ten times sha256's speed, to notice a changed file, not an attacker."""
    return str(xxhash.xxh3_128_hexdigest(data))


@dataclass(frozen=True, slots=True)
class Examined:
    """An image's data as the dataset stores it, and what is to be said of it."""

    image: Inspected
    traits: frozenset[Trait]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the header says, the size as it is displayed; and the hash, where the picture was decoded."""

    width: int
    height: int
    format: str
    traits: frozenset[Trait]
    dhash: str | None = None


def inspect(data: bytes, *, verify: Verify = "full", pixel_limit: int = PIXEL_LIMIT) -> Inspected:
    """Everything that the dataset stores about an image. Raises PixelError where the bytes are no whole picture.

    `verify="header"` reads the header only; it and "whole" leave dhash out.
    """
    return examine(data, verify=verify, pixel_limit=pixel_limit).image


def examine(
    data: bytes, *, verify: Verify = "full", pixel_limit: int = PIXEL_LIMIT, known: Known | None = None
) -> Examined:
    """`inspect`, and the traits that a reader should be told of.

    `known` may hold what was found when the same bytes were decoded before; then only the header is read again.
    """
    refuse_other_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    before = known(sha256) if known is not None and verify == "full" else None
    looked = _look(data, "header" if before is not None and before.dhash else verify, pixel_limit)
    if before is not None and before.dhash:
        if (before.width, before.height, before.format) == (looked.width, looked.height, looked.format):
            looked = replace(looked, dhash=before.dhash)
        if (
            looked.dhash is None
            or "alpha" in looked.traits
            or _is_worth_a_look(data, looked.width * looked.height, looked.dhash)
        ):
            looked = _look(data, verify, pixel_limit)
    info = ImageInfo(sha256=sha256, width=looked.width, height=looked.height, format=looked.format, dhash=looked.dhash)
    traits = looked.traits if verify == "full" else looked.traits - OF_PIXELS
    traits |= {"trailing"} if has_more(data) else frozenset()
    traits |= {"gps"} if "gps" not in traits and may_tell_place(data) and tells_place(data) else frozenset()
    return Examined(Inspected(info=info, size=len(data), xxh3=fingerprint(data)), traits)


def _look(data: bytes, verify: Verify, pixel_limit: int) -> _Looked:
    """What a decoder says, but for files whose own words say that their end is missing."""
    try:
        look = _look_at_jpeg if data.startswith(JPEG_START) else _look_with_pillow
        looked = look(data, verify, pixel_limit)
    except PixelError as error:
        if error.kind in {"corrupt", "not_an_image"} and missing_from(data) is not None:
            raise _cut_short(data) from None
        raise
    missing = missing_from(data)
    if missing == "part":
        raise _cut_short(data)
    return looked if missing is None else replace(looked, traits=looked.traits | {"unended"})


def _cut_short(data: bytes) -> PixelError:
    words = f"is truncated: by what it says of itself it goes on behind its last byte ({len(data):,} bytes)"
    return PixelError("truncated", words)


def _look_at_jpeg(data: bytes, verify: Verify, pixel_limit: int) -> _Looked:
    """JPEG through libjpeg-turbo's strict decoder at 1/8 of the size, which finds what Pillow's `verify` does not."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a header without a colour space, of a file cut inside it
        return _look_with_pillow(data, verify, pixel_limit)
    refuse_bomb(width, height, pixel_limit)
    turn, traits = (1, set[Trait]()) if has_plain_header(data) else _metadata_of_jpeg(data)
    dhash = None
    grey = _strict_grey(data, pixel_limit, 8 if min(width, height) >= SMALL else 1) if verify != "header" else None
    if grey is not None and verify == "full":
        small = _shrunk(turned(grey, turn))
        dhash = dhash_of(small)
        if _may_be_blank(small, grey, width) and _is_blank_jpeg(data, pixel_limit):
            traits.add("blank")
            dhash = FLAT
    if turn != 1:
        traits.add("turned")
    if turn in TRANSPOSED:
        width, height = height, width
    return _Looked(width, height, "JPEG", frozenset(traits), dhash)


def _is_worth_a_look(data: bytes, pixels: int, dhash: str | None) -> bool:
    """Whether a picture may be blank, by what is known of it without its pixels: its hash, and how well it packs."""
    return dhash == FLAT or len(data) * PACKED < pixels


def _may_be_blank(small: Image.Image, grey: Image.Image, width: int) -> bool:
    """Whether a picture has nearly one brightness, by its smallest copy first; `grey` may be an eighth of the size."""
    lowest, highest = small.getextrema()
    if float(highest) - float(lowest) > PALE:  # type: ignore[arg-type]
        return False
    return is_flat(grey) or may_be_noise(grey if grey.width < width else grey.reduce(BLOCK))


def _is_blank_jpeg(data: bytes, pixel_limit: int) -> bool:
    """Whether a JPEG is blank in colour. One that Pillow can't decode is not said to be."""
    try:
        image = open_image(data, pixel_limit=pixel_limit)
        with pillow_errors(len(data)):
            return is_blank(flatten(image))
    except PixelError:
        return False


def _metadata_of_jpeg(data: bytes) -> tuple[int, set[Trait]]:
    """The orientation, and what readers should be told of."""
    with pillow_errors(len(data)), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return orientation(image), {*traits_of(image), *_position(image)}


def _position(image: Image.Image) -> tuple[Trait, ...]:
    return ("gps",) if has_position(image) else ()


def _strict_grey(data: bytes, pixel_limit: int, factor: int) -> Image.Image:
    try:
        return _decode_grey(data, factor)
    except ValueError as error:
        message = str(error)
    if "premature end" in message.lower():
        raise PixelError("truncated", f"is truncated: {_words_of_end(data, factor)} ({len(data):,} bytes)")
    if FOR_PILLOW.search(message):
        image = open_image(data, pixel_limit=pixel_limit)
        with pillow_errors(len(data)):
            return flatten(image).convert("L")
    raise PixelError("corrupt", f"is damaged: {message.strip()} ({len(data):,} bytes)")


def _words_of_end(data: bytes, factor: int) -> str:
    """What a JPEG that ends too early lacks."""
    try:
        _decode_grey(ended(data), factor)
    except ValueError:
        return "the data ends before the picture does"
    return "its end mark is missing, without which most readers refuse it, though the picture is there"


def _decode_grey(data: bytes, factor: int) -> Image.Image:
    smallest = 1 if factor > 1 else 0
    options = {"min_height": smallest, "min_width": smallest, "min_factor": factor, "strict": True}
    grey: Any = simplejpeg.decode_jpeg(data, colorspace="GRAY", fastdct=True, fastupsample=True, **options)
    height, width, _ = grey.shape
    return Image.frombuffer("L", (width, height), grey, "raw", "L", 0, 1)


def _look_with_pillow(data: bytes, verify: Verify, pixel_limit: int) -> _Looked:
    image = open_image(data, pixel_limit=pixel_limit)
    with pillow_errors(len(data)):
        image_format = format_of(image)
        width, height = image.size
        traits = set(traits_of(image))
        has_metadata = image_format != "PNG" or any(word in data for word in PNG_METADATA)
        if verify != "header":
            refuse_changed_png(data)
        if verify != "header" or (image_format == "PNG" and has_metadata):  # a PNG's may stand behind its pixels
            image.load()
        if has_metadata:
            traits.update(_position(image))
        if is_see_through(image) if verify == "full" else has_alpha(image):
            traits.add("alpha")
        turn = orientation(image) if has_metadata else 1
        if turn != 1:
            traits.add("turned")
        dhash = None
        if verify == "full":
            colours = flatten(image)
            grey = colours.convert("L")
            small = _shrunk(turned(grey, turn))
            dhash = dhash_of(small)
            if _may_be_blank(small, grey, width) and is_blank(colours):
                traits.add("blank")
                dhash = FLAT
    if turn in TRANSPOSED:
        width, height = height, width
    return _Looked(width, height, image_format, frozenset(traits), dhash)


def dhash_of(grey: Image.Image) -> str:
    """The 64-bit difference hash of a grey image, as 16 hex digits.

    The picture is shrunk to 9 x 8 by area; each bit says whether a pixel is darker than its right neighbour
    (N. Krawetz, "Kind of Like That", 2013).
    """
    small = grey if grey.size == SHRUNK else _shrunk(grey)
    rows = np.frombuffer(small.tobytes(), np.uint8).reshape(DHASH_SIDE, DHASH_SIDE + 1)
    return np.packbits(rows[:, 1:] > rows[:, :-1]).tobytes().hex()


def _shrunk(grey: Image.Image) -> Image.Image:
    return grey.resize(SHRUNK, Image.Resampling.BOX)
