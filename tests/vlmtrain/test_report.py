"""What a person reads on the terminal after an evaluation, a comparison or a merge."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.vlmtrain.answered import candidate, helped, references, result, rows_of
from vlmtrain.evaluation import EvalResult
from vlmtrain.merging import Agreement, MergeResult
from vlmtrain.report import as_text, comparison_report, eval_report, merge_report


@pytest.fixture(scope="module")
def good() -> EvalResult:
    return dataclasses.replace(helped(), path=Path("runs/shop/eval"))


def test_an_evaluation_is_read_at_a_glance(good: EvalResult) -> None:
    said = as_text(eval_report(good), width=120)
    lines = said.splitlines()
    assert len(lines) <= 25
    assert lines[0] == "split test: 40 rows, greedy, at most 8 new tokens"
    assert lines[1].startswith("Did the adapter help?     Yes: from 0% to 90%. Every field named goes from 0% to 90% (")
    assert any(line.startswith("Where?                    Better in colour and brand.") for line in lines)
    assert any(line.startswith("Does it read the photos?  Yes. With the photos of another row") for line in lines)
    (scores,) = [line for line in lines if line.startswith("attribute_recall.all")]
    assert scores.split()[:6] == ["attribute_recall.all", "0%", "90%", "100%", "+90", "points"]
    assert scores.endswith("better")
    assert "40 of 40 answers changed. By attribute_recall.all: 36 rows fixed, 0 broken (mcnemar, p < 0.001)." in lines
    assert lines[-1] == "-> runs/shop/eval"


def test_two_copies_of_one_model_show_no_difference_in_those_words() -> None:
    rows = rows_of(40)
    same = [candidate(name, rows, references(rows)) for name in ("base", "adapter")]
    said = as_text(eval_report(result(rows, same)))
    assert "No difference shown, at 100%. " in said
    assert "better" not in said.replace("is better", "")
    assert "0 of 40 answers changed." in said


def test_a_model_that_does_not_look_is_called_out() -> None:
    said = " ".join(as_text(eval_report(helped(looks=0))).split())
    assert "Does it read the photos? Not shown. " in said
    assert "the adapter does not show that it reads the images." in said


def test_slices_are_named_only_where_something_is_shown() -> None:
    rows = rows_of(80)
    told = references(rows)
    lamps = [text if place % 2 == 0 else "A mug." for place, text in enumerate(told)]
    said = as_text(
        eval_report(result(rows, (candidate("base", rows, ["A."] * 80), candidate("adapter", rows, lamps)))), 140
    )
    assert "slice category lamp: better, from 0% to 100%" in said
    assert "slice category mug:" not in said


def test_a_slice_that_is_no_tag_is_told_with_what_was_meant(good: EvalResult) -> None:
    said = " ".join(as_text(eval_report(dataclasses.replace(good, slice_tags=("categori", "category", "x")))).split())
    assert "No row has the tag 'categori' that eval.slices names; did you mean 'category'?" in said
    assert "No row has the tag 'x' that eval.slices names; the tags are category" in said
    assert "the tag 'category' that" not in said


def test_rows_that_failed_are_warned_of() -> None:
    rows = rows_of(10)
    two = (candidate("base", rows, references(rows)), candidate("adapter", rows, [*references(rows)[:9], None]))
    assert "The adapter could not take 1 of 10 rows; each counts as wrong." in as_text(eval_report(result(rows, two)))


def test_one_candidate_alone_has_no_change() -> None:
    rows = rows_of(20)
    said = as_text(eval_report(result(rows, (candidate("base", rows, references(rows)),))))
    assert "How good is the base?" in said
    assert "better" not in said
    assert "changed" not in said


def test_data_is_not_read_as_markup() -> None:
    rows = rows_of(8)
    assert "[bold]" in as_text(eval_report(result(rows, (candidate("[bold]", rows, references(rows)),))))


def test_a_comparison_names_the_rows_that_changed_sides(good: EvalResult) -> None:
    (comparison,) = good.comparisons
    said = as_text(comparison_report(good, comparison), width=120)
    assert said.startswith("base and adapter on the same 40 rows\n")
    assert "fixed           'p0', 'p1', 'p2', 'p3', 'p4' … 31 more" in said
    assert "photos" not in said
    turned = as_text(comparison_report(good, good.compare("adapter", "base")), width=120)
    assert "broken          'p0', 'p1'" in turned
    assert "No, it is worse: from 90% to 0%; most answers" in turned


def test_a_merge_says_how_far_it_agrees() -> None:
    found = Agreement(
        rows=32,
        equal=31,
        differing=("p[7]",),
        logit_tokens=640,
        largest_logit_difference=0.0625,
        logit_deviation=1.96,
        same_likeliest=0.9978,
        trained_on=0,
    )
    merged = MergeResult(
        path=Path("merged"),
        base="tiny",
        onto="dequantised nf4",
        dtype="bfloat16",
        parameters=800_000,
        size_bytes=1_600_000,
        agreement=found,
    )
    assert as_text(merge_report(merged)) == (
        "merged          tiny, dequantised nf4\n"
        "saved as        bfloat16, 800,000 parameters, 1.6 MB\n"
        "same answers    31 of 32 held-out rows: the adapter, and the merged folder loaded\n"
        "different       'p[7]'\n"
        "logits          differ by 0.062 at most (standard deviation 1.96), over 640 answer tokens\n"
        "likeliest token the same for 99.7% of these tokens\n"
        "-> merged\n"
    )
    learned = dataclasses.replace(merged, agreement=dataclasses.replace(found, trained_on=30, same_likeliest=1.0))
    said = as_text(merge_report(learned))
    assert "31 of 32 rows, 30 of them trained on: the adapter" in said
    assert "the same for 100% of these tokens" in said
