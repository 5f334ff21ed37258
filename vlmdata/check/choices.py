"""Multiple-choice questions: their options and the letters that are said to be right, in the fields of a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.messages import problem_of
from vlmdata.record import Problem

RULE = "answer.not_an_option"
OPTION = "option."
HINT = "write the letter of one of the options into the field `answer`"


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a batch's multiple-choice rows: each one's row and letter; and each row's answer field."""

    rows: npt.NDArray[np.int64]
    letters: npt.NDArray[np.int64]
    answer_rows: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Choices | None:
        """The choices of a batch; None where it has none."""
        fields = batch.column("fields")
        entries = fields.flatten()
        coded = pc.dictionary_encode(entries.field("name"))
        names = [name or "" for name in coded.dictionary.to_pylist()]
        letters = np.array(
            [*(_letter(name.removeprefix(OPTION)) if name.startswith(OPTION) else -1 for name in names), -1]
        )
        if (letters < 0).all():
            return None
        codes = pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False)
        of_entry = letters[codes]
        row_of = np.repeat(
            np.arange(batch.num_rows), pc.fill_null(pc.list_value_length(fields), 0).to_numpy(zero_copy_only=False)
        )
        is_answer = np.array([*(name == "answer" for name in names), False])[codes]
        values = entries.field("value").take(pa.array(np.flatnonzero(is_answer)))
        chosen = np.array([_letter(value or "") for value in values.to_pylist()], np.int64)
        is_option = of_entry >= 0
        return cls(row_of[is_option], of_entry[is_option], row_of[is_answer], chosen)

    def right(self, options: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The right letter of each row by its number, -1 where it has none or no options to tell it from."""
        found = np.full(len(options), -1, np.int64)
        found[self.answer_rows] = self.answers
        found[options < 2] = -1
        return found


def _letter(text: str) -> int:
    """A capital letter's number, -1 for anything else."""
    return ord(text) - 65 if len(text) == 1 and "A" <= text <= "Z" else -1


def check_choices(batch: pa.RecordBatch) -> Iterator[Problem]:
    """Rows with options whose answer is a letter that none of these has."""
    found = Choices.of(batch)
    if found is None or not len(found.answer_rows):
        return
    offered = np.zeros((batch.num_rows, 26), np.bool_)
    offered[found.rows, found.letters] = True
    is_letter = found.answers >= 0
    rows, letters = found.answer_rows[is_letter], found.answers[is_letter]
    wrong = offered[rows].any(1) & ~offered[rows, letters]
    for row, letter in zip(rows[wrong].tolist(), letters[wrong].tolist(), strict=True):
        options = ", ".join(chr(65 + option) for option in np.flatnonzero(offered[row]))
        message = f"the answer {chr(65 + letter)!r} is none of the options {options}"
        yield replace(problem_of(batch, row, RULE, message, "fields"), hint=HINT)
