"""What an answer names of what is known, and what it claims that nothing supports."""

from __future__ import annotations

from tests.vlmtrain.metric.answers import answered, fitted, overall, score
from vlmtrain.metric.unsupported_claims import UnsupportedClaims

SHOP = [
    answered("", fields={"brand": "Tavi & Co", "colour": "dark red", "size": "3"}),
    answered("", fields={"brand": "Nordlicht", "colour": "red"}),
    answered("", fields={"brand": "泰维", "material": "stainless steel"}),
]


def test_attribute_recall_finds_whole_words_in_any_case() -> None:
    fields = {"colour": "Red", "brand": "Tavi & Co", "material": "stainless steel", "size": ""}
    found = score("attribute_recall", "A RED jug\nof stainless  steel by tavi & co.", "", fields=fields)
    assert found == {
        "attribute_recall": 1.0,
        "attribute_recall.all": 1.0,
        "attribute_recall.colour": 1.0,
        "attribute_recall.brand": 1.0,
        "attribute_recall.material": 1.0,
    }
    assert score("attribute_recall", "a bored, redder man", "", fields={"colour": "red"})["attribute_recall"] == 0.0


def test_attribute_recall_of_a_part() -> None:
    found = score("attribute_recall", "a red jug", "", fields={"colour": "red", "brand": "Tavi"})
    assert found["attribute_recall"] == 0.5
    assert found["attribute_recall.all"] == 0.0


def test_attribute_recall_reads_scripts_without_blanks() -> None:
    assert score("attribute_recall", "这是红色的杯子", "", fields={"colour": "红色"})["attribute_recall"] == 1.0
    assert score("attribute_recall", "100% Wolle", "", fields={"share": "100%"})["attribute_recall"] == 1.0


def test_a_number_is_not_named_by_another_that_holds_it() -> None:
    assert score("attribute_recall", "3.5 cm", "", fields={"size": "3"})["attribute_recall"] == 0.0
    assert score("attribute_recall", "size 3.", "", fields={"size": "3"})["attribute_recall"] == 1.0


def test_attribute_recall_counts_a_field_where_it_has_a_value() -> None:
    rows = [
        answered("red", fields={"colour": "red", "size": "S"}),
        answered("red", fields={"colour": "blue", "size": ""}),
        answered("red", fields={}),
    ]
    assert overall("attribute_recall", rows) == {
        "attribute_recall": 0.25,
        "attribute_recall.all": 0.0,
        "attribute_recall.colour": 0.5,
        "attribute_recall.size": 0.0,
    }


def test_options_of_a_multiple_choice_are_no_attributes() -> None:
    assert score("attribute_recall", "A", "A", fields={"option.A": "red", "option.B": "blue", "answer": "A"}) == {}


def claims(prediction: str, **more: object) -> dict[str, list[str]]:
    metric = fitted("unsupported_claims", SHOP)
    assert isinstance(metric, UnsupportedClaims)
    return {kind: found for kind, found in metric.unsupported(answered(prediction, **more)).items() if found}  # type: ignore[arg-type]


def test_claims_that_prompt_reference_or_fields_hold_are_supported() -> None:
    answer = "A dark red mug by Tavi & Co, 0.3 l, model XR-500"
    assert claims(answer, reference="A dark red mug of 300 ml", fields={"brand": "Tavi & Co"}, prompt="XR-500?") == {}
    assert claims(answer, reference="A mug") == {
        "numbers": ["0.3 l", "XR-500"],
        "brands": ["tavi co"],
        "fields": ["dark red"],
    }


def test_a_value_inside_a_supported_longer_one_is_supported_but_not_the_other_way() -> None:
    assert claims("a red mug", reference="a dark red mug") == {}
    assert claims("a dark red mug", reference="a red mug") == {"fields": ["dark red"]}


def test_brands_are_those_of_all_rows() -> None:
    assert claims("Ein Becher von Nordlicht", reference="Ein Becher") == {"brands": ["nordlicht"]}
    assert claims("泰维的杯子", reference="杯子") == {"brands": ["泰 维"]}
    assert claims("Nordlichter", reference="") == {}, "whole words"


def test_each_claim_counts_once_and_numbers_of_points_do_not() -> None:
    assert claims("1. 500 ml\n2. 500 ml, half a litre (0.5 l)") == {"numbers": ["500 ml"]}
    assert claims("容量500毫升", reference="容量300毫升") == {"numbers": ["500"]}


def test_scores_are_shares_of_answers() -> None:
    rows = [*SHOP, answered("5 and 6 by Nordlicht", "", fields={})]
    assert overall("unsupported_claims", rows) == {
        "unsupported_claims": 0.25,
        "unsupported_claims.numbers": 0.25,
        "unsupported_claims.brands": 0.25,
        "unsupported_claims.fields": 0.0,
    }


def test_kinds_that_no_row_has_a_field_of_have_no_score() -> None:
    rows = [answered("5 red mugs", "", fields={"colour": "red"})]
    assert set(overall("unsupported_claims", rows)) == {
        f"unsupported_claims{kind}" for kind in ("", ".numbers", ".fields")
    }
    bare = [answered("5 red mugs", "", fields={})]
    assert overall("unsupported_claims", bare) == {"unsupported_claims": 1.0, "unsupported_claims.numbers": 1.0}
