"""Leaks: images that stand in two splits, or in a benchmark that must stay unseen, whatever was done to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.near_duplicates import SAME, jpeg, product_photo
from tests.vlmdata.shop import Shop
from vlmdata.built_corpus import BuiltCorpus
from vlmdata.check_settings import CheckSettings
from vlmdata.leaks import leak_findings


def rows(shop: Shop, seeds: dict[str, int], name: str, *, changed: bool = False) -> Path:
    """A dataset of two splits, each row of its own group, with these photos; text names the row."""
    table = []
    for number, (sku, seed) in enumerate(seeds.items()):
        photo = product_photo(seed, white=True)
        shop.photo(f"{sku}.jpg", list(SAME.values())[number % len(SAME)](photo) if changed else jpeg(photo))
        table.append((sku, f"{sku}.jpg", f"Thing {seed}", f"Thing number {seed}."))
    shop.write(table)
    split = {"train": 0.5, "test": 0.5, "together": ["group"]}
    return shop.build(split=split, out=shop.folder / name).path


def found(path: Path, *against: Path, **settings: object) -> Counter[str]:
    problems = leak_findings(
        BuiltCorpus.open(path), [BuiltCorpus.open(other) for other in against], CheckSettings(**settings)
    )
    return Counter(problem.rule for problem in problems)


def test_an_image_in_two_splits_is_found_by_its_bytes(shop: Shop) -> None:
    path = rows(shop, {f"A{n}": n % 4 for n in range(8)}, "leaky")
    assert found(path)["split.image_leak"] > 0
    assert set(found(path)) == {"split.image_leak"}


def test_a_changed_image_in_two_splits_is_found_by_its_looks(shop: Shop) -> None:
    path = rows(shop, {f"A{n}": n % 4 for n in range(8)}, "leaky", changed=True)
    counts = found(path)
    assert set(counts) <= {"split.near_duplicate_leak", "dataset.near_duplicate"}
    assert sum(counts.values()) == 4
    assert not found(path, ignore=("split", "dataset"))
    clean = vlmdata.split(path, shop.folder / "clean", {"train": 0.5, "test": 0.5})
    assert set(found(shop.folder / "clean")) == {"dataset.near_duplicate"}
    assert clean.groups == 4


@pytest.mark.parametrize("changed", [False, True])
def test_rows_of_a_benchmark_are_found_in_the_training_data(shop: Shop, changed: bool) -> None:
    benchmark = rows(shop, {f"B{n}": n for n in range(4)}, "benchmark")
    path = rows(shop, {f"A{n}": n for n in range(2, 8)}, "train", changed=changed)
    rule = "split.against_near_duplicate" if changed else "split.against_bytes"
    assert found(path, benchmark) == {rule: 2, "split.against_text": 2}
