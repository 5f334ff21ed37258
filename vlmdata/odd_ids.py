"""Ids that hold what nobody sees, and ids that differ in nothing else: a whole-dataset check of 8 bytes a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.messages import problem_of
from vlmdata.check.rows import id_order
from vlmdata.corpus import Corpus
from vlmdata.identity import hashed, rows_at
from vlmdata.record import Problem

UNSEEN = (
    r"[\x00-\x1f\x7f-\x{9f}\x{ad}\x{61c}\x{180e}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{2064}\x{2066}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffd}]"
)
AROUND = r"\A[\s\pZ]|[\s\pZ]\z"
CONTROL, NEAR_MISS = "id.control", "id.near_miss"


@dataclass(slots=True)
class OddIds:
    """A DatasetCheck. Ids are compared in lower case, without what nobody sees and without spaces around them."""

    corpus: Corpus
    rules = (CONTROL, NEAR_MISS)
    _folded: array[int] = field(default_factory=lambda: array("Q"))
    _odd: list[int] = field(default_factory=list)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Note a batch's ids."""
        ids = pc.fill_null(batch.column("id"), "")
        odd = pc.match_substring_regex(ids, f"{UNSEEN}|{AROUND}")
        if pc.any(odd).as_py():
            self._odd += (np.flatnonzero(odd.to_numpy(zero_copy_only=False)) + len(self._folded)).tolist()
            ids = pc.utf8_trim_whitespace(pc.replace_substring_regex(ids, UNSEEN, ""))
        self._folded.extend(hashed(pc.utf8_lower(ids)))

    def findings(self) -> Iterator[Problem]:
        """The odd ones first, then those that look the same as another one."""
        yield from self._controls()
        yield from self._misses()

    def _controls(self) -> Iterator[Problem]:
        for _, batch, row in rows_at(self.corpus, np.array(self._odd, np.int64)):
            name = batch.column("id")[row].as_py()
            message = f"the id {name!r} holds characters that nobody sees"
            yield _warning(problem_of(batch, row, CONTROL, message, "id"), "take them out of the source")

    def _misses(self) -> Iterator[Problem]:
        hashes = np.frombuffer(self._folded, np.uint64) if self._folded else np.zeros(0, np.uint64)
        ordered = np.sort(hashes)
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        suspects = np.flatnonzero(np.isin(hashes, twice))
        alike: dict[int, list[tuple[str, Problem]]] = {}
        for position, (_, batch, row) in zip(suspects.tolist(), rows_at(self.corpus, suspects), strict=True):
            name = batch.column("id")[row].as_py() or ""
            if name:
                alike.setdefault(int(hashes[position]), []).append((name, problem_of(batch, row, NEAR_MISS, "", "id")))
        for found in alike.values():
            first = min((name for name, _ in found), key=id_order)
            yield from (_near(name, first, problem) for name, problem in found if name != first)


def _near(name: str, other: str, problem: Problem) -> Problem:
    message = f"the id {name!r} differs from {other!r} in case or in what nobody sees"
    hint = "look whether they are one; a table or a file system may not keep them apart"
    return _warning(replace(problem, message=message), hint)


def _warning(problem: Problem, hint: str) -> Problem:
    return replace(problem, severity="warning", hint=hint)
