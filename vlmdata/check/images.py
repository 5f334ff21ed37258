"""Images that stand in many rows: placeholders, one product's photo under another's name, one photo twice in a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmdata.check.repeats import usually, with_first
from vlmdata.check.rows import Rows, Runs, joined, runs
from vlmdata.record import Problem

SHARED, REUSED, REPEATED = "dataset.shared_image", "dataset.reused_image", "images.repeated"


@dataclass(slots=True)
class SharedImages:
    """Images that rows of different groups have, and that are answered differently there.

    A picture may have many questions by design. So a picture counts as shared only where it has several times as many
    groups as nine pictures in ten have, and as reused only where a picture usually has one.
    """

    rows: Rows
    rules = (SHARED, REUSED)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Take a batch in."""
        self.rows.see(batch)

    def findings(self) -> Iterator[Problem]:
        """Placeholders first, then pictures of two or a few products."""
        rows, settings = self.rows, self.rows.settings
        counts = rows.image_counts()
        row_of = np.repeat(np.arange(len(counts)), counts)
        found = runs(rows.hashes("images"))
        if not len(found.counts):
            return
        groups = found.distinct(rows.hashes("groups")[row_of])
        differ = (groups > 1) & self._differ(found, row_of, groups)
        usual = usually(groups)
        most = max(settings.threshold(SHARED, "groups"), settings.threshold(SHARED, "times") * usual)
        shared = differ & (groups > most)
        reused = differ & ~shared if usual == 1 else np.zeros(len(groups), bool)
        for run in found.by_first_row(shared):
            yield self._shared(rows.by_id(row_of[found.rows(run)]), int(groups[run]))
        sets = (self._of_other_groups(rows.by_id(row_of[found.rows(run)])) for run in found.by_first_row(reused))
        for first, row in with_first(sets):
            yield self._reused(first, row)

    def _differ(
        self, found: Runs, row_of: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Whether an image's groups have different answers: a group may have one in each of two languages."""
        answers = found.distinct(self.rows.hashes("answers")[row_of])
        both = found.distinct(joined(self.rows.hashes("groups"), self.rows.hashes("answers"))[row_of])
        return both < groups * answers

    def _shared(self, rows: list[int], groups: int) -> Problem:
        message = f"one image stands in {len(rows):,} rows of {groups:,} groups: {self._examples(rows)}"
        hint = "if it is a placeholder, drop these rows; if they are one product's variants, set `group`"
        return self.rows.problem(rows[0], SHARED, message, hint, "images")

    def _reused(self, first: int, row: int) -> Problem:
        message = f"an image is also that of {self.rows.shown(first)}, whose answer is another"
        hint = "look whether one of them has the other's photo; if they are variants, set `group`"
        return self.rows.problem(row, REUSED, message, hint, "images")

    def _of_other_groups(self, rows: list[int]) -> list[int]:
        """The first row of each group, in the rows' order."""
        _, first = np.unique(self.rows.hashes("groups")[rows], return_index=True)
        return [rows[place] for place in sorted(first.tolist())]

    def _examples(self, rows: list[int]) -> str:
        shown = ", ".join(map(self.rows.shown, rows[:3]))
        return f"{shown} …" if len(rows) > 3 else shown


@dataclass(slots=True)
class RepeatedInRow:
    """Rows that have one image several times."""

    rows: Rows
    rules = (REPEATED,)
    _found: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Take a batch in, and remember such rows, each with the place of the image."""
        seen = self.rows.see(batch)
        counts = seen.keys.image_counts
        row_of = np.repeat(np.arange(batch.num_rows), counts)
        order = np.lexsort((np.arange(len(row_of)), seen.keys.images, row_of))
        images, row_of = seen.keys.images[order], row_of[order]
        again = np.flatnonzero((images[1:] == images[:-1]) & (row_of[1:] == row_of[:-1])) + 1
        first = np.unique(row_of[again], return_index=True)[1]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        found = row_of[again[first]]
        self._found.append(np.stack([seen.first_row + found, order[again[first]] - starts[found]], axis=1))

    def findings(self) -> Iterator[Problem]:
        """One for each of these rows."""
        hint = "name each image in one place"
        message = "the row has this image before it already"
        for found in self._found:
            for row, place in found.tolist():
                yield self.rows.problem(row, REPEATED, message, hint, f"images[{place}]")
