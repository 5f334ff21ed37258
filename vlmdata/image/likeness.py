"""Whether two pictures show the same: small copies of them, laid over each other and compared.

A difference hash can only propose such pairs, since different products on white have equal hashes by the hundred. What
counts as the same picture is what shops and tools do to one: another size, another encoding, a narrow crop, a little
more or less light, a little blur. Another colour, pattern, shape or word on it makes another picture.
"""

from __future__ import annotations

import numpy as np

from vlmdata.image.laying import FULL, Floats, Laid, averaged, patch_means, registered
from vlmdata.image.small_picture import BLUE, LUMA, RED, SIDE, Bytes, Small

COLOUR_WEIGHT = 0.94
"""A patch of another colour counts when it is 16 levels away, one of another lightness at 15."""

LIGHT_PATCH, COLOUR_PATCH = 5, 9
"""Sides of the patches that differences are averaged over: a letter's stroke, and more than JPEG smears colour over."""

EDGE = 20.0
"""Where neighbours differ by so many levels, a difference counts half: edges never lie quite on each other."""

ROUGH, ROUGH_LIMIT = 16, 45.0
"""Side of a rough picture, and the most that one of its pixels but for the rim may differ in the same picture: 34 in
planted pairs, over 45 in three of four pairs of other products that look alike from afar."""

BRIGHT = 240.0

DETAIL_LEFT, DETAIL_WEIGHT = 0.06, 200.0
"""Of what there is to see in a patch, 6 % may be missing in the other picture: encoders leave out as much. More counts;
13.5 % as much as 15 levels. Of 1,418 planted pairs, textures and covers of books among them, 12 % was missing in one of
200, 16 % at most; with other titles on the same cover, 13.5 % or less in 4 of 1,624 pairs."""

DETAIL_PATCH, DETAIL_AREA = 9, 5
"""Sides of the patches whose detail is compared, and of the area of such patches that a share is averaged over."""

FAINT = 60.0
"""Detail of such a variance, 8 levels, counts half: JPEG leaves as much behind."""

UNSHARP_WEIGHT = 1.6
"""Where a picture is too small to show detail, one of another lightness counts at 9.4 levels."""

FINER_STEPS = 2
GREY = 128.0


