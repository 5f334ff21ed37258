"""Leaks: images that stand in two splits, or in a benchmark that must stay unseen, whatever was done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import vlmdata
from tests.vlmdata.near_duplicates import SAME, jpeg, product_photo
from tests.vlmdata.shop import Shop
from tests.vlmdata.test_dataset import rewritten
from vlmdata.built_corpus import BuiltCorpus
from vlmdata.check_settings import CheckSettings
from vlmdata.confirming import Likeness
from vlmdata.late_hashes import LateHashes
from vlmdata.leaks import leak_findings
from vlmdata.linking import KnownLooks, Pictures
from vlmdata.recipe import portable


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


def without_hashes(path: Path, *, but: Collection[str] = ()) -> Path:
    """A dataset as somebody else would write it: image_info has no dhash, but for the rows of these ids."""
    import datasets

    whole = datasets.load_from_disk(str(path))

    def blind(row: dict[str, Any]) -> dict[str, Any]:
        return {"image_info": [info if row["id"] in but else {**info, "dhash": None} for info in row["image_info"]]}

    blinded = path.with_name(f"{path.name}-blind")
    whole.map(blind, features=whole["train"].features).save_to_disk(str(blinded))
    return blinded


@pytest.mark.parametrize("but", [(), ("A0", "A3", "A5")])
def test_images_without_a_hash_are_compared_where_they_are_decoded_anyway(shop: Shop, but: tuple[str, ...]) -> None:
    path = rows(shop, {f"A{n}": n % 4 for n in range(8)}, "leaky", changed=True)
    told = [str(problem) for problem in vlmdata.validate(path).problems]
    assert any("split.near_duplicate_leak" in line for line in told)
    assert [str(problem) for problem in vlmdata.validate(without_hashes(path, but=but), workers=3).problems] == told


def test_images_that_are_not_decoded_are_said_to_be_compared_with_none(shop: Shop) -> None:
    blind = without_hashes(rows(shop, {f"A{n}": n % 4 for n in range(8)}, "leaky", changed=True))
    said = [problem.message for problem in vlmdata.validate(blind, select=("split",)).problems]
    assert said == ["8 of 8 images have no dhash: near-duplicates of them were not looked for"]
    assert not vlmdata.validate(blind, images=False).problems
    rows(shop, {f"B{n}": n + 20 for n in range(8)}, "other")
    recipe = shop.folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(portable(shop.recipe(split={"train": 0.5, "test": 0.5}))), encoding="utf-8")
    against = vlmdata.validate(recipe, against=[blind]).problems
    assert "split.without_near_duplicates" in {problem.rule for problem in against}


def test_an_image_without_a_hash_that_does_not_decode_is_counted_and_the_others_are_compared(shop: Shop) -> None:
    blind = without_hashes(rows(shop, {f"A{n}": n % 4 for n in range(8)}, "leaky", changed=True))
    before = vlmdata.validate(blind).by_rule()
    rewritten(blind, lambda rows: rows[0]["images"][0].update(bytes=b"no picture"))
    found = vlmdata.validate(blind)
    messages = [problem.message for problem in found.problems if problem.rule == "split.without_near_duplicates"]
    assert messages == ["1 of 8 images have no dhash: near-duplicates of them were not looked for"]
    near = ("split.near_duplicate_leak", "dataset.near_duplicate")
    counts = [sum(by_rule.get(name, 0) for name in near) for by_rule in (before, found.by_rule())]
    assert counts == [4, 3]


def test_late_hashes_go_to_the_entries_that_have_none_in_their_order() -> None:
    late = LateHashes()
    for dhash in ("00000000000000ff", None, "ffffffffffffffff"):
        late.add(dhash)
    hashes, known = np.array([1, 0, 0, 2], np.uint64), np.array([True, False, False, True])
    assert late.fill(hashes, known, 0) == 2
    assert (hashes.tolist(), known.tolist()) == ([1, 255, 0, 2], [True, True, False, True])
    hashes, known = np.zeros(2, np.uint64), np.zeros(2, bool)
    assert late.fill(hashes, known, 2) == 4
    assert (hashes.tolist(), known.tolist()) == ([2**64 - 1, 0], [True, False])


def test_a_recipe_whose_split_has_compared_its_images_compares_them_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(shop, {f"A{n}": n % 4 for n in range(8)}, "built", changed=True)
    recipe = shop.folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(portable(shop.recipe(split={"train": 0.5, "test": 0.5}))), encoding="utf-8")
    twice = vlmdata.validate(recipe).by_rule()
    monkeypatch.setattr("vlmdata.leaks.confirmed", lambda *_: pytest.fail("compared again"))
    assert vlmdata.validate(recipe).by_rule() == twice
    assert twice["dataset.near_duplicate"] == 4


def test_looks_are_known_among_pictures_in_any_order_and_not_where_one_is_gone() -> None:
    shas = np.array(["aa", "bb", "cc", "dd"], "S64")
    pairs, apart = np.array([[0, 2]]), np.array([3.0], np.float32)
    likeness = Likeness(pairs=pairs, distances=apart, blank=frozenset({3}))
    looks = KnownLooks(shas=shas, likeness=likeness, distance=9.5)

    def pictures(*names: str) -> Pictures:
        zeros = np.zeros(len(names))
        return Pictures(shas=np.array(names, "S64"), hashes=zeros.astype(np.uint64), known=zeros.astype(bool))

    same = looks.among(pictures("dd", "cc", "ee", "aa"))
    assert same is not None
    assert same.pairs.tolist() == [[3, 1]]
    assert same.blank == {0}
    assert looks.among(pictures("aa", "dd")) is None
    assert looks.among(pictures()) is None


@pytest.mark.parametrize("changed", [False, True])
def test_rows_of_a_benchmark_are_found_in_the_training_data(shop: Shop, changed: bool) -> None:
    benchmark = rows(shop, {f"B{n}": n for n in range(4)}, "benchmark")
    path = rows(shop, {f"A{n}": n for n in range(2, 8)}, "train", changed=changed)
    rule = "split.against_near_duplicate" if changed else "split.against_bytes"
    assert found(path, benchmark) == {rule: 2, "split.against_text": 2}
