"""The dataset card: what the Hub reads of it, and what a person does."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import load_dataset
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard

import vlmdata
from tests.vlmdata.shop import Shop, product
from vlmdata.contract import declared_features, features
from vlmdata.write.card_front import hub_features, size_category

SAYS = {
    "name": "Mugs | <b>lamps</b>",
    "license": "CC-BY-4.0",
    "source": "our catalog | spring\n# not a heading",
    "description": "Mugs for tea.",
}


@pytest.fixture
def built(shop: Shop) -> vlmdata.BuildResult:
    """Thirty products in two splits; one is rejected."""
    shop.write([*(product(number) for number in range(30)), product(50, photo="gone.png")])
    conversation = {"tags": {"language": "en"}, "user": ["images", "{{ title }}"], "assistant": "{{ description }}"}
    return shop.build(dataset=SAYS, split={"train": 0.7, "test": 0.3}, conversations=[conversation])


def card_of(built: vlmdata.BuildResult) -> Any:
    return DatasetCard.load(built.path / "README.md")


def test_the_hub_reads_licence_size_languages_and_tasks(built: vlmdata.BuildResult) -> None:
    data = card_of(built).data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["pretty_name"] == SAYS["name"]
    assert data["language"] == ["en"]
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["image-text-to-text"]
    assert "vlmdata" in data["tags"]


def test_the_hub_reads_features_and_splits_as_datasets_writes_them(built: vlmdata.BuildResult) -> None:
    info = DatasetInfosDict.from_directory(str(built.path))["default"]
    assert info.features == features()
    assert {name: split.num_examples for name, split in info.splits.items()} == built.ledger.splits
    for name, split in info.splits.items():
        assert split.num_bytes == sum(file.stat().st_size for file in (built.path / name).glob("*.arrow"))
    assert info.dataset_size == sum(split.num_bytes for split in info.splits.values())
    assert hub_features(declared_features()) == features()._to_yaml_list()


def test_load_dataset_reads_the_folder_by_its_card(
    built: vlmdata.BuildResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_dataset(str(built.path), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == built.ledger.splits
    assert loaded["train"].features == features()
    assert loaded["train"][0]["images"][0].size == (40, 30)


def test_a_licence_that_the_hub_does_not_know_is_named_beside_it(shop: Shop) -> None:
    shop.write([product(0)])
    data = card_of(shop.build(dataset={"license": "Our own licence, v2"})).data.to_dict()
    assert (data["license"], data["license_name"]) == ("other", "our-own-licence-v2")


def test_a_person_reads_source_counts_and_findings(built: vlmdata.BuildResult) -> None:
    text = card_of(built).text
    assert "- **Source:** our catalog | spring \\# not a heading" in text
    assert "# Mugs | &lt;b&gt;lamps&lt;/b&gt;" in text
    assert "31 rows read: 30 used, 0 skipped, 1 rejected" in text
    assert "| `images.missing` | rejected | 1 |" in text
    assert re.search(r"recipe of type `csv` \(sha256 `[0-9a-f]{64}`\)", text)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") - line.count("\\|") for line in tables} <= {4, 5}


def test_a_split_without_rows_is_on_the_card_too(shop: Shop) -> None:
    shop.write([product(0)])
    info = DatasetInfosDict.from_directory(str(shop.build(split={"train": 0.5, "test": 0.5}).path))["default"]
    assert sorted(split.num_examples for split in info.splits.values()) == [0, 1]


@pytest.mark.parametrize(
    ("rows", "name"), [(999, "n<1K"), (1_000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "1B<n<10B")]
)
def test_sizes_have_the_hubs_names(rows: int, name: str) -> None:
    assert size_category(rows) == name