def rough_pictures(pictures: Small) -> Floats:
    """The lightness of n small pictures as n x 16 x 16."""
    return averaged(_grey(pictures["colour"]), SIDE // ROUGH)


def rough_distances(first: Floats, second: Floats) -> Floats:
    """How far apart rough pictures are, in levels of 255, one laid on the other: a tenth of the work of `distances`."""
    if not len(first):
        return np.zeros(0, np.float32)
    return np.minimum(_one_rough_way(first, second), _one_rough_way(second, first))


def _one_rough_way(a: Floats, b: Floats) -> Floats:
    on = Laid.by(ROUGH, registered(a, b))
    lit = on.lit(a, b)
    apart = np.where((a >= FULL) & (lit >= BRIGHT), 0, a - lit) * on.inside
    levels = (np.abs(apart) / (1 + _slope(a) / EDGE))[:, 1:-1, 1:-1]
    worst: Floats = levels.reshape(len(a), -1).max(1)
    return worst


def distances(first: Small, second: Small, limit: float = np.inf) -> Floats:
    """How far apart the n small pictures of each are: 0 for equal ones.

    It is the largest difference of any small patch in lightness, or of any larger one in colour, in levels of 255, once
    one picture is laid on the other and given its light; or what is missing of a patch's detail, where that is more and
    both are large enough to show any. Whichever of the two is moved, the smaller number counts. Detail is not looked at
    in pairs that are further than `limit` apart without it.
    """
    if not len(first):
        return np.zeros(0, np.float32)
    there, back = _levels(first["colour"], second["colour"]), _levels(second["colour"], first["colour"])
    sharp = first["sharp"] & second["sharp"]
    found: Floats = np.minimum(there, back) * np.where(sharp, 1, UNSHARP_WEIGHT).astype(np.float32)
    (left,) = np.nonzero(sharp & (found <= limit))
    if len(left):
        found[left] = np.maximum(found[left], _detail_distances(first["fine"][left], second["fine"][left], found[left]))
    return found


def _detail_distances(first: Bytes, second: Bytes, least: Floats) -> Floats:
    """What is missing of the detail, as a distance; not reckoned further down than to `least`."""
    found = np.full(len(first), np.inf, np.float32)
    for one, two, beside in ((first, second, 0), (first, second, 1), (second, first, 1)):
        (left,) = np.nonzero(found > least)
        if len(left):
            share = _missing_detail(_grey(one[left]), _grey(two[left]), beside)
            found[left] = np.minimum(found[left], DETAIL_WEIGHT * (share - DETAIL_LEFT))
    return found


def _levels(first: Bytes, second: Bytes) -> Floats:
    """The largest difference of a patch in lightness or colour, the second laid on the first."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    grey_a, grey_b = a @ LUMA, b @ LUMA
    on = Laid.by(SIDE, registered(averaged(grey_a, 2), averaged(grey_b, 2)))
    laid: Floats = np.stack([on.of(b[..., channel]) for channel in range(3)], -1)
    lit = np.minimum(on.light(grey_a, laid @ LUMA)[..., None] * laid, 255)
    apart = np.where((a >= FULL) & (lit >= BRIGHT), 0, a - lit) * on.inside[..., None]
    lightness = _worst_patch(np.abs(apart @ LUMA) / (1 + _slope(grey_a) / EDGE), LIGHT_PATCH)
    colour = _worst_patch(np.hypot(apart @ BLUE, apart @ RED), COLOUR_PATCH)
    worst: Floats = np.maximum(lightness, COLOUR_WEIGHT * colour)
    return worst


def _missing_detail(a: Floats, b: Floats, beside: int) -> Floats:
    """The largest share of the detail in an area that the second picture, laid on the first, does not have.

    Means are left out and contrasts counted: the structure of SSIM (Z. Wang and others, 2004), where each patch may
    also lie a pixel `beside` its place.
    """
    on = Laid.by(a.shape[-1], registered(a, b, registered(averaged(a, 3), averaged(b, 3)), FINER_STEPS))
    a, b = a - GREY, on.lit(a, b) - GREY
    mean_a, mean_b = patch_means(a, DETAIL_PATCH), patch_means(b, DETAIL_PATCH)
    own_a, own_b = patch_means(a * a, DETAIL_PATCH) - mean_a**2, patch_means(b * b, DETAIL_PATCH) - mean_b**2
    middle, best = _moved(1, 1), np.zeros_like(mean_a[:, 1:-1, 1:-1])
    for place in (_moved(y, x) for y in range(1 - beside, 2 + beside) for x in range(1 - beside, 2 + beside)):
        common = patch_means(a[middle] * b[place], DETAIL_PATCH) - mean_a[middle] * mean_b[place]
        np.maximum(best, (2 * common + FAINT) / (own_a[middle] + own_b[place] + FAINT), out=best)
    covered = patch_means(on.inside.astype(np.float32), DETAIL_PATCH)[middle] > 0.999
    return _worst_patch((1 - best) * covered, DETAIL_AREA)


def _moved(down: int, across: int) -> tuple[slice, slice, slice]:
    """Pictures without a rim of one pixel, moved by 0 to 2 pixels."""
    return slice(None), slice(down, down - 2 or None), slice(across, across - 2 or None)


def _grey(pictures: Bytes) -> Floats:
    """Lightness, of pictures in colour or in grey."""
    levels = pictures.astype(np.float32)
    return levels if levels.ndim == 3 else levels @ LUMA


def _slope(grey: Floats) -> Floats:
    slope: Floats = np.abs(np.gradient(grey, axis=1)) + np.abs(np.gradient(grey, axis=2))
    return slope


def _worst_patch(levels: Floats, side: int) -> Floats:
    """The largest average over any square patch."""
    worst: Floats = patch_means(levels, side).reshape(len(levels), -1).max(1)
    return worst
