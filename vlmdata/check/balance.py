"""How often each letter is the right one, and whether one label is nearly always the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.choices import Choices
from vlmdata.check.rows import Rows, Seen
from vlmdata.record import Problem

LETTERS, LABELS = "dataset.letter_balance", "dataset.label_balance"
MOST_LABELS = 1_000
LABEL_BYTES = 40
SHORT_SHARE = 0.9
"""A dataset has labels where nine answers in ten are short, and there are no more different ones than `MOST_LABELS`."""

EQUAL_DIGITS = 6
"""Digits to which two letters are equally far off: sums of thirds differ by the order that they are made in."""

ONE_IN_A_THOUSAND = 3.09
"""Standard deviations above the mean that one value in a thousand exceeds."""


@dataclass(slots=True)
class Balance:
    """Letters of multiple-choice questions, and labels of all others."""

    rows: Rows
    rules = (LETTERS, LABELS)
    _given: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(26, np.int64))
    _expected: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(26))
    _first: dict[int, int] = field(default_factory=dict)
    _labels: dict[str, tuple[int, int]] = field(default_factory=dict)
    _short: int = 0
    _answers: int = 0
    _too_many: bool = False

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002
        """Count a batch's letters and labels."""
        seen = self.rows.see(batch)
        choices = self._count_letters(batch, seen)
        self._count_labels(seen, choices)

    def _count_letters(self, batch: pa.RecordBatch, seen: Seen) -> npt.NDArray[np.bool_]:
        """Count the right letters, and how often each would be right by chance. The rows that have options."""
        found = Choices.of(batch)
        if found is None:
            return np.zeros(batch.num_rows, bool)
        options = np.bincount(found.rows, minlength=batch.num_rows)
        right = found.right(options)
        offered = right[found.rows] >= 0
        self._expected += np.bincount(
            found.letters[offered], weights=1 / options[found.rows[offered]], minlength=len(self._expected)
        )
        given = right[right >= 0]
        self._given += np.bincount(given, minlength=len(self._given))
        letters, kinds = np.unique(given, return_inverse=True)
        firsts = seen.firsts(kinds, np.flatnonzero(right >= 0), len(letters))
        for letter, row in zip(letters.tolist(), firsts.tolist(), strict=True):
            self._first[letter] = self.rows.first_by_id([row, self._first.get(letter, row)])
        return options > 0

    def _count_labels(self, seen: Seen, choices: npt.NDArray[np.bool_]) -> None:
        texts = seen.keys.answer_texts
        free = pc.and_(pc.is_valid(texts), pa.array(~choices))
        short = pc.and_(free, pc.fill_null(pc.less_equal(pc.binary_length(texts), LABEL_BYTES), False))
        self._answers += pc.sum(free).as_py() or 0
        self._short += pc.sum(short).as_py() or 0
        if self._too_many:
            return
        rows = np.flatnonzero(short.to_numpy(zero_copy_only=False))
        coded = pc.dictionary_encode(pc.utf8_trim_whitespace(texts.take(pa.array(rows))))
        codes = coded.indices.to_numpy().astype(np.int64)
        counts = np.bincount(codes, minlength=len(coded.dictionary))
        firsts = seen.firsts(codes, rows, len(coded.dictionary))
        if len(self._labels) + len(counts) > 2 * MOST_LABELS:
            self._too_many = True
            return
        for label, count, row in zip(coded.dictionary.to_pylist(), counts.tolist(), firsts.tolist(), strict=True):
            before, first = self._labels.get(label, (0, row))
            self._labels[label] = (before + count, self.rows.first_by_id([row, first]))

    def findings(self) -> Iterator[Problem]:
        """At most one of each kind."""
        yield from self._letter_findings()
        yield from self._label_findings()

    def _letter_findings(self) -> Iterator[Problem]:
        settings, used = self.rows.settings, self._expected > 0
        given, expected = self._given[used], self._expected[used]
        rows = int(given.sum())
        if len(given) < 2 or rows < settings.threshold(LETTERS, "rows"):
            return
        distance = float(((given - expected) ** 2 / expected).sum())
        effect = sqrt(distance / rows)
        if distance <= chi_square_bound(len(given) - 1) or effect <= settings.threshold(LETTERS, "effect"):
            return
        off = np.abs(self._given - self._expected).round(EQUAL_DIGITS)
        worst = int(np.argmax(off))
        counts = ", ".join(
            f"{chr(65 + letter)} {self._given[letter]:,} (by chance {self._expected[letter]:,.0f})"
            for letter in np.flatnonzero(used)
        )
        message = f"the right letters of {rows:,} questions are uneven: {counts}"
        hint = "shuffle the options, so that a letter tells nothing"
        row = self._first.get(worst, self.rows.first_by_id(self._first.values()))
        yield self.rows.problem(row, LETTERS, message, hint, "fields")

    def _label_findings(self) -> Iterator[Problem]:
        settings = self.rows.settings
        few = self._answers < settings.threshold(LABELS, "rows") or self._short < SHORT_SHARE * self._answers
        if few or self._too_many or len(self._labels) > MOST_LABELS:
            return
        label, (count, row) = max(self._labels.items(), key=lambda entry: (entry[1][0], entry[0]))
        share = count / self._answers
        if share <= settings.threshold(LABELS, "share"):
            return
        others = len(self._labels) - 1
        rest = f"{others:,} other{'s share' if others != 1 else ' has'} the rest" if others else "there is no other"
        message = f"{count:,} of {self._answers:,} answers are {label!r} ({share:.0%}); {rest}"
        hint = "always to answer so would be nearly right: add rows of the others, or take some of these out"
        yield self.rows.problem(row, LABELS, message, hint, "messages")


def chi_square_bound(freedom: int) -> float:
    """What chi-square exceeds once in a thousand times by chance (E. B. Wilson and M. M. Hilferty, 1931)."""
    part = 2 / (9 * freedom)
    return freedom * float((1 - part + ONE_IN_A_THOUSAND * sqrt(part)) ** 3)
