"""What a recipe asks to be done to images: made smaller, encoded in another format, their metadata taken out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import sqrt
from typing import Any

from PIL import Image, ImageFile

from vlmdata.image.exif import OddMetadataError
from vlmdata.image.inspecting import Examined, Verify, examine
from vlmdata.image.metadata import stripped
from vlmdata.image.names import ImageReferenceError
from vlmdata.pixels import TRANSPOSED, flatten, format_of, has_alpha, open_image, orientation, pillow_errors, turned
from vlmdata.recipe import ImagesConfig
from vlmdata.record import Change, ImageInfo

MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
    "BMP": ("1", "L", "RGB"),
    "AVIF": ("RGB", "RGBA"),
}
"""The modes in which each format holds a picture with nothing lost."""

WHEN_SMALLER = {"GIF": "PNG", "HEIF": "JPEG"}
"""What formats become that can't be written, or not with all their colours, once a picture is made smaller."""

DOUBLE = 2.0
"""A JPEG is decoded at no less than twice the size that is wanted; Pillow's own measure for thumbnails."""

PROFILES = {b"RGB ": ("RGB", "RGBA", "P"), b"GRAY": ("L", "LA", "I;16", "1"), b"CMYK": ("CMYK",)}


@dataclass(frozen=True, slots=True)
class Treated:
    """The bytes that the dataset stores of an image, what they are, and what was done to make them."""

    data: bytes
    examined: Examined
    changes: tuple[Change, ...] = ()
    encoded_anew: bool = False


def is_asked_for(images: ImagesConfig) -> bool:
    """Whether a recipe has anything done to images."""
    return images.resize is not None or images.convert is not None or images.metadata != "keep"


def treat(data: bytes, examined: Examined, images: ImagesConfig) -> Treated:
    """Do what a recipe asks for. Treating an image a second time changes nothing.

    Raises ImageReferenceError where metadata can't be taken out, and PixelError.
    """
    target = _target_format(examined.image.info, images)
    if target is not None:
        return _encoded(data, examined, images, target)
    if images.metadata == "keep":
        return Treated(data, examined)
    try:
        plain = stripped(data, images.metadata, pixel_limit=images.pixel_limit)
    except OddMetadataError as error:
        words = "its position" if images.metadata == "strip_location" else "its metadata"
        message = f"can't have {words} taken out: {error}"
        hint = "set images.convert for it, or export it again without metadata"
        raise ImageReferenceError("images.metadata", message, hint) from None
    if plain is data:
        return Treated(data, examined)
    info = examined.image.info
    after = examine(plain, verify=_as_before(info), pixel_limit=images.pixel_limit, known=lambda _: info)
    rule = "images.location_stripped" if images.metadata == "strip_location" else "images.metadata_stripped"
    return Treated(plain, after, (_change(rule, examined, after),))


def _target_format(info: ImageInfo, images: ImagesConfig) -> str | None:
    """The format to encode an image in; None where it stays as it is."""
    if images.convert is not None and info.format != images.convert.format:
        return images.convert.format
    if images.resize is not None and info.width * info.height > images.resize.max_pixels:
        return WHEN_SMALLER.get(info.format, info.format)
    return None


def _encoded(data: bytes, examined: Examined, images: ImagesConfig, target: str) -> Treated:
    info = examined.image.info
    size = _smaller(info, images.resize.max_pixels) if images.resize is not None else (info.width, info.height)
    image = open_image(data, pixel_limit=images.pixel_limit)
    with pillow_errors(len(data)):
        upright = _upright(image, size)
        made = _saved(upright, target, _quality(images, info, target), image.info.get("icc_profile"))
    after = examine(made, verify=_as_before(info), pixel_limit=images.pixel_limit)
    changes = []
    if (after.image.info.width, after.image.info.height) != (info.width, info.height):
        changes.append(_change("images.resized", examined, after))
    if after.image.info.format != info.format:
        changes.append(_change("images.converted", examined, after))
    return Treated(made, after, tuple(changes), encoded_anew=True)


def _as_before(info: ImageInfo) -> Verify:
    return "header" if info.dhash is None else "full"


def _smaller(info: ImageInfo, max_pixels: int) -> tuple[int, int]:
    """The largest size of the same shape within a number of pixels."""
    share = sqrt(max_pixels / (info.width * info.height))
    if share >= 1:
        return info.width, info.height
    width, height = max(1, int(info.width * share)), max(1, int(info.height * share))
    return (min(width, max_pixels), 1) if height == 1 else (width, min(height, max_pixels // width))


def _upright(image: ImageFile.ImageFile, size: tuple[int, int]) -> Image.Image:
    """A decoded image of a size, turned as it is displayed."""
    if format_of(image) == "JPEG":
        stored = (size[1], size[0]) if orientation(image) in TRANSPOSED else size
        image.draft(None, (int(stored[0] * DOUBLE), int(stored[1] * DOUBLE)))
    image.load()
    turn = orientation(image)
    stored = (size[1], size[0]) if turn in TRANSPOSED else size
    found: Image.Image = image
    if image.size != stored:
        if image.mode in {"P", "PA", "1"} or "transparency" in image.info:
            found = image.convert("RGBA" if has_alpha(image) else "RGB")
        found = found.resize(stored, Image.Resampling.LANCZOS)
    return turned(found, turn)


def _quality(images: ImagesConfig, info: ImageInfo, target: str) -> int:
    if images.convert is not None and (images.convert.format == target != info.format or images.resize is None):
        return images.convert.quality
    return images.resize.quality if images.resize is not None else 90


def _saved(image: Image.Image, target: str, quality: int, profile: Any) -> bytes:
    """An image encoded, with its colour profile where that still fits, and with no other metadata."""
    if target in {"WEBP", "AVIF"} and has_alpha(image):
        image = image.convert("RGBA")
    if image.mode not in MODES[target] or (target in {"JPEG", "BMP"} and has_alpha(image)):
        image = flatten(image)
    transparency = image.info.get("transparency") if target == "PNG" else None
    image.info = {} if transparency is None else {"transparency": transparency}
    options: dict[str, Any] = {"quality": quality} if target in {"JPEG", "WEBP", "AVIF"} else {}
    if target == "TIFF":
        options["compression"] = "tiff_lzw"
    if isinstance(profile, bytes) and image.mode in PROFILES.get(profile[16:20], ()) and target != "BMP":
        options["icc_profile"] = profile
    buffer = io.BytesIO()
    image.save(buffer, target, **options)
    return buffer.getvalue()


def _change(rule: str, before: Examined, after: Examined) -> Change:
    return Change(rule=rule, field="images", before=_words(before), after=_words(after))


def _words(examined: Examined) -> str:
    info, size = examined.image.info, examined.image.size
    amount = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB" if size >= 1e3 else f"{size} bytes"
    return f"{info.width}x{info.height} {info.format}, {amount}"
