"""Splits: whole groups, shares filled to within a group, the same whatever order rows come in."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import vlmdata
from tests.vlmdata.near_duplicates import jpeg, product_photo, saved
from tests.vlmdata.shop import COLUMNS, Shop, product
from tests.vlmdata.test_build import records
from vlmdata.cli import app
from vlmdata.contract import validator
from vlmdata.errors import ConfigError
from vlmdata.splits.filling import fill, fill_groups
from vlmdata.terminal import exit_code_of

GROUPS = st.lists(st.sampled_from([f"g{i}" for i in range(40)]), min_size=1, max_size=300)
SHARES = st.sampled_from(
    [
        {"train": 1.0},
        {"train": 0.8, "test": 0.2},
        {"train": 0.5, "validation": 0.25, "test": 0.25},
        {"a": 0.01, "b": 0.99},
    ]
)


@given(GROUPS, SHARES, st.integers(0, 5))
def test_every_share_is_filled_to_within_the_size_of_a_group(
    groups: list[str], shares: dict[str, float], seed: int
) -> None:
    chosen = fill(groups, shares, seed)
    assert chosen.keys() == set(groups)
    largest = max(groups.count(group) for group in groups)
    for split, share in shares.items():
        rows = sum(chosen[group] == split for group in groups)
        assert abs(rows - share * len(groups)) <= largest


@given(GROUPS, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(groups: list[str], shares: dict[str, float], chance: random.Random) -> None:
    shuffled = list(groups)
    chance.shuffle(shuffled)
    assert fill(groups, shares, 1) == fill(shuffled, shares, 1)


def test_another_seed_chooses_other_groups() -> None:
    groups = [f"g{i}" for i in range(100)]
    shares = {"train": 0.5, "test": 0.5}
    assert fill(groups, shares, 1) != fill(groups, shares, 2)


def test_a_group_is_never_split_in_a_dataset(shop: Shop) -> None:
    shop.write(
        [(*product(number), f"family {number % 9}" if number % 5 else "") for number in range(60)],
        header=("sku", "photo", "title", "description", "family"),
    )
    built = shop.build(group="family", split={"train": 0.6, "test": 0.4, "together": ["group"]})
    where: dict[str, set[str]] = {}
    for split in ("train", "test"):
        for record in records_of(built.path, split):
            where.setdefault(record["group"], set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    assert built.ledger.groups == len(where) == 9 + 12
    assert {record["group"] for record in records(built.path)} >= {"family 1", "SKU-005"}


def records_of(path: Path, split: str) -> Iterable[dict[str, Any]]:
    """A split's records without their images."""
    import datasets

    return datasets.load_from_disk(str(path))[split].remove_columns("images")


def test_a_split_that_gets_no_group_is_empty_and_said_so(shop: Shop) -> None:
    shop.write([product(1), product(2)])
    built = shop.build(split={"train": 0.98, "validation": 0.01, "test": 0.01})
    assert built.ledger.splits["train"] == 2
    assert built.ledger.warned_by_rule == {"split.empty": 2}
    assert len(vlmdata.open(built.path)["test"]) == 0
    assert {problem.rule for problem in vlmdata.validate(built.path).problems} == {"split.empty"}


def catalog(shop: Shop, products: int, copies: dict[int, int] | None = None, *, shuffled: int | None = None) -> None:
    """Products with a drawn photo each; `copies` names products that have another's photo in another encoding."""
    rows = []
    for number in range(products):
        source = (copies or {}).get(number)
        photo = product_photo(number if source is None else source, white=True)
        shop.photo(f"{number}.jpg", jpeg(photo, 90 if source is None else 60))
        rows.append((f"P{number:03d}", f"{number}.jpg", f"Thing {number}", f"Thing number {number}.", "ab"[number % 2]))
    if shuffled is not None:
        random.Random(shuffled).shuffle(rows)
    shop.write(rows, header=("sku", "photo", "title", "description", "kind"))


HALVES = {"train": 0.5, "test": 0.5}


def placed(path: Path) -> dict[str, str]:
    """The split of each row by its id."""
    return {record["id"]: split for split in ("train", "test") for record in records_of(path, split)}


