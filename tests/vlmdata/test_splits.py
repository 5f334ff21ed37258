"""Splits: whole groups, shares filled to within a group, the same whatever order rows come in."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.shop import Shop, product
from tests.vlmdata.test_build import records
from vlmdata.splits.filling import fill

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
    built = shop.build(group="family", split={"train": 0.6, "test": 0.4})
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
    assert vlmdata.validate(built.path).problems == ()
