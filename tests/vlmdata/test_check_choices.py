"""The right letter of a question must be that of one of its options."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.vlmdata.checked_texts import asked, problems, row_of
from vlmdata.corpus import corpus_schema
from vlmdata.record import Problem


def found(*rows: dict[str, str]) -> list[Problem]:
    """What is found in questions with these fields."""
    made = [
        {
            **row_of(number, asked("Which one is blue?", "B")),
            "fields": [{"name": n, "value": v} for n, v in row.items()],
        }
        for number, row in enumerate(rows)
    ]
    batch = pa.RecordBatch.from_pylist(made, schema=corpus_schema())
    return [problem for problem in problems(batch) if problem.rule == "answer.not_an_option"]


def test_a_letter_that_no_option_has_is_found_at_its_row() -> None:
    good = {"option.A": "cup", "option.B": "mug", "answer": "B"}
    (problem,) = found(good, {**good, "answer": "C"}, {"colour": "blue"}, good)
    assert (problem.id, problem.line, problem.field) == ("1", 3, "fields")
    assert problem.message == "the answer 'C' is none of the options A, B"


@pytest.mark.parametrize(
    "row",
    [
        {"answer": "C"},
        {"option.A": "cup", "option.B": "mug"},
        {"option.A": "cup", "option.C": "mug", "answer": "C"},
        {"option.A": "cup", "option.B": "mug", "answer": "mug"},
        {"options": "A, B", "answer": "C"},
    ],
)
def test_what_is_no_letter_or_has_no_options_is_let_be(row: dict[str, str]) -> None:
    assert found(row) == []
