"""Answers that people wrote into a file: those of no row are told, and what a run says is about the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vlmdata
from vlmdata.describe_estimate import estimate_descriptions
from vlmdata.describe_words import estimate_text, run_text, short_text
from vlmdata.describing import DescribeResult

RECIPE = """\
source: {type: csv, path: products.csv, nulls: [""]}
id: sku
conversations:
  - user: "Describe: {{ title }}"
    assistant: "{{ description }}"
describe: {provider: file, path: answers.jsonl}
max_rejected: 100%
"""
TEXT = "A mug of blue stoneware that was fired twice."


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    rows = ["sku,title,description", "NG-01,Mug,", "NG-02,Bowl,", "NG-03,Vase,A tall vase of clear glass."]
    (tmp_path / "products.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def described(shop: Path, *names: str) -> DescribeResult:
    lines = [json.dumps({"id": name, "text": TEXT}) for name in names]
    (shop / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return vlmdata.describe(vlmdata.load_recipe(shop / "recipe.yaml"))


def test_an_answer_of_no_row_is_told_with_the_nearest_name(shop: Path) -> None:
    result = described(shop, "NG-01", "NG-2")
    assert result.notice == (
        "1 answer is of no row that lacks a text, and not used: 'NG-2' in answers.jsonl; did you mean 'NG-02'?"
    )
    assert result.notice in run_text(result, "recipe.yaml")
    assert result.notice in short_text(result)


def test_an_answer_to_a_row_with_a_text_of_its_own_is_told_too(shop: Path) -> None:
    assert "'NG-03' in answers.jsonl" in described(shop, "NG-01", "NG-02", "NG-03").notice


def test_nothing_is_told_where_each_answer_has_its_row_also_when_asked_again(shop: Path) -> None:
    first, second = described(shop, "NG-01", "NG-02"), described(shop, "NG-01", "NG-02")
    assert first.notice == second.notice == ""
    assert (first.tally.described, second.tally.known) == (2, 2)
    assert "2 taken from the file, nothing was sent" in run_text(first, "recipe.yaml")
    assert "cost" not in run_text(first, "recipe.yaml")


def test_the_card_counts_what_is_in_the_dataset_and_calls_no_person_a_model(shop: Path) -> None:
    described(shop, "NG-01")
    built = vlmdata.build(vlmdata.load_recipe(shop / "recipe.yaml"), shop / "out")
    card = (shop / "out" / "README.md").read_text(encoding="utf-8")
    assert built.ledger.changed["describe.written"] == 1
    assert "come from a file of answers" in card
    assert "written by a model" not in card
    assert "| 1 of 2 |" in card


def test_a_dry_run_speaks_of_the_file_and_of_no_tokens(shop: Path) -> None:
    (shop / "answers.jsonl").write_text('{"id": "NG-01", "text": "A mug of clay."}\n', encoding="utf-8")
    said = estimate_text(estimate_descriptions(vlmdata.load_recipe(shop / "recipe.yaml")))
    assert "2 rows: 0 in the journal, 2 to be looked for in the file of answers" in said
    assert "token" not in said


def test_a_build_names_all_that_is_wrong_with_a_text_as_describe_does(shop: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"id": name, "text": text}) for name, text in (("NG-01", TEXT), ("NG-02", "<p>A mug.</p>"))]
    (shop / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = vlmdata.load_recipe(shop / "recipe.yaml")
    result = vlmdata.describe(recipe)
    assert result.tally.rejected == {"describe.too_short": 1, "text.html": 1}
    built = vlmdata.build(recipe, tmp_path / "out")
    assert built.ledger.rejected_by_rule == result.tally.rejected
    (rejection,) = built.rejections
    assert [problem.field for problem in rejection.problems] == ["description", "description"]
    assert vlmdata.validate([shop / "recipe.yaml"]).by_rule() == result.tally.rejected
