"""Rows that are there twice, questions that are answered in two ways, and answers that are given to everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.row_keys import RowKeys
from vlmdata.check.rows import Rows, Runs, joined, runs
from vlmdata.record import Problem

DUPLICATE, CONFLICT, ONE_ANSWER = "dataset.duplicate", "dataset.conflict", "dataset.one_answer"

KEPT_TEXTS = 1_000
LABEL_BYTES = 40
SHOWN = 60


@dataclass(slots=True)
class Duplicates:
    """Rows whose texts and images equal another row's."""

    rows: Rows
    rules = (DUPLICATE,)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Take a batch in."""
        self.rows.see(batch)

    def findings(self) -> Iterator[Problem]:
        """One for each row whose content a row before it, by id, has already."""
        rows = self.rows
        found = runs(joined(*(rows.hashes(name) for name in ("questions", "answers", "image_sets"))))
        sets = (rows.by_id(found.rows(run)) for run in found.by_first_row(found.counts > 1))
        for first, row in with_first(sets):
            message = f"text and images equal those of {rows.shown(first)}"
            yield rows.problem(row, DUPLICATE, message, "drop one, or set duplicates: drop")


@dataclass(slots=True)
class Conflicts:
    """Rows that ask the same about the same images, and are answered in different ways."""

    rows: Rows
    rules = (CONFLICT,)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Take a batch in."""
        self.rows.see(batch)

    def findings(self) -> Iterator[Problem]:
        """One for each row that is answered otherwise than the first that asks the same, by id."""
        rows = self.rows
        with_images = np.flatnonzero(rows.image_counts())
        found = runs(joined(rows.hashes("questions"), rows.hashes("image_sets")), with_images)
        answers = found.distinct(rows.hashes("answers"))
        several = found.by_first_row(answers > 1)
        sets = [self._otherwise(rows.by_id(found.rows(run))) for run in several]
        counted = {
            same[0]: (int(found.counts[run]), int(answers[run])) for same, run in zip(sets, several, strict=True)
        }
        for first, row in with_first(sets):
            yield self._problem(first, row, *counted[first])

    def _otherwise(self, same: list[int]) -> list[int]:
        """The first of some rows, and those that are answered otherwise."""
        given = self.rows.hashes("answers")[same]
        return [same[0], *(same[place] for place in np.flatnonzero(given != given[0]).tolist())]

    def _problem(self, first: int, row: int, count: int, answers: int) -> Problem:
        message = f"{self.rows.shown(first)} asks the same about the same images and is answered otherwise"
        if count > 2:
            message += f" ({count:,} such rows, {answers:,} answers)"
        hint = "keep the answer that is right, or ask in words that tell the rows apart"
        return self.rows.problem(row, CONFLICT, message, hint, "messages")


@dataclass(slots=True)
class OneAnswer:
    """An answer that many rows with different images share, in a dataset whose answers are texts and not labels."""

    rows: Rows
    rules = (ONE_ANSWER,)
    _short: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    _texts: dict[int, str] = field(default_factory=dict)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Take a batch in, with a byte for each row whose answer is too short to be more than a label."""
        keys = self.rows.see(batch).keys
        self._keep_repeated(keys)
        self._short.append(self._are_labels(keys.answer_texts))

    def _are_labels(self, texts: pa.StringArray) -> npt.NDArray[np.bool_]:
        found = pc.fill_null(pc.less_equal(pc.binary_length(texts), LABEL_BYTES), False)
        short: npt.NDArray[np.bool_] = found.to_numpy(zero_copy_only=False).copy()
        words = pc.add(pc.count_substring_regex(pc.utf8_trim_whitespace(texts.filter(found)), r"\s+"), 1)
        fewest = self.rows.settings.threshold(ONE_ANSWER, "words")
        short[short] = pc.less(words, fewest).to_numpy(zero_copy_only=False)
        return short

    def _keep_repeated(self, keys: RowKeys) -> None:
        """Keep the first answers that a batch has several times, to show them."""
        values, places, counts = np.unique(keys.answers, return_index=True, return_counts=True)
        for value, place in zip(values[counts > 1].tolist(), places[counts > 1].tolist(), strict=True):
            if len(self._texts) < KEPT_TEXTS and value not in self._texts:
                self._texts[value] = keys.answer_texts[place].as_py() or ""

    def findings(self) -> Iterator[Problem]:
        """One for each such answer."""
        rows, settings = self.rows, self.rows.settings
        if not rows.count:
            return
        found = runs(rows.hashes("answers"))
        if np.count_nonzero(found.counts == 1) * 2 < len(found.counts):
            return  # most answers are given several times: they are labels
        usual = usually(found.counts)
        long = ~np.concatenate(self._short)[found.order[found.starts]]
        most = max(settings.threshold(ONE_ANSWER, "rows"), settings.threshold(ONE_ANSWER, "times") * usual)
        wanted = long & (found.counts > most)
        wanted[wanted] = self._of_many(found, wanted, most)
        for run in found.by_first_row(wanted):
            yield self._problem(found.rows(run))

    def _of_many(self, found: Runs, wanted: npt.NDArray[np.bool_], most: float) -> list[bool]:
        """Of each wanted run, whether its rows show different images of different groups."""
        images, groups = self.rows.hashes("image_sets"), self.rows.hashes("groups")
        several = [found.rows(int(run)) for run in np.flatnonzero(wanted)]
        return [min(len(np.unique(images[same])), len(np.unique(groups[same]))) > most for same in several]

    def _problem(self, same: npt.NDArray[np.int64]) -> Problem:
        text = self._texts.get(int(self.rows.hashes("answers")[same[0]]), "")
        shown = f", {shortened(text)!r}" if text else ""
        message = f"{len(same):,} rows with different images have one answer{shown}"
        hint = "it describes none of them: fill in what each image shows, or leave these rows out"
        return self.rows.problem(self.rows.first_by_id(same), ONE_ANSWER, message, hint, "messages")


def with_first(sets: Iterable[list[int]]) -> Iterator[tuple[int, int]]:
    """Each further row of each set with the set's first, so that whoever joins a set is told as well.

    The second rows of all sets come first: one large set takes no other's place among the findings that are kept.
    """
    left: list[list[int]] = []
    for first, second, *more in sets:
        yield first, second
        if more:
            left.append([first, *more])
    for first, *more in left:
        yield from ((first, row) for row in more)


def usually(counts: npt.NDArray[np.int64]) -> int:
    """What nine counts in ten do not exceed."""
    return int(np.sort(counts)[(len(counts) - 1) * 9 // 10]) if len(counts) else 0


def shortened(text: str) -> str:
    """A text as a message shows it."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} …"
