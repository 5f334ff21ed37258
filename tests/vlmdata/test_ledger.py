"""The ledger's equations fail where a count is wrong, and what is written of a rejection reads back equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.errors import LedgerError
from vlmdata.ledger import Ledger
from vlmdata.record import Origin, Problem, Rejection, rejection_dict
from vlmdata.write.quarantine import Quarantine, read_quarantine


def balanced() -> Ledger:
    ledger = Ledger(
        rows_read=10,
        rows_used=6,
        rows_rejected=3,
        conversations_made=12,
        conversations_accepted=7,
        conversations_rejected=4,
        conversations_deduplicated=1,
        lines_read=15,
        lines_of_rows=14,
        lines_of_header=1,
        splits={"train": 5, "test": 2},
    )
    ledger.skipped["limit"] = 1
    return ledger


def test_a_balanced_ledger_passes() -> None:
    balanced().check()


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("rows_read", "rows read"),
        ("rows_used", "rows read"),
        ("rows_rejected", "rows read"),
        ("conversations_made", "conversations made"),
        ("conversations_deduplicated", "conversations made"),
        ("lines_read", "physical lines"),
        ("lines_of_rows", "physical lines"),
        ("conversations_accepted", "rows of all splits"),
    ],
)
def test_one_count_that_is_off_is_an_error(name: str, equation: str) -> None:
    ledger = balanced()
    setattr(ledger, name, getattr(ledger, name) + 1)
    with pytest.raises(LedgerError, match=equation):
        ledger.check()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PROBLEMS = st.builds(
    Problem, rule=st.just("csv.ragged"), message=TEXT.filter(bool), line=st.integers(0, 99), hint=TEXT, id=TEXT
)
BODIES = st.one_of(
    st.fixed_dictionaries({"row": st.dictionaries(TEXT, TEXT | st.none(), max_size=4)}),
    st.fixed_dictionaries({"raw": TEXT | st.binary(max_size=20)}),
)
REJECTIONS = st.builds(
    lambda problems, body, number, name: Rejection(
        origin=Origin(source="a.csv", row=3, line=4, last_line=5),
        problems=tuple(problems),
        conversation=number,
        id=name,
        **body,
    ),
    st.lists(PROBLEMS, min_size=1, max_size=3),
    BODIES,
    st.none() | st.integers(0, 9),
    TEXT,
)


@given(st.lists(REJECTIONS, max_size=5))
def test_a_rejection_reads_back_equal(tmp_path: Path, rejections: list[Rejection]) -> None:
    quarantine = Quarantine(tmp_path)
    for rejection in rejections:
        quarantine.write(rejection_dict(rejection))
    quarantine.close()
    assert list(read_quarantine(tmp_path)) == rejections
