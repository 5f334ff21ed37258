"""Whether a picture shows one colour and nothing but a sensor's noise or a codec's on it.

Noise is alike all over: averaged in blocks it nearly goes, and no pixel or block stands out by more than chance has it.
A faint line, star or product stands out in the pixels or in the blocks, a pale gradient once the blocks are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]

BLOCK = 8
"""Side of a block: of a JPEG, what is decoded at an eighth of the size has one pixel for each."""

TILES = 8
"""Parts of a side that are compared with each other."""

MOST_NOISE, LEAST_NOISE = 16.0, 1.0
"""Standard deviations in levels of 255. A phone's in the dark is 12; what has more is a texture."""

TAIL = 1.2816
"""How many standard deviations from the middle the first and the last tenth of all values begin."""

FAR_PIXEL, FAR_BLOCK, FAR_TILE = 7.0, 7.0, 6.0
"""So many standard deviations away no noise is in a picture of any size; a pixel has 6.7 once in 10^11."""

LEAST_FAR, STEP = 3.0, 2.0
"""Levels that a codec's coarse steps may move single blocks by, and all of them: a JPEG of quality 40 does."""

TRIMMED = 0.79
"""The standard deviation of nine tenths of a normal distribution about its middle."""

STRAYS = 2e-5
"""The share of pixels that may be further away all the same: defects of a sensor."""

GRAIN = 0.5
"""How much of the pixels' noise may be left in blocks: 0.13 where pixels don't depend on each other, 0.45 with a grain
of three pixels."""

PATTERN, SAMPLE, REACH = 0.15, 256, 32
"""How much alike a piece of the picture may be to itself, moved by a block or more: a fabric's threads come again."""


def may_be_noise(blocks: Image.Image) -> bool:
    """Whether a grey picture at an eighth of its size has one brightness all over, but for noise."""
    return _is_even(np.asarray(blocks, np.float64))


def is_noise(colours: Image.Image) -> bool:
    """Whether an RGB picture has one colour all over, but for noise."""
    if min(colours.size) < 2 * BLOCK:
        return False
    counts = colours.histogram()
    sigmas = [_deviation(counts[start : start + 256]) for start in (0, 256, 512)]
    if not LEAST_NOISE <= max(sigmas) <= MOST_NOISE:
        return False
    if not all(_has_few_strays(counts[256 * each : 256 * each + 256], sigma) for each, sigma in enumerate(sigmas)):
        return False
    blocks = np.asarray(colours.reduce(BLOCK), np.float64)
    for channel, sigma in enumerate(sigmas):
        levels = blocks[..., channel]
        if _spread(levels) > max(GRAIN * sigma, STEP) or not _is_even(levels):
            return False
    return not _has_pattern(colours.convert("L"))


def _deviation(counts: Sequence[int]) -> float:
    """The standard deviation of a channel by its tenths; that of the wider side, where the other one is clipped."""
    sums = np.cumsum(counts)
    low, middle, high = np.searchsorted(sums, sums[-1] * np.array([0.1, 0.5, 0.9])).tolist()
    tenth = max(middle - low, high - middle)
    return float((tenth + 0.5) / TAIL) if tenth else 0.0


def _has_few_strays(counts: Sequence[int], sigma: float) -> bool:
    levels, sums = np.arange(256), np.cumsum(counts)
    middle = int(np.searchsorted(sums, sums[-1] / 2))
    far = np.abs(levels - middle) > FAR_PIXEL * max(sigma, LEAST_NOISE)
    return bool(np.asarray(counts)[far].sum() <= STRAYS * sums[-1])


def _spread(levels: Floats) -> float:
    """The standard deviation of blocks by nine in ten of them, no less than what rounding makes of it."""
    low, high = np.percentile(levels, (5, 95))
    middle = levels[(levels >= low) & (levels <= high)]
    return max(float(middle.std()) / TRIMMED, 0.3)


def _is_even(levels: Floats) -> bool:
    """Whether no block stands out, and no part of the picture once its blocks are averaged."""
    sigma = _spread(levels)
    if np.abs(levels - np.median(levels)).max() > max(FAR_BLOCK * sigma, LEAST_FAR):
        return False
    rows, columns = (np.unique(np.linspace(0, side, TILES + 1).astype(int)[:-1]) for side in levels.shape)
    sums = np.add.reduceat(np.add.reduceat(levels, rows, 0), columns, 1)
    sizes = np.outer(np.diff(np.append(rows, levels.shape[0])), np.diff(np.append(columns, levels.shape[1])))
    tiles = np.abs(sums / sizes - levels.mean())
    return bool((tiles <= np.maximum(1.0, FAR_TILE * sigma / np.sqrt(sizes))).all())


def _has_pattern(grey: Image.Image) -> bool:
    """Whether the middle of a picture looks like itself once it is moved."""
    left, top = (max(side - SAMPLE, 0) // 2 for side in grey.size)
    levels = np.asarray(grey.crop((left, top, left + SAMPLE, top + SAMPLE)), np.float64)
    levels = levels[: grey.height, : grey.width]
    levels = levels - levels.mean()
    power = np.abs(np.fft.rfft2(levels)) ** 2
    alike = np.fft.irfft2(power, levels.shape)
    rows, columns = (min(REACH, side // 2) for side in levels.shape)
    near = np.abs(alike[:rows, :columns]) / max(alike[0, 0], 1e-9)
    near[:BLOCK, :BLOCK] = 0
    return bool(near.max() > PATTERN)