def test_a_photo_encoded_anew_keeps_two_products_in_one_split(shop: Shop) -> None:
    copies = {number: number - 20 for number in range(20, 30)}
    catalog(shop, 30, copies)
    built = shop.build(split=HALVES)
    where = placed(built.path)
    assert all(where[f"P{copy:03d}"] == where[f"P{first:03d}"] for copy, first in copies.items())
    assert built.ledger.groups == 20
    assert built.report["likeness"]["pairs"] == 10
    assert built.report["likeness"]["held"] == 10
    assert {sample["a"]["image"] for sample in built.report["likeness"]["samples"]} <= {f"{n}.jpg" for n in range(30)}
    validator("report.v1").validate(built.report)
    apart = shop.build(split={**HALVES, "together": ["group"]}, out=shop.folder / "apart")
    assert apart.ledger.groups == 30
    assert not apart.report["likeness"]["looked"]


def test_a_shuffled_table_is_assigned_the_same(shop: Shop) -> None:
    copies = {number: number - 20 for number in range(20, 30)}
    found = []
    for seed in (1, 2):
        catalog(shop, 30, copies, shuffled=seed)
        found.append(placed(shop.build(split=HALVES, out=shop.folder / f"out-{seed}").path))
    assert found[0] == found[1]


def test_a_placeholder_holds_nothing_together_and_is_named(shop: Shop) -> None:
    for number in range(4):
        shop.photo(f"{number}.png", saved(product_photo(number), "PNG"))
    shop.write([product(number, photo="1.png" if number < 12 else "2.png") for number in range(14)])
    built = shop.build(split={**HALVES, "max_shared": 5})
    assert built.ledger.groups == 13
    assert built.ledger.warned_by_rule["split.shared_image"] == 1
    assert "'1.png' stands in 12 groups and holds none together" in str(built.report["problems"])


def test_blank_pictures_hold_nothing_together(shop: Shop) -> None:
    shop.photo("0.png", saved(Image.new("RGB", (60, 60), (250, 250, 250)), "PNG"))
    shop.write([product(number, photo="0.png") for number in range(6)])
    assert shop.build(split=HALVES).ledger.groups == 6


def test_a_group_that_is_too_large_is_a_finding_that_names_what_holds_it(shop: Shop) -> None:
    catalog(shop, 40, dict.fromkeys(range(20, 32), 3))
    built = shop.build(split=HALVES)
    (problem,) = (problem for problem in built.report["problems"] if problem["rule"] == "split.large_group")
    assert "13 rows, 32% of all, are held together by '" in problem["message"]
    assert " ~ " in problem["message"]


def test_every_value_of_a_tag_gets_its_share(shop: Shop) -> None:
    catalog(shop, 60)
    built = shop.build(tags=["kind"], split={"train": 0.8, "test": 0.2, "stratify": "kind"})
    kinds = [record["tags"][0]["value"] for record in records_of(built.path, "test")]
    assert sorted(kinds) == ["a"] * 6 + ["b"] * 6


def test_rows_of_an_earlier_dataset_stay_and_new_ones_fill_the_shares(shop: Shop) -> None:
    catalog(shop, 20)
    first = shop.build(split={"train": 0.8, "test": 0.2}, out=shop.folder / "first")
    before = placed(first.path)
    catalog(shop, 40, {25: 2})
    again = shop.build(split={"train": 0.5, "test": 0.5, "earlier": "first", "seed": 7}, out=shop.folder / "again")
    after = placed(again.path)
    assert {name: after[name] for name in before} == before
    assert after["P025"] == before["P002"]
    assert again.ledger.splits == {"train": 20, "test": 20}


def test_a_new_row_between_two_earlier_splits_is_rejected_or_goes_where_the_recipe_says(shop: Shop) -> None:
    catalog(shop, 20)
    before = placed(shop.build(split=HALVES, out=shop.folder / "first").path)
    train, test = (min(name for name, split in before.items() if split == which) for which in ("train", "test"))
    photos = [f"{int(name[1:])}.jpg" for name in (train, test)]
    rows = [(f"P{n:03d}", f"{n}.jpg", f"Thing {n}", f"Thing number {n}.", "a") for n in range(20)]
    shop.write([*rows, ("NEW", "|".join(photos), "New", "New thing.", "a")], header=(*COLUMNS, "kind"))
    images = {"root": "photos", "from": {"column": "photo", "separator": "|"}}
    refused = shop.build(split={**HALVES, "earlier": "first"}, images=images, out=shop.folder / "refused")
    assert refused.ledger.rejected_by_rule == {"split.bridge": 1}
    assert "was in 'train' and 'test'" in str(next(iter(refused.rejections)).problems[0]).replace("were", "was")
    sided = shop.build(split={**HALVES, "earlier": "first", "bridge": "test"}, images=images, out=shop.folder / "sided")
    assert placed(sided.path)["NEW"] == "test"
    assert placed(refused.path) == before


