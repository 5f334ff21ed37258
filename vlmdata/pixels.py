"""Bytes to pixels: the only decoder, used by checks, preflight, training and evaluation alike.

What a model sees is decided here: the first frame, turned as EXIF says, alpha laid on white, as RGB.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
"""The formats that are opened at all. Pillow knows some forty, and each is a way in for hostile bytes."""

PIXEL_LIMIT = 89_478_485
"""The most pixels an image may have before it is decoded: Pillow's own bound, where it starts to warn of bombs."""

BACKGROUND = (255, 255, 255)
ORIENTATION_TAG = 0x0112
FaultKind = Literal["empty", "lfs_pointer", "html", "not_an_image", "format", "bomb", "truncated", "corrupt"]

LFS_POINTER = b"version https://git-lfs"
HTML_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")


class PixelError(ValueError):
    """Bytes that are no picture we open: `kind` says which way, the message what was found."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def open_image(data: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> ImageFile.ImageFile:
    """Read an image's header and hold it to the allowed formats and the pixel bound; nothing is decoded yet.

    Raises PixelError.
    """
    refuse_other_bytes(data)
    with pillow_errors(len(data)):
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    refuse_bomb(image.width, image.height, pixel_limit)
    return image


def to_rgb(data: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> Image.Image:
    """Decode the first frame to RGB as a person sees it: turned by EXIF orientation, alpha laid on white.

    Raises PixelError for bytes that do not decode to the last row.
    """
    image = open_image(data, pixel_limit=pixel_limit)
    with pillow_errors(len(data)):
        image.load()
        upright = ImageOps.exif_transpose(image)
        return flatten(upright)


def flatten(image: Image.Image) -> Image.Image:
    """An image in any mode as RGB. Alpha is laid on white; 16-bit greys are scaled, where Pillow would clip them."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I;16", "I")) or image.mode == "F":
        return _scaled_to_8_bits(image).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*BACKGROUND, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    highest = 65535.0 if image.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
    return Image.fromarray(np.clip(values * 255.0 / highest, 0, 255).astype(np.uint8))


def refuse_other_bytes(data: bytes) -> None:
    """Raise PixelError for what is often found under an image's name: nothing, a Git LFS pointer, a web page."""
    if not data:
        raise PixelError("empty", "has no bytes")
    if data.startswith(LFS_POINTER):
        raise PixelError("lfs_pointer", f"is a Git LFS pointer of {len(data):,} bytes, not the picture")
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(HTML_STARTS) and b"<svg" not in data[:1024].lower():
        raise PixelError("html", f"is a web page ({data[:24]!r} …), not a picture")


def refuse_bomb(width: int, height: int, pixel_limit: int) -> None:
    """Raise PixelError for an image of more pixels than the limit, before anything is decoded."""
    if width * height > pixel_limit:
        message = f"is {width:,} x {height:,} = {width * height:,} pixels, at most {pixel_limit:,} are decoded"
        raise PixelError("bomb", message)


@contextmanager
def pillow_errors(size: int) -> Iterator[None]:
    """Whatever Pillow raises over bad bytes, as a PixelError with a kind."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PixelError("bomb", f"has too many pixels: {error}") from None
    except UnidentifiedImageError:
        raise PixelError("not_an_image", f"is not a picture in any of {', '.join(FORMATS)}") from None
    except OSError as error:
        kind: FaultKind = "truncated" if "truncated" in str(error) or "Truncated" in str(error) else "corrupt"
        raise PixelError(kind, f"does not decode: {error} ({size:,} bytes)") from None
    except (SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        if isinstance(error, PixelError):
            raise
        raise PixelError("corrupt", f"does not decode: {error or type(error).__name__} ({size:,} bytes)") from None
    except (ArithmeticError, AttributeError, RuntimeError) as error:  # struct and zlib errors of damaged headers
        raise PixelError("corrupt", f"does not decode: {error or type(error).__name__} ({size:,} bytes)") from None
