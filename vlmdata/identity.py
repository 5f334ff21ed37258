"""Ids that are missing or stand twice, and groups in two splits, over a whole dataset, in a few bytes a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vlmdata.check.messages import problem_of
from vlmdata.corpus import Corpus
from vlmdata.record import Problem

HASHED = xxhash.xxh3_64_intdigest


@dataclass(slots=True)
class Identity:
    """A DatasetCheck of ids. What may stand twice by its hash is read again, and compared as text."""

    corpus: Corpus
    _hashes: array[int] = field(default_factory=lambda: array("Q"))

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Note a batch's ids."""
        self._hashes.extend(hashed(batch.column("id")))

    def findings(self) -> Iterator[Problem]:
        """Every record without an id, and every one whose id an earlier record has."""
        hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else np.zeros(0, np.uint64)
        ordered = np.sort(hashes)
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        wanted = np.union1d(twice, np.array([HASHED(b"")], np.uint64))
        suspects = np.flatnonzero(np.isin(hashes, wanted))
        first: dict[str, str] = {}
        for split, batch, row in rows_at(self.corpus, suspects):
            yield from _judged(batch, row, split, first)


def _judged(batch: pa.RecordBatch, row: int, split: str, first: dict[str, str]) -> Iterator[Problem]:
    name = batch.column("id")[row].as_py()
    if not name:
        yield problem_of(batch, row, "contract.id", "the id is empty", "id")
    elif name in first:
        message = f"the id {name!r} stands already in {first[name]}" if first[name] else f"the id {name!r} stands twice"
        yield problem_of(batch, row, "contract.unique_id", message, "id")
    else:
        first[name] = split


@dataclass(slots=True)
class Groups:
    """A DatasetCheck of groups: none may stand in two splits. It keeps 10 bytes a row."""

    corpus: Corpus
    _hashes: array[int] = field(default_factory=lambda: array("Q"))
    _splits: array[int] = field(default_factory=lambda: array("H"))
    _names: list[str] = field(default_factory=list)

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Note a batch's groups."""
        if split not in self._names:
            self._names.append(split)
        self._hashes.extend(hashed(batch.column("group")))
        self._splits.extend([self._names.index(split)] * batch.num_rows)

    def findings(self) -> Iterator[Problem]:
        """Every record whose group stands in an earlier split too."""
        if len(self._names) < 2:
            return
        hashes, splits = np.frombuffer(self._hashes, np.uint64), np.frombuffer(self._splits, np.uint16)
        per_split = [np.unique(hashes[splits == number]) for number in range(len(self._names))]
        every, counts = np.unique(np.concatenate(per_split), return_counts=True)
        suspects = np.flatnonzero(np.isin(hashes, every[counts > 1]))
        first: dict[str, str] = {}
        for split, batch, row in rows_at(self.corpus, suspects):
            group = batch.column("group")[row].as_py()
            if group is None:  # a row of its own; `contract.value` says that it has no group
                continue
            earlier = first.setdefault(group, split)
            if earlier != split:
                message = f"the group {group!r} is in {earlier} and in {split}"
                yield problem_of(batch, row, "split.group_leak", message, "group")


def hashed(texts: pa.StringArray) -> Iterator[int]:
    """64 bits of each text; nothing counts as an empty one."""
    return map(HASHED, pc.fill_null(texts, "").cast(pa.binary()).to_pylist())


def rows_at(corpus: Corpus, positions: npt.NDArray[np.int64]) -> Iterator[tuple[str, pa.RecordBatch, int]]:
    """The rows at positions of a corpus, in order, each with its split and batch."""
    start = 0
    for split, batch in corpus.batches() if len(positions) else ():
        end = start + batch.num_rows
        mine = positions[np.searchsorted(positions, start) : np.searchsorted(positions, end)] - start
        for row in mine.tolist():
            yield split, batch, row
        start = end
