"""Whether two pictures show the same: small colour pictures, laid over each other and compared.

A difference hash can only propose such pairs, since different products on white have equal hashes by the hundred. What
counts as the same picture is what shops and tools do to one: another size, another encoding, a narrow crop, a little
more or less light, a little blur. Another colour, pattern, shape or word on it makes another picture.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from vlmdata.pixels import PIXEL_LIMIT, flatten, open_image, orientation, pillow_errors, refuse_bomb, turned

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SIDE, HALF, COARSE = 64, 32, 4
"""Sides of the picture that is compared, of the one that is laid over another, and of the one looked at first."""

ENOUGH = 2 * SIDE
"""A JPEG is decoded at so small a scale that this many pixels are left on each side."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
BLUE = np.array([-0.169, -0.331, 0.5], np.float32)
RED = np.array([0.5, -0.419, -0.081], np.float32)
"""Rec. ITU-R BT.601: lightness, and how blue and how red a colour is."""

COLOUR_WEIGHT = 0.58
"""A patch of another colour counts when it is 16 levels away, one of another lightness at 9.5."""

LIGHT_PATCH, COLOUR_PATCH = 5, 9
"""Sides of the patches that differences are averaged over: a letter's stroke, and more than JPEG smears colour over."""

EDGE = 20.0
"""Where neighbours differ by so many levels, a difference counts half: edges never lie quite on each other."""

MOST_MOVED = 0.07
"""The most that a picture is moved, or stretched, to lie on another: a crop of 3 % on each side moves it by 6 %."""

STEPS = 4
ROUGH, ROUGH_LIMIT = 16, 45.0
"""Side of a rough picture, and the most that one of its pixels but for the rim may differ in the same picture: 34 in
planted pairs, over 45 in three of four pairs of other products that look alike from afar."""

BRIGHT, FULL = 240.0, 250.0
LEAST_LIGHT, MOST_LIGHT = 0.75, 1.33
BLANK_LEVELS = 10
COARSE_COLOUR, COARSE_LIGHT = 26, 60
"""The most that one of 4 x 4 patches may differ in the same picture: in colour, and in lightness with a crop and more
light. Measured on planted pairs with room to spare."""


