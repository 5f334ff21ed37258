"""Answers that are one of a few labels, and answers in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from tests.vlmtrain.metric.answers import fitted, overall, pairs, score
from vlmtrain.metric.label import MOST_LABELS

values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9, width=16) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["mug", "jug", "cup", "tree"]), st.sampled_from(["mug", "jug", "cup"])), min_size=1
    )
)
def test_labels_score_as_in_scikit_learn(rows: list[tuple[str, str]]) -> None:
    given, wanted = [given for given, _ in rows], [wanted for _, wanted in rows]
    f1 = f1_score(wanted, given, labels=sorted(set(wanted)), average="macro", zero_division=0.0)
    scores = overall("label", pairs(*rows))
    assert scores["label"] == pytest.approx(accuracy_score(wanted, given))
    assert scores["label.macro_f1"] == pytest.approx(f1)


def test_macro_f1_of_a_hand_worked_example() -> None:
    """Always "mug": accuracy 3/4; F1 of mug 2*3/(2*3+1), of jug 0."""
    rows = pairs(("mug", "mug"), ("mug", "mug"), ("mug", "mug"), ("mug", "jug"))
    assert overall("label", rows) == {"label": 0.75, "label.macro_f1": pytest.approx(6 / 7 / 2)}


@pytest.mark.parametrize("answer", ["mug", "Mug.", '"mug"', "It is a mug.", "**mug**", "a MUG, seen from above"])
def test_a_label_is_found_alone_or_in_a_sentence(answer: str) -> None:
    rows = pairs((answer, "mug"), ("jug", "jug"))
    assert overall("label", rows)["label"] == 1.0


@pytest.mark.parametrize("answer", ["", "jug", "mugs", "not a mug", "a mug or a jug", "It is a lamp"])
def test_another_label_several_or_none_are_wrong(answer: str) -> None:
    rows = pairs((answer, "mug"), ("jug", "jug"))
    assert overall("label", rows)["label"] == 0.5


def test_texts_that_all_differ_are_no_labels() -> None:
    rows = pairs(*((str(number), f"text {number}") for number in range(MOST_LABELS + 1)))
    assert set(overall("label", rows)) == {"label"}


def test_json_is_compared_field_by_field() -> None:
    reference = '{"brand": "Tavi", "size": {"width": 3, "height": 4.5}, "tags": ["a", "b"], "new": true}'
    answer = '{"brand": "TAVI ", "size": {"width": 3.0, "height": 5}, "tags": ["b", "a"], "new": 1, "price": 9}'
    assert score("json_fields", answer, reference) == {
        "json_fields": pytest.approx(2 / 5),
        "json_fields.all": 0.0,
        "json_fields.valid": 1.0,
        "json_fields.fenced": 0.0,
        "json_fields.extra": 1.0,
        "json_fields.field.brand": 1.0,
        "json_fields.field.size.width": 1.0,
        "json_fields.field.size.height": 0.0,
        "json_fields.field.tags": 0.0,
        "json_fields.field.new": 0.0,
    }


@pytest.mark.parametrize("answer", ['```json\n{"a": 1}\n```', 'Here it is:\n```\n{"a": 1}```\nThanks!', '```{"a": 1}'])
def test_a_code_fence_is_taken_off_and_counted(answer: str) -> None:
    found = score("json_fields", answer, '{"a": 1}')
    assert (found["json_fields.all"], found["json_fields.fenced"]) == (1.0, 1.0)


@pytest.mark.parametrize("answer", ["", "a mug", '{"a": 1', "[1]", "3", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_json_object_has_no_field_right(answer: str) -> None:
    found = score("json_fields", answer, '{"a": 1}')
    assert (found["json_fields"], found["json_fields.valid"], found["json_fields.extra"]) == (0.0, 0.0, 0.0)


def test_a_reference_that_is_no_json_object_has_no_score() -> None:
    assert score("json_fields", '{"a": 1}', "a mug") == {}
    assert score("json_fields", '{"a": 1}', "{}") == {}


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=4))
def test_any_object_is_its_own_right_answer(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    found = score("json_fields", text, json.dumps(value, indent=1, ensure_ascii=False))
    assert (found["json_fields"], found["json_fields.all"], found["json_fields.extra"]) == (1.0, 1.0, 0.0)


def test_every_label_is_known_to_the_fitted_metric_only() -> None:
    rows = pairs(("It is a mug", "mug"))
    assert fitted("label", rows).score(rows[0]) == {"label": 1.0}
    assert score("label", "It is a mug", "mug") == {"label": 0.0}
