"""Mistakes planted in a clean catalog: each is found by its rule, and the clean rows around them raise nothing."""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.checked_texts import asked, batch_of, problems
from tests.vlmdata.planted import clean, pictures, texts, wholes
from tests.vlmdata.planted.catalog import Product, product, write
from tests.vlmdata.planted.texts import Kind
from vlmdata.check_settings import CheckSettings

CLEAN = [product(number) for number in range(120)]
EACH = 2
"""Rows in which a kind is planted."""


def planted(kinds: Sequence[Kind], fine: Sequence[texts.Change] = ()) -> tuple[list[Product], dict[str, Kind]]:
    """A catalog with each kind in a few rows, in any order; and which row has which kind."""
    rng, rows, where = Random(1), list(CLEAN), dict[str, Kind]()
    for number in range(EACH * len(kinds)):
        changed = kinds[number // EACH].change(product(1_000 + number), rng)
        where[changed.sku] = kinds[number // EACH]
        rows.append(changed)
    rows += [change(product(9_000 + number), rng) for number, change in enumerate(fine)]
    rng.shuffle(rows)
    return rows, where


def rules_by_row(path: Path, **options: Any) -> dict[str, set[str]]:
    """The rules that each row of a catalog breaks, by its number; those of no row under the empty one."""
    found = defaultdict(set)
    with (path.parent / "products.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        at_line = dict((reader.line_num, row[0]) for row in reader)  # noqa: C402  (the line grows with each row)
    for problem in vlmdata.validate(path, all=True, **options).problems:
        found[problem.id or at_line.get(problem.line, "")].add(problem.rule)
    return found


@pytest.mark.parametrize(
    ("kinds", "fine"), [(texts.KINDS, ()), (pictures.KINDS, pictures.FINE)], ids=["texts", "photos"]
)
def test_every_kind_of_mistake_in_a_row_is_found_by_its_rule(
    kinds: Sequence[Kind], fine: Sequence[texts.Change], tmp_path: Path
) -> None:
    rows, where = planted(kinds, fine)
    found = rules_by_row(write(tmp_path, rows), images=kinds is pictures.KINDS)
    missed = {
        kind.name: found.get(sku, set()) for sku, kind in where.items() if not set(kind.rules) & found.get(sku, set())
    }
    assert missed == {}
    others = {sku: rules for sku, rules in found.items() if sku and sku not in where}
    assert others == {}


def rules_of(path: Path, **options: Any) -> set[str]:
    """The rules that a target breaks."""
    return {problem.rule for problem in vlmdata.validate(path, all=True, **options).problems}


@pytest.mark.parametrize(
    ("rules", "change"), [case[1:] for case in wholes.WHOLE], ids=[case[0] for case in wholes.WHOLE]
)
def test_every_mistake_of_a_whole_catalog_is_found(rules: str, change: wholes.Wholly, tmp_path: Path) -> None:
    assert set(rules.split()) & rules_of(write(tmp_path, change(list(CLEAN))))


@pytest.mark.parametrize(
    ("rules", "change"), [case[1:] for case in wholes.BYTES], ids=[case[0] for case in wholes.BYTES]
)
def test_every_mistake_in_a_tables_bytes_is_found(rules: str, change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    recipe = write(tmp_path, CLEAN[30:60])
    table = tmp_path / "products.csv"
    table.write_bytes(change(table.read_bytes()))
    assert set(rules.split()) & rules_of(recipe, images=False)


@pytest.mark.parametrize(
    ("rules", "row"), [case[1:] for case in wholes.CONVERSATIONS], ids=[case[0] for case in wholes.CONVERSATIONS]
)
def test_every_mistake_in_a_conversation_is_found(rules: str, row: dict[str, Any] | str, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(CLEAN[number].data or b"")
    line = row if isinstance(row, str) else json.dumps(row)
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(wholes.fine(id='c-0'))}\n{line}\n", encoding="utf-8")
    assert set(rules.split()) & rules_of(tmp_path / "rows.jsonl", image_root=tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean dataset."""
    folder = tmp_path_factory.mktemp("built")
    vlmdata.build(vlmdata.load_recipe(write(folder, CLEAN[:40])), folder / "dataset")
    assert rules_of(folder / "dataset") == set()
    return folder / "dataset"


@pytest.mark.parametrize(
    ("rules", "change"), [case[1:] for case in wholes.CHANGED], ids=[case[0] for case in wholes.CHANGED]
)
def test_every_change_by_hand_is_found(
    rules: str, change: Callable[[list[dict[str, Any]]], None], built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "dataset")
    wholes.rewritten(tmp_path / "dataset", change)
    assert set(rules.split()) & rules_of(tmp_path / "dataset")


def test_a_clean_catalog_raises_nothing(tmp_path: Path) -> None:
    assert rules_of(write(tmp_path, CLEAN)) == set()


def test_clean_rows_of_many_styles_raise_nothing() -> None:
    rows = list(clean.rows(2_000))
    found = problems(batch_of([asked(*row) for row in rows]), CheckSettings())
    assert [(problem.rule, rows[int(problem.id)]) for problem in found] == []


def test_a_split_made_by_hand_leaks(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "dataset")
    table, _ = wholes.built_rows(tmp_path / "dataset")
    file = next((tmp_path / "dataset" / "test").glob("*.arrow"))
    wholes.store(file, table.slice(0, 8))
    found = rules_of(tmp_path / "dataset")
    assert {"contract.unique_id", "split.group_leak", "split.image_leak", "dataset.duplicate"} <= found


def test_a_dataset_that_must_stay_unseen_is_found_in_another(built: Path, tmp_path: Path) -> None:
    rows = [replace(row, sku=f"X{row.sku}", family=f"X{row.family}") for row in CLEAN[:3]]
    recipe = write(tmp_path, [*rows, *(product(number) for number in range(500, 520))])
    found = rules_of(recipe, against=[built])
    assert {"split.against_bytes", "split.against_text"} <= found
