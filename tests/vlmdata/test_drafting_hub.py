"""Recipes drafted from datasets of the Hub, here from folders in the Hub's own form."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
import yaml
from datasets import Dataset, DatasetDict
from typer.testing import CliRunner

import vlmdata
from tests.vlmdata.test_hub import AMAZON, LLAVA, amazon_row, folder_of, llava_row
from vlmdata.cli import app
from vlmdata.errors import SourceError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def built(text: str, folder: Path) -> vlmdata.BuildResult:
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    return vlmdata.build(vlmdata.load_recipe(recipe), folder / "out")


def test_a_table_of_the_hub_gets_a_recipe_that_builds(tmp_path: Path) -> None:
    folder_of(tmp_path / "amazon", [amazon_row(number) for number in range(30)], AMAZON)
    draft = vlmdata.draft_hub_recipe("amazon")
    said = yaml.safe_load(draft.text)
    assert said["source"] == {"type": "hub", "dataset": "amazon"}
    assert said["images"]["from"] == "image"
    assert built(draft.text, tmp_path).ledger.rows_used == 30


def test_conversations_of_the_hub_get_their_format(tmp_path: Path) -> None:
    folder_of(tmp_path / "llava", [llava_row(number) for number in range(30)], LLAVA)
    draft = vlmdata.draft_hub_recipe("llava")
    assert yaml.safe_load(draft.text)["source"] == {"type": "hub", "dataset": "llava", "format": "trl"}
    assert built(draft.text, tmp_path).ledger.rows_used == 30


def test_a_saved_dataset_with_several_splits_needs_one_named(tmp_path: Path) -> None:
    rows = Dataset.from_list([llava_row(number) for number in range(20)], features=LLAVA)
    DatasetDict({"train": rows, "test": rows}).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(SourceError, match=r"several splits; set source\.split to one of train, test"):
        vlmdata.draft_hub_recipe("saved")
    draft = vlmdata.draft_hub_recipe("saved", split="test")
    assert yaml.safe_load(draft.text)["source"]["split"] == "test"
    assert built(draft.text, tmp_path).ledger.rows_used == 20


def test_no_more_rows_are_fetched_than_a_draft_needs(tmp_path: Path) -> None:
    folder_of(tmp_path / "large", [llava_row(number % 7) for number in range(700)], LLAVA)
    assert vlmdata.draft_hub_recipe("large").text.startswith("# Drafted from the first 300 rows of large.")


def test_the_command_writes_it_and_says_what_was_wrong(tmp_path: Path) -> None:
    folder_of(tmp_path / "owner" / "llava", [llava_row(number) for number in range(12)], LLAVA)
    run = CliRunner().invoke(app, ["init", "owner/llava", "--hub"])
    assert run.exit_code == 0, run.output
    assert "dataset: owner/llava" in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")


def test_a_folder_is_named_as_the_recipe_sees_it(tmp_path: Path) -> None:
    folder_of(tmp_path / "sets" / "llava", [llava_row(number) for number in range(12)], LLAVA)
    (tmp_path / "mine").mkdir()
    words = ["init", str(tmp_path / "sets" / "llava"), "--hub", "--out", "mine/recipe.yaml"]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    text = (tmp_path / "mine" / "recipe.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["source"]["dataset"] == "../sets/llava"
    assert str(tmp_path) not in text
    assert "huggingface.co" not in text
    assert built(text, tmp_path / "mine").ledger.rows_used == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init", "someone/dataset"], "for a dataset of the Hugging Face Hub, add --hub"),
        (["init", "products.csv", "--split", "train"], "--split: only with --hub"),
        (["init", "product.csv"], "did you mean 'products.csv'?"),
    ],
)
def test_what_was_meant_is_said(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "products.csv").write_text("sku,title\n1,Mug\n", encoding="utf-8")
    run = CliRunner().invoke(app, words)
    assert run.exit_code != 0
    assert said in str(run.exception)
