"""Scores of tables, and what changed between two of them, on rows small enough to work out by hand."""

from __future__ import annotations

import dataclasses

import pytest

from tests.vlmtrain.scored import Long, Match, Words, answers
from vlmtrain.comparing import compare_tables, sliced
from vlmtrain.metric import find
from vlmtrain.scoring import Table, correctness, direction, score_table

METRICS = (Match(), Long(), Words())


def table(*texts: str, **more: object) -> Table:
    return score_table([dataclasses.replace(row, **more) for row in answers(texts)], METRICS)  # type: ignore[arg-type]


def test_a_mean_a_sum_and_a_whole_are_scored_each_in_its_way() -> None:
    scores = table("right", "a bb", "a").scores()
    assert scores == {"match": pytest.approx(1 / 3), "long": pytest.approx(10 / 4), "words": 3.0}
    assert table("right", "a bb", "a").scores([1, 2]) == {"match": 0.0, "long": pytest.approx(5 / 3), "words": 2.0}


def test_a_score_that_no_row_has_is_missing() -> None:
    assert "long" not in table("", "").scores()
    assert score_table([], METRICS).scores() == {}


def test_a_row_that_failed_counts_as_wrong_but_not_as_short() -> None:
    rows = answers(["right", "right", ""])
    rows[2] = dataclasses.replace(rows[2], failed="no memory left")
    assert score_table(rows, [Match(), Short()]).scores() == {"match": pytest.approx(2 / 3), "short": 5.0}


class Short:
    name, higher_is_better, about = "short", False, "letters"

    def score(self, row: object) -> dict[str, float]:
        return {"short": float(len(row.prediction))}  # type: ignore[attr-defined]


def test_rows_fixed_broken_and_changed_are_named() -> None:
    compared = compare_tables(
        ("base", "adapter"), table("no", "right", "x", "right"), table("right", "no", "y", "right")
    )
    assert (compared.correct, compared.fixed, compared.broken) == ("match", ("p0-0",), ("p1-0",))
    assert compared.changed == ("p0-0", "p1-0", "p2-0")
    assert compared.improved["match"] == ("p0-0",)
    assert compared.worsened["match"] == ("p1-0",)
    assert "words" not in compared.improved
    assert compared.changes["match"].interval is None
    assert compared.changes["match"].verdict == "no difference shown"


def test_the_largest_change_comes_first_and_lower_can_be_better() -> None:
    compared = compare_tables(("a", "b"), table("aaaa", "aaaaaaaa", "aa"), table("aaa", "a", "aaa"))
    assert compared.improved["long"] == ("p1-0", "p0-0")
    assert compared.worsened["long"] == ("p2-0",)
    assert direction(METRICS, "long") is False
    assert direction(METRICS, "words") is None


def test_a_large_difference_is_shown_and_a_small_one_is_not() -> None:
    before = table(*["no"] * 40)
    better = compare_tables(("a", "b"), before, table(*["right"] * 20, *["no"] * 20)).changes["match"]
    assert (better.verdict, better.test, better.rows, better.groups) == ("better", "mcnemar", 40, 40)
    assert better.p == pytest.approx(2 / 2**20)
    assert better.interval is not None
    assert 0.3 < better.interval.low < 0.5 < better.interval.high < 0.7
    small = compare_tables(("a", "b"), before, table("right", *["no"] * 39)).changes["match"]
    assert small.verdict == "no difference shown"


def test_groups_of_several_rows_are_permuted_whole() -> None:
    rows = answers(["no"] * 20, copies=3), answers(["right"] * 20, copies=3)
    change = compare_tables(("a", "b"), *(score_table(each, METRICS) for each in rows)).changes["match"]
    assert (change.test, change.rows, change.groups) == ("permutation", 60, 20)
    assert change.verdict == "better"


def test_a_score_counts_where_both_have_it() -> None:
    change = compare_tables(("a", "b"), table("", "aa", "aaaa"), table("aaaa", "aaa", "")).changes["long"]
    assert (change.rows, change.before, change.after) == (1, 2.0, 3.0)


def test_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="did not answer the same rows"):
        compare_tables(("a", "b"), table("x"), table("x", "y"))


def test_slices_are_tags_of_several_values_and_the_number_of_images() -> None:
    rows = [
        dataclasses.replace(row, tags={"language": "de" if place % 2 else "en", "shop": "one"}, images=place // 2)
        for place, row in enumerate(answers(["right", "no", "no", "right"]))
    ]
    found = score_table(rows, METRICS)
    assert [(tag, value) for tag, value, _ in sliced(found)] == [
        ("images", "0"),
        ("images", "1"),
        ("language", "de"),
        ("language", "en"),
    ]
    assert sliced(found, ["shop"]) == [("shop", "one", [0, 1, 2, 3])]
    compared = compare_tables(("a", "b"), found, found, slices=["language"])
    assert [(each.tag, each.value, each.rows, each.small) for each in compared.slices] == [
        ("language", "de", 2, True),
        ("language", "en", 2, True),
    ]


def test_a_right_answer_is_what_the_fittest_metric_says() -> None:
    assert correctness(table("right")) == "match"
    assert correctness(score_table(answers(["x"]), [Long()])) is None


def test_what_the_references_do_not_say_makes_no_answer_wrong() -> None:
    rows = [dataclasses.replace(row, fields={"brand": "Tavi"}) for row in answers(["a", "b"], reference="a")]
    assert correctness(score_table(rows, find(["attribute_recall", "exact_match"]))) == "exact_match.normalised"
