"""How far a score could be otherwise by chance: bootstrap intervals and tests of differences, over groups of rows.

Rows of one product, or with one image, are alike, so that what is drawn anew is groups, never rows: ten rows of one
group say as much as one. Intervals are percentile intervals of the bootstrap (Efron & Tibshirani 1993, chapter 13),
drawn a little wider as if by Student's t, since the plain ones are too narrow for few groups (Hesterberg 2015, "What
teachers should know about the bootstrap", section 5.3). Differences are paired: both candidates are drawn together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Value = Callable[["np.ndarray"], "np.ndarray"]
"""Sums [..., K] to scores [...]."""

CHUNK = 4_000_000
"""Draws that are held in memory at once."""

FEWEST_GROUPS = 5
"""With fewer groups there is no interval: what is drawn anew would be the same few again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a score, or a difference, lies with the confidence that was asked for."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference of nothing lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How chance is asked: how often is drawn, from what seed, and how sure an interval is to be."""

    resamples: int = 2_000
    seed: int = 0
    confidence: float = 0.95


def by_group(sums: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """The sums [rows, K] of rows added up by their group: [groups, K], in the order in which groups come first."""
    import numpy as np

    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    added = np.zeros((len(numbers), *sums.shape[1:]))
    np.add.at(added, [numbers[group] for group in groups], sums)
    return added


def draws(groups: np.ndarray, chance: Chance) -> np.ndarray:
    """Sums of as many groups as there are, drawn with replacement, again and again: [resamples, K]."""
    import numpy as np

    random = np.random.default_rng(chance.seed)
    count = len(groups)
    at_once = max(1, CHUNK // count)
    parts = []
    for start in range(0, chance.resamples, at_once):
        size = min(at_once, chance.resamples - start)
        drawn = random.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        with np.errstate(invalid="ignore"):  # nothing of what is infinite, the loss of a model that diverged
            parts.append(weights @ groups)
    return np.concatenate(parts)


def percentiles(found: np.ndarray, groups: int, chance: Chance) -> Interval | None:
    """Where drawn scores, or differences, of so many groups lie; None for too few groups, or none with a score."""
    import numpy as np

    found = found[np.isfinite(found)]
    if groups < FEWEST_GROUPS or not len(found):
        return None
    tail = tail_share(groups, chance.confidence)
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high))


def tail_share(groups: int, confidence: float) -> float:
    """The share of draws below an interval: that beyond sqrt(n / (n - 1)) * t, by the normal distribution.

    For many groups it is (1 - confidence) / 2; for 10 at 95 % it is 0.0085.
    """
    t = student_t(1 - (1 - confidence) / 2, groups - 1)
    return NormalDist().cdf(-math.sqrt(groups / (groups - 1)) * t)


def student_t(share: float, freedom: int) -> float:
    """The quantile of Student's t, by its expansion around the normal one (Abramowitz & Stegun 26.7.5).

    For four degrees of freedom and more it is right to 1 % at 97.5 %.
    """
    z = NormalDist().inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4


def tossed(before: np.ndarray, after: np.ndarray, chance: Chance) -> np.ndarray:
    """Sums over all groups [resamples, K] where each group's candidates are swapped by the toss of a coin.

    Both are sums [groups, K] of the same groups. The other candidate's are what is left of the sums of both. Of few
    groups every outcome is there once.
    """
    import numpy as np

    random = np.random.default_rng(chance.seed)
    with np.errstate(invalid="ignore"):
        change = after - before
        if enumerated(len(before), chance):
            coins = np.arange(2 ** len(before))[:, None] >> np.arange(len(before)) & 1
            every: np.ndarray = before.sum(axis=0) + coins @ change
            return every
    parts, at_once = [], max(1, CHUNK // len(before))
    for start in range(0, chance.resamples, at_once):
        coins = random.integers(0, 2, (min(at_once, chance.resamples - start), len(before)))
        with np.errstate(invalid="ignore"):
            parts.append(before.sum(axis=0) + coins @ change)
    return np.concatenate(parts)


def enumerated(groups: int, chance: Chance) -> bool:
    """Whether there are so few groups that every outcome of a coin for each can be looked at."""
    return bool(2**groups <= chance.resamples)


def permutation_p(seen: float, found: np.ndarray, *, every: bool = False) -> float:
    """How often a difference at least as large as the one seen comes about by tossing.

    Of every outcome there is (`every`) it is their share, else (hits + 1) / (tosses + 1).
    """
    import numpy as np

    hits = int((np.abs(found) >= abs(seen) - 1e-12).sum())
    return hits / len(found) if every else (hits + 1) / (len(found) + 1)


def mcnemar_p(fixed: int, broken: int) -> float:
    """McNemar's test, exact and two-sided: of the rows that changed sides, as uneven a share by the toss of a coin."""
    changed = fixed + broken
    if not changed:
        return 1.0
    fewer = min(fixed, broken)
    logs = [
        math.lgamma(changed + 1) - math.lgamma(k + 1) - math.lgamma(changed - k + 1) - changed * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(each) for each in logs))
