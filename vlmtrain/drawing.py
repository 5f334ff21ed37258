"""The scores of tables of answers, drawn again and again: all of them at once, from the same groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vlmtrain.intervals import Chance, Interval, by_group, draws, enumerated, percentiles, tossed
from vlmtrain.scoring import Table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Where one score lies, and over how many rows and groups that is said."""

    interval: Interval | None
    rows: int
    groups: int


def draw_scores(table: Table, chance: Chance) -> dict[str, Drawn]:
    """The interval of each score that has sums."""
    if not table.columns:
        return {}
    import numpy as np

    groups = table.groups
    sums = by_group(np.concatenate([column.sums for column in table.columns.values()], axis=1), groups)
    drawn, found, place = draws(sums, chance), {}, 0
    for name, column in table.columns.items():
        width = column.sums.shape[1]
        there = {group for group, has in zip(groups, column.has, strict=True) if has}
        scores = column.value(drawn[:, place : place + width])
        around = percentiles(scores, len(there), chance)
        found[name] = Drawn(interval=around, rows=int(column.has.sum()), groups=len(there))
        place += width
    return found


class Pair:
    """Two candidates' tables over the same rows, or some of them. A row counts for a score that both have it for."""

    def __init__(self, before: Table, after: Table, rows: Sequence[int] | None, chance: Chance) -> None:
        self.before, self.after, self.chance = before, after, chance
        self.rows = list(range(len(after.answered)) if rows is None else rows)
        groups = after.groups
        self._groups = [groups[index] for index in self.rows]
        self._both = {
            name: before.columns[name].has[self.rows] & after.columns[name].has[self.rows]
            for name in before.columns
            if name in after.columns
        }
        self.scores = [name for name, both in self._both.items() if both.any()]
        self._places: dict[str, slice] = {}
        place = 0
        for name in self.scores:
            width = before.columns[name].sums.shape[1]
            self._places[name] = slice(place, place + width)
            place += width

    def rows_of(self, name: str) -> list[int]:
        """The rows that both have a score for."""
        return [index for index, both in zip(self.rows, self._both[name], strict=True) if both]

    def groups_of(self, name: str) -> int:
        """How many groups these are."""
        return len({group for group, both in zip(self._groups, self._both[name], strict=True) if both})

    def score(self, name: str) -> tuple[float, float]:
        """The score of the one and of the other."""
        rows = self.rows_of(name)
        return self.before.columns[name].over(rows), self.after.columns[name].over(rows)

    def interval(self, name: str) -> Interval | None:
        """Where the second's score less the first's lies."""
        place, value = self._places[name], self.after.columns[name].value
        before, after = self._drawn
        return percentiles(value(after[:, place]) - value(before[:, place]), self.groups_of(name), self.chance)

    @property
    def every(self) -> bool:
        """Whether `tossed` holds every outcome there is."""
        return enumerated(len(set(self._groups)), self.chance)

    def tossed(self, name: str) -> np.ndarray:
        """The differences that come about by chance alone."""
        place, value = self._places[name], self.after.columns[name].value
        first, second = self._tossed
        found: np.ndarray = value(second[:, place]) - value(first[:, place])
        return found

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """What each group adds to every score: [groups, K] of the one and of the other."""
        import numpy as np

        def sums(table: Table) -> np.ndarray:
            parts = [table.columns[name].sums[self.rows] * self._both[name][:, None] for name in self.scores]
            return by_group(np.concatenate(parts, axis=1), self._groups)

        return sums(self.before), sums(self.after)

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        before, after = self._sums
        drawn = draws(np.concatenate([before, after], axis=1), self.chance)
        return drawn[:, : before.shape[1]], drawn[:, before.shape[1] :]

    @cached_property
    def _tossed(self) -> tuple[np.ndarray, np.ndarray]:
        before, after = self._sums
        first = tossed(before, after, self.chance)
        return first, before.sum(axis=0) + after.sum(axis=0) - first
