"""Small copies of a picture, which are kept of each that is compared with others: in colour, and finer in grey."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from vlmdata.pixels import PIXEL_LIMIT, flatten, open_image, orientation, pillow_errors, refuse_bomb, turned

Bytes = npt.NDArray[np.uint8]
Small = npt.NDArray[np.void]
"""Small pictures, one `SMALL` each."""

SIDE, FINE, COARSE = 64, 96, 4
"""Sides of the picture in colour, of the one in grey, and of the one looked at first."""

SMALL = np.dtype([("colour", np.uint8, (SIDE, SIDE, 3)), ("fine", np.uint8, (FINE, FINE)), ("sharp", np.bool_)])
"""`sharp` where the picture itself has so many pixels that the one in grey shows its detail."""

ENOUGH = 2 * SIDE
"""A JPEG is decoded at so small a scale that this many pixels are left on each side."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
BLUE = np.array([-0.169, -0.331, 0.5], np.float32)
RED = np.array([0.5, -0.419, -0.081], np.float32)
"""Rec. ITU-R BT.601: lightness, and how blue and how red a colour is."""

BLANK_LEVELS = 10
COARSE_COLOUR, COARSE_LIGHT = 26, 60
"""The most that one of 4 x 4 patches may differ in the same picture: in colour, and in lightness with a crop and more
light. Measured on planted pairs with room to spare."""


def small_picture(data: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> Small:
    """A picture as it is displayed: 64 x 64 averages of RGB and 96 x 96 of grey, of shape (). Raises PixelError.

    A JPEG is decoded strictly, at a smaller scale where that leaves twice as many: shrinking two pictures of different
    sizes by little would leave other patterns in each.
    """
    image = _quick_jpeg(data, pixel_limit) if data.startswith(b"\xff\xd8\xff") else None
    if image is None:
        image = open_image(data, pixel_limit=pixel_limit)
        with pillow_errors(len(data)):
            image.load()
            turn = orientation(image)
            image = turned(flatten(image), turn)
    small = np.zeros((), SMALL)
    small["colour"] = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    small["sharp"] = min(image.size) >= FINE
    small["fine"] = image.convert("L").resize((FINE, FINE), Image.Resampling.BILINEAR)
    return small


def _quick_jpeg(data: bytes, pixel_limit: int) -> Image.Image | None:
    """A JPEG by the fast decoder; None where Pillow must say what it is."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        refuse_bomb(width, height, pixel_limit)
        least = ENOUGH if min(width, height) >= 2 * ENOUGH else 0
        options: dict[str, Any] = {"min_height": least, "min_width": least, "strict": True}
        pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", **options)
    except (ValueError, KeyError) as error:
        if "pixels, at most" in str(error):
            raise
        return None
    image = Image.fromarray(pixels)
    with pillow_errors(len(data)), Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as header:
        return turned(image, orientation(header))


def is_blank(small: Small) -> bool:
    """Whether a small picture is of nearly one colour: nothing that two products could have in common."""
    levels = small["colour"].reshape(-1, 3)
    low, high = np.percentile(levels, (1, 99), axis=0)
    return bool((high - low).max() <= BLANK_LEVELS)


def coarse_picture(small: Small) -> Bytes:
    """48 bytes of a small picture: lightness, blue and red of 4 x 4 patches."""
    size = SIDE // COARSE
    patches = small["colour"].astype(np.float32).reshape(COARSE, size, COARSE, size, 3).mean((1, 3))
    levels = np.stack([patches @ LUMA, patches @ BLUE + 128, patches @ RED + 128])
    coarse: Bytes = np.clip(np.rint(levels), 0, 255).astype(np.uint8).reshape(-1)
    return coarse


def may_be_alike(first: Bytes, second: Bytes) -> npt.NDArray[np.bool_]:
    """Which pairs of coarse pictures, n x 48 each, are worth a closer look."""
    apart = np.maximum(first, second) - np.minimum(first, second)
    patches = COARSE * COARSE
    alike: npt.NDArray[np.bool_] = apart[:, patches:].max(1) <= COARSE_COLOUR
    alike &= apart[:, :patches].max(1) <= COARSE_LIGHT
    return alike