def small_picture(data: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> Bytes:
    """A picture as 64 x 64 pixels of RGB, averaged, as it is displayed. Raises PixelError.

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
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


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


def is_blank(picture: Bytes) -> bool:
    """Whether a small picture is of nearly one colour: nothing that two products could have in common."""
    levels = picture.reshape(-1, 3)
    low, high = np.percentile(levels, (1, 99), axis=0)
    return bool((high - low).max() <= BLANK_LEVELS)


def coarse_picture(picture: Bytes) -> Bytes:
    """48 bytes of a small picture: lightness, blue and red of 4 x 4 patches."""
    size = SIDE // COARSE
    patches = picture.astype(np.float32).reshape(COARSE, size, COARSE, size, 3).mean((1, 3))
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


def rough_pictures(pictures: Bytes) -> Floats:
    """The lightness of small pictures, n x 64 x 64 x 3, as n x 16 x 16."""
    step = SIDE // ROUGH
    light = pictures.astype(np.float32) @ LUMA
    rough: Floats = light.reshape(len(pictures), ROUGH, step, ROUGH, step).mean((2, 4), dtype=np.float32)
    return rough


def rough_distances(first: Floats, second: Floats) -> Floats:
    """How far apart rough pictures are, in levels of 255, one laid on the other: a tenth of the work of `distances`."""
    return np.minimum(_one_rough_way(first, second), _one_rough_way(second, first))


def _one_rough_way(a: Floats, b: Floats) -> Floats:
    moved = _registered(a, b)
    across, inside_x = _sampling(ROUGH, moved[:, 0], moved[:, 1])
    down, inside_y = _sampling(ROUGH, moved[:, 2], moved[:, 3])
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    laid = (down @ b @ across.transpose(0, 2, 1)).astype(np.float32)
    lit = np.minimum(_light(a, laid, inside)[:, None, None] * laid, 255)
    apart = np.where((a >= FULL) & (lit >= BRIGHT), 0, a - lit) * inside
    slope = np.abs(np.gradient(a, axis=1)) + np.abs(np.gradient(a, axis=2))
    levels = (np.abs(apart) / (1 + slope / EDGE))[:, 1:-1, 1:-1]
    worst: Floats = levels.reshape(len(a), -1).max(1)
    return worst


def distances(first: Bytes, second: Bytes) -> Floats:
    """How far apart the pictures of each pair are, n x 64 x 64 x 3 each: 0 for equal ones.

    It is the largest difference of any small patch in lightness, or of any larger one in colour, in levels of 255, once
    one picture is laid on the other and given its light. Whichever of the two is moved, the smaller number counts.
    """
    if not len(first):
        return np.zeros(0, np.float32)
    a, b = first.astype(np.float32), second.astype(np.float32)
    return np.minimum(_one_way(a, b), _one_way(b, a))


def _one_way(a: Floats, b: Floats) -> Floats:
    light_a, light_b = a @ LUMA, b @ LUMA
    moved = _registered(_halved(light_a), _halved(light_b))
    across, inside_x = _sampling(SIDE, moved[:, 0], moved[:, 1])
    down, inside_y = _sampling(SIDE, moved[:, 2], moved[:, 3])
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    across = across.transpose(0, 2, 1)
    laid: Floats = np.stack([down @ b[..., channel] @ across for channel in range(3)], -1)
    lit = np.minimum(_light(light_a, laid @ LUMA, inside)[:, None, None, None] * laid, 255)
    apart = np.where((a >= FULL) & (lit >= BRIGHT), 0, a - lit) * inside[..., None]
    slope = np.abs(np.gradient(light_a, axis=1)) + np.abs(np.gradient(light_a, axis=2))
    lightness = _worst_patch(np.abs(apart @ LUMA) / (1 + slope / EDGE), LIGHT_PATCH)
    colour = _worst_patch(np.hypot(apart @ BLUE, apart @ RED), COLOUR_PATCH)
    worst: Floats = np.maximum(lightness, COLOUR_WEIGHT * colour)
    return worst


def _halved(pictures: Floats) -> Floats:
    halved: Floats = pictures.reshape(len(pictures), HALF, 2, HALF, 2).mean((2, 4), dtype=np.float32)
    return halved


def _registered(a: Floats, b: Floats) -> Floats:
    """How each `b` is moved and stretched, across and down, to lie on its `a`: n x 4 shares of the side.

    Gauss-Newton on the difference of lightness (B. Lucas and T. Kanade, 1981), with outliers counting less.
    """
    side = a.shape[-1]
    moved = np.zeros((len(a), 4), np.float32)
    place = ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)
    damping = np.eye(4, dtype=np.float32) * side * side
    for _ in range(STEPS):
        across, inside_x = _sampling(side, moved[:, 0], moved[:, 1])
        down, inside_y = _sampling(side, moved[:, 2], moved[:, 3])
        inside = inside_y[:, :, None] & inside_x[:, None, :]
        laid = (down @ b @ across.transpose(0, 2, 1)).astype(np.float32)
        lit = np.minimum(_light(a, laid, inside)[:, None, None] * laid, 255)
        apart = a - lit
        slope_y, slope_x = np.gradient(lit, axis=1) * side, np.gradient(lit, axis=2) * side
        slopes = np.stack([slope_x, slope_x * place, slope_y, slope_y * place[:, None]], 1).reshape(len(a), 4, -1)
        weighted = slopes * (inside / (1 + np.abs(apart) / 10)).reshape(len(a), 1, -1)
        step = np.linalg.solve(weighted @ slopes.transpose(0, 2, 1) + damping, weighted @ apart.reshape(len(a), -1, 1))
        moved = np.clip(moved + step[..., 0], -MOST_MOVED, MOST_MOVED).astype(np.float32)
    return moved


def _sampling(side: int, shift: Floats, stretch: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Matrices that move and stretch a line of pixels, and which of its pixels come from inside the picture."""
    line, middle = np.arange(side, dtype=np.float32), (side - 1) / 2
    place = middle + (line - middle) * (1 + stretch[:, None]) + shift[:, None] * side
    inside = (place > -0.5) & (place < side - 0.5)
    place = np.clip(place, 0, side - 1)
    return np.maximum(0, 1 - np.abs(place[:, :, None] - line)).astype(np.float32), inside


def _light(a: Floats, b: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """How much more light each `a` has than its `b`, by what neither has burnt out."""
    counted = inside & (a < FULL) & (b < FULL)
    share = ((a * b * counted).sum((1, 2)) + 1e3) / ((b * b * counted).sum((1, 2)) + 1e3)
    light: Floats = np.clip(share, LEAST_LIGHT, MOST_LIGHT).astype(np.float32)
    return light


def _worst_patch(levels: Floats, side: int) -> Floats:
    """The largest average over any square patch."""
    summed = np.zeros((len(levels), SIDE + 1, SIDE + 1), np.float32)
    summed[:, 1:, 1:] = levels.cumsum(1).cumsum(2)
    patches = summed[:, side:, side:] - summed[:, :-side, side:] - summed[:, side:, :-side] + summed[:, :-side, :-side]
    worst: Floats = (patches / (side * side)).reshape(len(levels), -1).max(1)
    return worst
