"""Conditions taken apart at their `and`s."""

from __future__ import annotations

import pytest

from vlmdata.conditions import Condition, without_columns


@pytest.mark.parametrize(
    ("condition", "kept", "left_out"),
    [
        ("text is not none", None, "text is not none"),
        ("text is not none and active == 1", "active == 1", "text is not none"),
        (
            "active == 1 and text is not none and text | length > 9",
            "active == 1",
            "text is not none and text | length > 9",
        ),
        (
            "row['text'] is not none and row['land and sea'] == 'and'",
            "row['land and sea'] == 'and'",
            "row['text'] is not none",
        ),
        ("not text and active", "active", "not text"),
        ("(text or active) and stock > 0", "(text or active) and stock > 0", ""),
        ("text or active and stock", "text or active and stock", ""),
        ("text if text and active else stock", "text if text and active else stock", ""),
        ("active == (1 and text)", "active == (1 and text)", ""),
        ("(text and text != 'or') and true", "true", "(text and text != 'or')"),
        ("active == text and stock in [1, 2]", "active == text and stock in [1, 2]", ""),
        ("1 == 1", "1 == 1", ""),
    ],
)
def test_the_parts_that_read_nothing_but_some_columns_are_left_out(
    condition: str, kept: str | None, left_out: str
) -> None:
    assert without_columns(condition, {"text"}) == Condition(kept=kept, left_out=left_out)
