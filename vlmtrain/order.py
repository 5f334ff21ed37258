"""The order of a training's rows: which rows make a batch, in which epoch, on which process.

It is a pure function of the rows' lengths, the seed and the epoch, so that a training that was interrupted goes on at
the same place, and several processes see together what one would have seen alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WINDOW, WINDOWS = 50, 10
"""Rows are sorted by length within windows of at most so many batches, and an epoch has at least so many windows: less
padding, and still a new mixture each epoch. A small split that was sorted whole had the same batches in every epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShapes:
    """What decides on a row's company: its number of tokens, and the family's key, equal for rows of one batch."""

    lengths: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(slots=True, kw_only=True)
class Order:
    """The batches of one process, as torch's DataLoader asks for a batch sampler: lists of row numbers.

    A number below zero stands for row `-1 - number` with nothing to learn: it fills up where the batches do not divide
    by the processes. The trainer of transformers sets the epoch on the `batch_sampler` of a sampler that is wrapped,
    so this one calls itself that.
    """

    shapes: RowShapes
    batch_size: int
    seed: int
    group_by_length: bool = True
    process: int = 0
    processes: int = 1
    epoch: int = 0

    @property
    def batch_sampler(self) -> Order:
        """Itself, for the trainer that looks here."""
        return self

    @property
    def drop_last(self) -> bool:
        """No: every row is seen in every epoch."""
        return False

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches of this process in an epoch, which is the same in each."""
        whole = sum(-(-int(count) // self.batch_size) for count in np.unique(self.shapes.keys, return_counts=True)[1])
        return abs(-whole // self.processes)

    def __iter__(self) -> Iterator[list[int]]:
        """This process' batches, in order."""
        batches = self.batches(self.epoch)
        while len(batches) % self.processes:
            batches.append([-1 - row for row in batches[0]])
        yield from batches[self.process :: self.processes]

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch: each row once, rows of one key only in a batch, in an order of the seed's."""
        dice = np.random.default_rng([self.seed, epoch])
        shuffled = dice.permutation(len(self.shapes))
        found: list[list[int]] = []
        for key in np.unique(self.shapes.keys):
            rows = shuffled[self.shapes.keys[shuffled] == key]
            found += _cut(self._arranged(rows), self.batch_size)
        return [found[place] for place in dice.permutation(len(found))]

    def _arranged(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows of one key with neighbours of about their length, where that is asked for."""
        if not self.group_by_length:
            return rows
        batches = min(WINDOW, max(len(rows) // (WINDOWS * self.batch_size), 1))
        step = batches * self.batch_size
        windows = [rows[start : start + step] for start in range(0, len(rows), step)]
        return np.concatenate([window[np.argsort(-self.shapes.lengths[window], kind="stable")] for window in windows])


def _cut(rows: Sequence[int] | npt.NDArray[np.int64], size: int) -> list[list[int]]:
    return [[int(row) for row in rows[start : start + size]] for start in range(0, len(rows), size)]


def by_length(shapes: RowShapes, batch_size: int) -> list[list[int]]:
    """All rows in batches for measuring: rows of one key only, the longest first, so that too little memory shows."""
    found: list[list[int]] = []
    for key in np.unique(shapes.keys):
        rows = np.flatnonzero(shapes.keys == key)
        found += _cut(rows[np.argsort(-shapes.lengths[rows], kind="stable")], batch_size)
    return found
