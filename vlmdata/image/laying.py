"""One picture laid on another: moved, stretched and given its light, as a crop and another size leave it to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MOST_MOVED = 0.07
"""The most that a picture is moved, or stretched, to lie on another: a crop of 3 % on each side moves it by 6 %."""

STEPS = 4
FULL = 250.0
LEAST_LIGHT, MOST_LIGHT = 0.75, 1.33


@dataclass(frozen=True, slots=True)
class Laid:
    """Pictures `b` laid on their `a`: by which matrices, n x side x side, and where they cover it."""

    across: Floats
    down: Floats
    inside: Mask

    @classmethod
    def by(cls, side: int, moved: Floats) -> Laid:
        """As `registered` says how to move them."""
        across, inside_x = _sampling(side, moved[:, 0], moved[:, 1])
        down, inside_y = _sampling(side, moved[:, 2], moved[:, 3])
        return cls(across.transpose(0, 2, 1), down, inside_y[:, :, None] & inside_x[:, None, :])

    def of(self, pictures: Floats) -> Floats:
        """One channel of the pictures, laid."""
        laid: Floats = (self.down @ pictures @ self.across).astype(np.float32)
        return laid

    def light(self, a: Floats, laid: Floats) -> Floats:
        """How much more light each `a` has than what is laid on it, n x 1 x 1, by what neither has burnt out."""
        counted = self.inside & (a < FULL) & (laid < FULL)
        share = ((a * laid * counted).sum((1, 2)) + 1e3) / ((laid * laid * counted).sum((1, 2)) + 1e3)
        light: Floats = np.clip(share, LEAST_LIGHT, MOST_LIGHT).astype(np.float32)
        return light[:, None, None]

    def lit(self, a: Floats, pictures: Floats) -> Floats:
        """Grey pictures, laid and given the light of `a`."""
        laid = self.of(pictures)
        lit: Floats = np.minimum(self.light(a, laid) * laid, 255)
        return lit


def registered(a: Floats, b: Floats, start: Floats | None = None, steps: int = STEPS) -> Floats:
    """How each `b` is moved and stretched, across and down, to lie on its `a`: n x 4 shares of the side.

    Gauss-Newton on the difference of lightness (B. Lucas and T. Kanade, 1981), with outliers counting less.
    """
    side = a.shape[-1]
    moved = np.zeros((len(a), 4), np.float32) if start is None else start
    place = ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)
    damping = np.eye(4, dtype=np.float32) * side * side
    for _ in range(steps):
        on = Laid.by(side, moved)
        lit = on.lit(a, b)
        apart = a - lit
        slope_y, slope_x = np.gradient(lit, axis=1) * side, np.gradient(lit, axis=2) * side
        slopes = np.stack([slope_x, slope_x * place, slope_y, slope_y * place[:, None]], 1).reshape(len(a), 4, -1)
        weighted = slopes * (on.inside / (1 + np.abs(apart) / 10)).reshape(len(a), 1, -1)
        step = np.linalg.solve(weighted @ slopes.transpose(0, 2, 1) + damping, weighted @ apart.reshape(len(a), -1, 1))
        moved = np.clip(moved + step[..., 0], -MOST_MOVED, MOST_MOVED).astype(np.float32)
    return moved


def averaged(pictures: Floats, factor: int) -> Floats:
    """Grey pictures at a smaller scale."""
    side = pictures.shape[-1] // factor
    smaller: Floats = pictures.reshape(len(pictures), side, factor, side, factor).mean((2, 4), dtype=np.float32)
    return smaller


def patch_means(levels: Floats, side: int) -> Floats:
    """The average over each square patch of n x height x width levels, n x (height - side + 1) x (width - side + 1)."""
    rows, columns = levels.shape[1] - side + 1, levels.shape[2] - side + 1
    summed = levels[:, :rows].copy()
    for step in range(1, side):
        summed += levels[:, step : step + rows]
    means = summed[:, :, :columns].copy()
    for step in range(1, side):
        means += summed[:, :, step : step + columns]
    means /= side * side
    return means


def _sampling(side: int, shift: Floats, stretch: Floats) -> tuple[Floats, Mask]:
    """Matrices that move and stretch a line of pixels, and which of its pixels come from inside the picture."""
    line, middle = np.arange(side, dtype=np.float32), (side - 1) / 2
    place = middle + (line - middle) * (1 + stretch[:, None]) + shift[:, None] * side
    inside = (place > -0.5) & (place < side - 0.5)
    place = np.clip(place, 0, side - 1)
    return np.maximum(0, 1 - np.abs(place[:, :, None] - line)).astype(np.float32), inside
