"""Bytes to pixels: the only decoder, used by checks, preflight, training and evaluation alike.

What a model sees is decided here: the first frame, turned as EXIF says, alpha laid on white, as RGB.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal

from PIL import Image, ImageFile, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
"""The formats that are opened at all, besides HEIC. Pillow knows some forty, and each is a way in for hostile bytes."""

HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
"""What follows `ftyp` in a photo of a phone (ISO/IEC 23008-12); `mif1` may stand before AVIF too."""

PIXEL_LIMIT = 89_478_485
"""The most pixels an image may have before it is decoded: Pillow's own bound, where it starts to warn of bombs."""

BACKGROUND = (255, 255, 255)
ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPOSED = frozenset({5, 6, 7, 8})
"""Orientations under which width and height change places."""

FaultKind = Literal["empty", "lfs_pointer", "html", "not_an_image", "format", "bomb", "truncated", "corrupt"]

DAMAGE = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError, RuntimeError),
    *(MemoryError, struct.error, zlib.error, UserWarning),
)
"""What Pillow raises over damaged headers. It warns of others, which a test run turns into errors."""

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
        image = _heic(data) if is_heic(data) else Image.open(io.BytesIO(data), formats=FORMATS)
    refuse_bomb(image.width, image.height, pixel_limit)
    return image


def is_heic(data: bytes) -> bool:
    """Whether bytes are HEIC, which Pillow does not read by itself."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS and b"avif" not in data[8:64]


def _heic(data: bytes) -> ImageFile.ImageFile:
    """A HEIC file's first picture. The plugin is not registered: nothing else in the process changes by it."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        message = "is HEIC, which is read with an extra package: pip install 'vlmdata[heic]'"
        raise PixelError("format", message) from None
    found: ImageFile.ImageFile = HeifImageFile(io.BytesIO(data))
    return found


def format_of(image: Image.Image) -> str:
    """An image's format. A JPEG with further pictures behind it, as phones write them, is a JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def has_alpha(image: Image.Image) -> bool:
    """Whether an image says of its pixels how much they cover."""
    return image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info


def to_rgb(data: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> Image.Image:
    """Decode the first frame to RGB as a person sees it: turned by EXIF orientation, alpha laid on white.

    Raises PixelError for bytes that do not decode to the last row.
    """
    image = open_image(data, pixel_limit=pixel_limit)
    with pillow_errors(len(data)):
        image.load()
        return flatten(turned(image, orientation(image)))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where none is given. To be called within `pillow_errors`.

    An EXIF block that asks for a turn must be readable as a whole: datasets writes it anew when it turns an image.
    A TIFF counts as upright: Pillow turns it as it loads, and gives its size so from the start.
    """
    if image.format == "TIFF":
        return 1
    exif = image.getexif()
    found = exif.get(ORIENTATION_TAG)
    if found not in TURNS:
        return 1
    exif.tobytes()
    return int(found)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """An image as it is to be seen."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def flatten(image: Image.Image) -> Image.Image:
    """An image in any mode as RGB. Alpha is laid on white; 16-bit greys are scaled, where Pillow would clip them."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I;16", "I")) or image.mode == "F":
        return _scaled_to_8_bits(image).convert("RGB")
    if has_alpha(image):
        layer = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*BACKGROUND, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.asarray(image, dtype=np.float64)
    largest = values.max(initial=0)
    if image.mode == "F":
        highest = 1.0 if largest <= 1 else 255.0
    else:
        highest = 65535.0 if image.mode.startswith("I;16") or largest > 255 else 255.0
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


class Quiet:
    """Keeps Pillow's warnings from the terminal while images are looked at, in however many threads.

    Each of them is about a header that is odd in a way that no viewer minds; what matters is found by decoding. The
    warnings module has one list of filters for all threads, so that the first to enter adds one and the last takes it.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._lock = Lock()
        self._catch: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._catch = warnings.catch_warnings()
                self._catch.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._catch.__exit__(None, None, None)


QUIET = Quiet()
"""To be entered around the looking at many images, which is cheaper than around each."""


@contextmanager
def pillow_errors(size: int) -> Iterator[None]:
    """Whatever Pillow raises over bad bytes, as a PixelError with a kind."""
    try:
        with QUIET:
            yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PixelError("bomb", f"claims to have more than {PIXEL_LIMIT:,} pixels") from None
    except UnidentifiedImageError:
        raise PixelError("not_an_image", f"is not a picture in any of {', '.join(FORMATS)}") from None
    except OSError as error:
        kind: FaultKind = "truncated" if "truncated" in str(error) or "Truncated" in str(error) else "corrupt"
        raise PixelError(kind, f"does not decode: {error} ({size:,} bytes)") from None
    except PixelError:
        raise
    except DAMAGE as error:
        words = str(error) or type(error).__name__
        raise PixelError("corrupt", f"does not decode: {words} ({size:,} bytes)") from None
