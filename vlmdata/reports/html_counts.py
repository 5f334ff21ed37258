"""Counts that stay small however many values go in: distributions of numbers, sizes of images, values of tags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmdata.page.charts import Bin, Mark

Numbers = npt.NDArray[np.int64]

EXACT = 1 << 16
"""Numbers below this are counted exactly, larger ones to three digits: at most some 8,000 of them are different."""

MOST_SIZES = 20_000
LOW = 0xFFFFFFFF
MOST_MARKS = 300
MOST_NAMES, MOST_VALUES = 60, 5_000
"""So many names of tags are counted, and so many values of each; what comes after them is counted as others."""


@dataclass(slots=True)
class Distribution:
    """How often each number came, at least 0."""

    small: Numbers = field(default_factory=lambda: np.zeros(EXACT, np.int64))
    large: Counter[int] = field(default_factory=Counter)
    total: int = 0
    largest: int = 0

    def add(self, values: Numbers) -> None:
        """Count numbers."""
        if not len(values):
            return
        self.total += int(values.sum())
        self.largest = max(self.largest, int(values.max()))
        beyond = values >= EXACT
        self.small += np.bincount(values[~beyond], minlength=EXACT)
        for value, count in zip(*np.unique(_to_digits(values[beyond], 3), return_counts=True), strict=True):
            self.large[int(value)] += int(count)

    @property
    def count(self) -> int:
        """How many numbers came."""
        return int(self.small.sum()) + self.large.total()

    def points(self) -> tuple[Numbers, Numbers]:
        """The different numbers in order, and how often each came."""
        found = np.flatnonzero(self.small)
        large = sorted(self.large.items())
        values = np.concatenate([found, np.array([value for value, _ in large], np.int64)])
        return values, np.concatenate([self.small[found], np.array([count for _, count in large], np.int64)])

    def quantile(self, share: float) -> int:
        """The number that so large a share of all does not exceed. 0 where none came."""
        values, counts = self.points()
        if not len(values):
            return 0
        return int(values[np.searchsorted(np.cumsum(counts), share * counts.sum())])

    def bins(self, most: int = 26) -> list[Bin]:
        """Bins for a histogram: one for each number where they are few, else equal ones, else growing ones."""
        values, counts = self.points()
        if not len(values):
            return []
        low, high = int(values[0]), int(values[-1])
        if high - low < most:
            borders = np.arange(low, high + 2)
        elif low and self.quantile(0.99) < 25 * max(self.quantile(0.01), 1):
            step = _round_up((high - low) / most)
            borders = np.arange(low // step * step, high + step + 1, step)
        else:
            borders = _growing(max(low, 1) if low else 0, high)
        held, _ = np.histogram(values, borders, weights=counts)
        return [
            Bin(low=float(start), high=float(end), count=int(count))
            for start, end, count in zip(borders, borders[1:], held, strict=False)
        ]


def _to_digits(values: Numbers, digits: int) -> Numbers:
    """Numbers rounded to so many digits; those that have no more stay as they are."""
    scale = 10.0 ** np.maximum(np.floor(np.log10(np.maximum(values, 1))) - digits + 1, 0)
    return np.asarray(np.round(values / scale) * scale, np.int64)


def _round_up(step: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    scale = 10 ** math.floor(math.log10(max(step, 1)))
    return next(int(times * scale) for times in (1, 2, 5, 10) if times * scale >= step)


def _growing(low: int, high: int) -> Numbers:
    """Borders of which each decade has the same: 1, 2, 5; or finer where there is room; 0 for itself."""
    decades = math.log10(max(high, 2) / max(low, 1))
    steps: tuple[int, ...] = (10, 20, 50)
    if decades < 4.5:
        steps = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80) if decades < 2.7 else (10, 15, 20, 30, 50, 70)
    found = sorted({step * 10**power // 10 for power in range(0, 16) for step in steps})
    inside = [value for value in found if value > low and value < high]
    before = max((value for value in found if value <= max(low, 1)), default=1)
    after = next(value for value in found if value > high)
    return np.array(sorted({0 if not low else before, *([1] if not low else []), *inside, after}), np.int64)


@dataclass(slots=True)
class Sizes:
    """How often each width and height came; once there are very many, further ones are counted to two digits."""

    seen: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, widths: Numbers, heights: Numbers) -> None:
        """Count images by their size."""
        keys, counts = np.unique(widths << 32 | heights, return_counts=True)
        if len(self.seen) >= MOST_SIZES:
            known = np.fromiter(((key >> 32, key & LOW) in self.seen for key in keys.tolist()), np.bool_, len(keys))
            keys = np.where(known, keys, _to_digits(keys >> 32, 2) << 32 | _to_digits(keys & LOW, 2))
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.seen[key >> 32, key & LOW] += count

    def marks(self) -> list[Mark]:
        """The sizes to draw: each for itself where they are few, else gathered in cells that grow with the size."""
        for fineness in (0, 24, 16, 12, 8, 6, 4, 3, 2, 1):
            cells: Counter[tuple[float, float]] = Counter()
            for (width, height), count in self.seen.items():
                if width > 0 and height > 0:
                    cells[_cell(width, fineness), _cell(height, fineness)] += count
            if len(cells) <= MOST_MARKS:
                break
        return [Mark(x=x, y=y, count=count) for (x, y), count in sorted(cells.items())]


def _cell(value: int, fineness: int) -> float:
    return 2 ** (round(math.log2(value) * fineness) / fineness) if fineness else float(value)


@dataclass(slots=True)
class TagValues:
    """The values of one tag: how often each came in each split, and how often ones that are not counted singly."""

    by_split: dict[str, Counter[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)

    def count(self, split: str, value: str) -> int:
        """How often a value came in a split."""
        return self.by_split[split][value] if split in self.by_split else 0

    def top(self, most: int) -> list[tuple[str, int]]:
        """The most frequent values with their counts over all splits."""
        total: Counter[str] = Counter()
        for counts in self.by_split.values():
            total.update(counts)
        return sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


@dataclass(slots=True)
class Tags:
    """Every tag's values."""

    names: dict[str, TagValues] = field(default_factory=dict)
    further: set[str] = field(default_factory=set)

    def add(self, split: str, names: Any, values: Any) -> None:
        """Count tags, given as two Arrow arrays of text of one length."""
        coded_names, coded_values = names.dictionary_encode(), values.dictionary_encode()
        words, texts = [*coded_names.dictionary.to_pylist(), ""], [*coded_values.dictionary.to_pylist(), ""]
        keys = _codes(coded_names) * len(texts) + _codes(coded_values)
        for key, count in zip(*(each.tolist() for each in np.unique(keys, return_counts=True)), strict=True):
            name, value = divmod(key, len(texts))
            self._count(split, words[name], texts[value], count)

    def _count(self, split: str, name: str, value: str, count: int) -> None:
        found = self.names.get(name)
        if found is None:
            if len(self.names) >= MOST_NAMES:
                if len(self.further) < MOST_VALUES:
                    self.further.add(name)
                return
            found = self.names[name] = TagValues()
        if value not in found.known and len(found.known) >= MOST_VALUES:
            found.others[split] += count
            return
        found.known.add(value)
        if split not in found.by_split:
            found.by_split[split] = Counter()
        found.by_split[split][value] += count


