"""Numbers as texts write them, with their units, and answers that are numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmtrain.metric.answers import overall, pairs, score
from vlmtrain.metric.quantities import quantities, readings


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", {"3"}),
        ("3,5", {"3.5"}),
        ("0.125", {"0.125"}),
        ("1.234", {"1.234", "1234"}),
        ("1,234.50", {"1234.50"}),
        ("1.234,5", {"1234.5"}),
        ("1,234,567", {"1234567"}),
        ("1\u202f000", {"1000"}),
        ("1'000", {"1000"}),
        ("٣٫٥", {"3.5"}),
        ("३००", {"300"}),
        ("１２", {"12"}),
    ],
)
def test_digits_are_read_as_they_are_written_anywhere(text: str, numbers: set[str]) -> None:
    assert readings(text) == {Decimal(number) for number in numbers}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A mug of 300 ml, 9.5cm high", ["300 ml", "9.5cm"]),
        ("20x30 cm", ["20", "30 cm"]),
        ("3-5 pieces at -5 °C", ["3", "5", "-5 °C"]),
        ("容量300毫升", ["300"]),
        ("2 in 1", ["2", "1"]),
        ("model B2B, XR-500 and A4", []),
        ("no digits", []),
    ],
)
def test_numbers_are_found_and_codes_are_none(text: str, found: list[str]) -> None:
    assert [quantity.text for quantity in quantities(text)] == found


@pytest.mark.parametrize(
    ("answer", "reference", "right", "relaxed"),
    [
        ("300 ml", "300 ml", 1, 1),
        ("0.3 litres", "300 ml", 1, 1),
        ("0,3 l", "300 ml", 1, 1),
        ("It holds 300 ml.", "300", 1, 1),
        ("The answer is 3 of the 4 cups.", "3", 1, 1),
        ("1,234", "1234", 1, 1),
        ("٣٠٠", "300", 1, 1),
        ("103", "100", 0, 1),
        ("105", "100", 0, 1),
        ("106", "100", 0, 0),
        ("-100", "100", 0, 0),
        ("0", "0", 1, 1),
        ("0.01", "0", 0, 0),
        ("300 g", "300 ml", 0, 0),
        ("20 °C", "20 °F", 0, 0),
    ],
)
def test_a_number_is_compared_by_value_and_unit(answer: str, reference: str, right: int, relaxed: int) -> None:
    assert score("numeric", answer, reference) == {
        "numeric": right,
        "numeric.relaxed": relaxed,
        "numeric.unparsed": 0,
    }


@pytest.mark.parametrize("answer", ["", "many", "3 or 4", "between 3 and 5", "2 cups and 3 plates"])
def test_no_number_or_several_are_unparsed(answer: str) -> None:
    assert score("numeric", answer, "3") == {"numeric": 0, "numeric.relaxed": 0, "numeric.unparsed": 1}


def test_a_reference_without_one_number_has_no_score() -> None:
    assert score("numeric", "3", "three") == {}
    assert score("numeric", "3", "3 or 4") == {}
    assert overall("numeric", pairs(("3", "3"), ("4", "3"), ("5", "five")))["numeric"] == 0.5


@settings(deadline=None)
@given(st.decimals(min_value=-(10**6), max_value=10**6, places=3))
def test_a_number_equals_itself_with_point_or_comma(number: Decimal) -> None:
    assert score("numeric", str(number), str(number))["numeric"] == 1.0
    assert score("numeric", str(number).replace(".", ","), str(number))["numeric"] == 1.0
