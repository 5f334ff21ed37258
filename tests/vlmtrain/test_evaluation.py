"""Answers joined to rows, scored, compared and written; no model is needed for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmdata.contract import validator
from vlmtrain.controls import swap
from vlmtrain.evaluation import (
    EvalResult,
    answered_rows,
    evaluate_candidate,
    evaluate_control,
    prompt_of,
    reference_of,
    result_of,
)
from vlmtrain.generation import Answer, AnswerLoss
from vlmtrain.metric import find
from vlmtrain.results_file import as_data, read_answers, read_data, versions, write_result

COLOURS = ["red", "blue", "green", "red"]


def a_row(place: int, colour: str) -> dict[str, Any]:
    ask = [{"type": "image", "text": None}, {"type": "text", "text": f"Describe product {place}."}]
    return {
        "id": f"p{place}",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be short."}]},
            {"role": "user", "content": ask},
            {"role": "assistant", "content": [{"type": "text", "text": f"A {colour} mug"}]},
        ],
        "images": [{"bytes": b"", "path": None}],
        "image_info": [{"sha256": str(place), "width": 1, "height": 1}],
        "fields": [{"name": "colour", "value": colour}, {"name": "brand", "value": "Tavi"}],
        "tags": [{"name": "language", "value": "en" if place % 2 else "de"}, {"name": "sku", "value": "x"}],
    }


ROWS = [a_row(place, colour) for place, colour in enumerate(COLOURS)]


def answers(*texts: str, finished: bool = True) -> list[Answer]:
    return [Answer(id=f"p{n}", text=text, tokens=3, finished=finished) for n, text in enumerate(texts)]


@pytest.fixture
def result() -> EvalResult:
    metrics = find(["answer_loss", "exact_match", "rouge_l", "chrf", "attribute_recall"])
    losses = [AnswerLoss(nll=6.0, tokens=3)] * 4
    base = answers("a mug", "a mug", "A green mug", "a mug", finished=False)
    tuned = answers("A red mug", "A blue mug", "a green one", "A red mug")
    told = {"base": base, "adapter": tuned}
    candidates = {
        name: evaluate_candidate(name, answered_rows(ROWS, given, losses), metrics, given)
        for name, given in told.items()
    }
    swapped = swap(ROWS)
    wrong = [Answer(id=row["id"], text="A pink mug", tokens=3) for row in swapped]
    return result_of(
        ROWS,
        candidates,
        metrics,
        controls=[evaluate_control("swap", candidates["adapter"], swapped, wrong)],
        setup={
            "dataset": {"fingerprint": "f", "split": "test", "rows": 4},
            "model": {"base": "tiny"},
            "settings": {"batch_size": 2, "generate": {"max_new_tokens": 8, "temperature": 0.0}, "budget": {}},
            "versions": versions(),
        },
        timing={"base.answers": 1.5},
    )


def test_prompt_and_reference_are_read_from_the_messages() -> None:
    assert prompt_of(ROWS[0]) == "Be short.\n\n[image]Describe product 0."
    assert reference_of(ROWS[0]) == "A red mug"
    unanswered = {**ROWS[0], "messages": ROWS[0]["messages"][:2]}
    assert prompt_of(unanswered) == prompt_of(ROWS[0])
    assert reference_of(unanswered) == ""


def test_candidates_are_scored_on_the_same_rows(result: EvalResult) -> None:
    base, tuned = result.candidates["base"], result.candidates["adapter"]
    assert (base.metrics["exact_match"], tuned.metrics["exact_match"]) == (0.25, 0.75)
    assert (base.metrics["attribute_recall.colour"], tuned.metrics["attribute_recall.colour"]) == (0.25, 1.0)
    assert base.metrics["answer_loss"] == 2.0
    assert (base.cut, tuned.cut, base.answer_tokens) == (("p0", "p1", "p2", "p3"), (), 12)
    assert result.reference["exact_match"] == 1.0
    assert result.reference["attribute_recall.brand"] == 0.0
    assert "answer_loss" not in result.reference


def test_compare_names_the_rows_that_got_better_and_worse(result: EvalResult) -> None:
    change = result.compare("base", "adapter")
    assert change.delta["exact_match"] == 0.5
    assert change.improved["exact_match"] == ("p0", "p1", "p3")
    assert change.worsened["exact_match"] == ("p2",)
    assert "answer_loss" not in change.improved
    assert result.compare("adapter", "base").improved["exact_match"] == ("p2",)


def test_a_lower_loss_is_better(result: EvalResult) -> None:
    assert not result.higher_is_better("answer_loss")
    assert result.higher_is_better("attribute_recall.colour")


def test_slices_are_the_tags_with_more_than_one_value(result: EvalResult) -> None:
    slices = result.candidates["adapter"].slices
    assert [(each.tag, each.value, each.rows) for each in slices] == [("language", "de", 2), ("language", "en", 2)]
    assert slices[0].metrics["exact_match"] == 0.5


def test_a_control_stands_beside_the_same_rows_untouched(result: EvalResult) -> None:
    (control,) = result.controls
    assert (control.candidate, control.rows, control.left_out) == ("adapter", 4, 0)
    change = control.comparison.changes["attribute_recall.colour"]
    assert (change.before, change.after) == (1.0, 0.0)
    assert "answer_loss" not in control.comparison.changes
    assert [row.prediction for row in control.table.answered] == ["A pink mug"] * 4


def test_answers_in_another_order_are_refused() -> None:
    with pytest.raises(ValueError, match="the answer to 'p1' stands at the place of row 'p0'"):
        answered_rows(ROWS[:2], list(reversed(answers("a", "b"))))


def test_results_follow_their_schema_and_predictions_hold_every_row(result: EvalResult, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    written = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    validator("results.v1").validate(written)
    assert written["comparisons"][0]["delta"]["exact_match"] == 0.5
    for name in ("base", "adapter"):
        lines = (tmp_path / written["candidates"][name]["predictions"]).read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == ["p0", "p1", "p2", "p3"]
    first = json.loads(lines[0])
    assert first["prompt"] == "Be short.\n\n[image]Describe product 0."
    assert (first["reference"], first["prediction"], first["split"]) == ("A red mug", "A red mug", "test")
    assert first["scores"]["exact_match"] == 1.0
    assert first["tags"]["language"] == "de"


def test_answers_that_were_written_are_read_back_equal(result: EvalResult, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    data, folder = read_data(tmp_path)
    assert folder == tmp_path
    for name in data["candidates"]:
        assert tuple(read_answers(folder, name)) == result.candidates[name].answered


def test_nothing_but_the_timing_differs_between_two_times(result: EvalResult, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_result(result, tmp_path / name)
        written.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert written[0] == written[1]


def test_a_loss_that_is_no_number_is_null(result: EvalResult) -> None:
    metrics = find(["answer_loss"])
    diverged = evaluate_candidate(
        "base", answered_rows(ROWS[:1], answers("a"), [AnswerLoss(nll=float("nan"), tokens=2)]), metrics
    )
    shown = result_of(ROWS[:1], {"base": diverged}, metrics, setup=result.setup)
    assert as_data(shown)["candidates"]["base"]["metrics"] == {"answer_loss": None}
    validator("results.v1").validate(as_data(shown))


def test_a_metric_made_in_python_takes_part() -> None:
    class Length:
        name, higher_is_better, about = "length", False, "characters"

        def score(self, row: Any) -> dict[str, float]:
            return {"length": float(len(row.prediction))}

    scored = evaluate_candidate("base", answered_rows(ROWS[:2], answers("ab", "abcd")), find([Length()]))
    assert scored.metrics == {"length": 3.0}