def _codes(coded: Any) -> Numbers:
    """The codes of a dictionary array; a null is the number after the last."""
    return np.asarray(coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False), np.int64)


@dataclass(slots=True)
class Best:
    """The rows of the smallest scores, of equal ones the first."""

    most: int
    scores: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    rows: Numbers = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, scores: npt.NDArray[Any], first_row: int) -> None:
        """Let rows in a line from `first_row` on compete. A score that is no number stays out."""
        rows = np.flatnonzero(~np.isnan(scores.astype(np.float64)))
        if len(rows) > self.most:
            kept = np.argpartition(scores[rows], self.most - 1)
            worst = scores[rows][kept[self.most - 1]]
            rows = rows[scores[rows] <= worst][: self.most * 4]
        scores_of = np.concatenate([self.scores, scores[rows].astype(np.float64)])
        all_rows = np.concatenate([self.rows, rows + first_row])
        order = np.lexsort((all_rows, scores_of))[: self.most]
        self.scores, self.rows = scores_of[order], all_rows[order]

    def listed(self) -> list[int]:
        """The rows, best first."""
        return [int(row) for row in self.rows]


def shared(sets: Sequence[Iterable[npt.NDArray[np.uint64]]]) -> int:
    """How many hashes are in more than one of several sets, each given in pieces."""
    unique = [np.unique(np.concatenate([np.zeros(0, np.uint64), *pieces])) for pieces in sets]
    everything = np.concatenate([np.zeros(0, np.uint64), *unique])
    _, counts = np.unique(everything, return_counts=True)
    return int((counts > 1).sum())