def test_a_table_of_ids_and_splits_serves_as_the_earlier_dataset(shop: Shop) -> None:
    catalog(shop, 10)
    (shop.folder / "splits.csv").write_text("id,split\nP001,test\nP002,train\nGONE,train\n", encoding="utf-8")
    built = shop.build(split={**HALVES, "earlier": "splits.csv"})
    assert placed(built.path)["P001"] == "test"
    assert built.ledger.warned_by_rule == {"split.earlier_gone": 1}
    for text, words in (("a,b\n1,2\n", "columns id and split"), ("id,split\nP001,dev\n", "has the split 'dev'")):
        (shop.folder / "splits.csv").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=words):
            shop.build(split={**HALVES, "earlier": "splits.csv"}, out=shop.folder / "other")
    with pytest.raises(ConfigError, match="no such file"):
        shop.build(split={**HALVES, "earlier": "nowhere.csv"}, out=shop.folder / "other")


def test_a_dataset_is_divided_anew_with_its_bytes_as_they_were(shop: Shop) -> None:
    catalog(shop, 30, {number: number - 20 for number in range(20, 30)})
    built = shop.build(split={"train": 1.0})
    file = built.path / "manifest.json"
    origins = {"source_commit": "c0ffee" * 6 + "c0ff"}
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **origins}), encoding="utf-8")
    dry = vlmdata.split(built.path, None, {"train": 0.7, "test": 0.3})
    assert dry.path is None
    done = vlmdata.split(built.path, shop.folder / "anew", {"train": 0.7, "test": 0.3})
    assert dry.splits == done.splits
    assert sum(done.splits.values()) == 30
    assert done.groups == 20
    where = placed(shop.folder / "anew")
    assert all(where[f"P{n:03d}"] == where[f"P{n - 20:03d}"] for n in range(20, 30))
    old = {row["id"]: row for row in records(built.path)}
    new = {row["id"]: row for row in records(shop.folder / "anew")}
    assert old == new
    found = vlmdata.validate(shop.folder / "anew")
    assert found.by_rule() == {"dataset.near_duplicate": 10}
    assert not found.failed()
    for name in ("report", "manifest"):
        said = json.loads((shop.folder / "anew" / f"{name}.json").read_text(encoding="utf-8"))
        validator(f"{name}.v1").validate(said)
    assert said["source_commit"] == origins["source_commit"]
    again = vlmdata.split(shop.folder / "anew", shop.folder / "again", {"train": 0.7, "test": 0.3})
    assert again.moved == 0


@given(GROUPS, SHARES, st.integers(0, 3), st.integers(0, 40))
def test_settled_rows_count_and_strata_fill_the_whole(
    groups: list[str], shares: dict[str, float], seed: int, settled: int
) -> None:
    sizes = {group: groups.count(group) for group in groups}
    strata = {group: str(int(group[1:]) % 3) for group in sizes}
    there = {next(iter(shares)): settled}
    chosen = fill_groups(sizes, shares, seed, strata=strata, settled=there)
    assert chosen.keys() == sizes.keys()
    if not settled:
        for split, share in shares.items():
            rows = sum(sizes[group] for group in sizes if chosen[group] == split)
            assert abs(rows - share * len(groups)) <= max(sizes.values()) + 1e-6


def test_a_division_is_said_in_words(
    shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(shop, 20, {1: 0})
    path = shop.build(tags=["kind"], split={"train": 1.0}).path
    monkeypatch.chdir(path.parent)

    def run(*words: str) -> tuple[int, str]:
        code = exit_code_of(lambda: app(["split", path.name, *words]), name="vlmdata")
        said = capfd.readouterr()
        return code, said.out + said.err

    assert run("--out", "anew", "--shares", "train=0.5,test=0.5") == (
        0,
        "rows            20, all of them kept; 10 stand in another split than before\n"
        "splits          train 10 (50.0%)  test 10 (50.0%)\n"
        "kept together   19 groups of related rows, the largest of 2 rows\n"
        "near-duplicates 2 images that look like another one\n"
        '-> anew    open it with datasets.load_from_disk("anew")\n',
    )
    code, said = run("--dry-run", "--together", "group")
    assert code == 0
    assert "near-duplicates not looked for, since --together leaves near_duplicate out\n" in said
    assert said.endswith("nothing was written, as --dry-run asks\n")
    assert run("--dry-run", "--stratify", "knd")[1].strip().endswith("stratified; did you mean 'kind'?")
    assert "the shares train=0.5, test=0.1 add up to 0.6" in run("--dry-run", "--shares", "train=0.5,test=0.1")[1]
    assert "with a share above 0 and at most 1" in run("--dry-run", "--shares", "train=1.5")[1]
