"""Baselines: what is known is not found again, what is new is, and what is gone is said."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

import vlmdata
from tests.vlmdata.near_duplicates import SAME, jpeg, product_photo
from tests.vlmdata.shop import Shop, drawn, encoded, product
from tests.vlmdata.test_validation import said, written
from vlmdata.errors import ConfigError


@pytest.fixture
def bad(shop: Shop) -> Path:
    shop.write([product(0), product(1, description=""), product(2, photo="gone.png"), product(3)])
    return written(shop)


def test_what_was_written_down_is_known_and_new_findings_are_not(
    bad: Path, shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "known.json"
    code, _ = said(capfd, bad, "--write-baseline", baseline)
    assert code == 0
    code, text = said(capfd, bad, "--baseline", baseline)
    assert (code, "2 known" in text) == (0, True)
    shop.write([product(9, description=""), product(0), product(1, description=""), product(2, photo="gone.png")])
    result = vlmdata.validate(bad, baseline=baseline)
    assert [(problem.rule, problem.id) for problem in result.problems] == [("text.empty", "SKU-009")]
    assert (result.known, result.exit_code, result.gone) == (2, 1, ())


def test_a_known_finding_about_a_photo_hides_none_about_the_photo_of_another_row(shop: Shop, tmp_path: Path) -> None:
    for number in (0, 1):
        shop.photo(f"{number}.png", encoded(drawn(number, (20, 10 + number))))
    shop.write([product(0), product(2), product(3, photo="2.png;2.png")])
    photos = {"root": "photos", "from": {"column": "photo", "separator": ";"}}
    path, baseline = written(shop, images=photos), tmp_path / "known.json"
    found = vlmdata.validate(path, write_baseline=baseline).problems
    assert {(problem.rule, problem.id) for problem in found if problem.rule.startswith("images")} == {
        ("images.too_small", "SKU-000"),
        ("images.repeated", "SKU-003"),
    }
    shop.write([product(0), product(1), product(2), product(3, photo="2.png;2.png")])
    left = vlmdata.validate(path, baseline=baseline).problems
    assert [(problem.rule, problem.id) for problem in left if problem.rule.startswith("images")] == [
        ("images.too_small", "SKU-001")
    ]


def test_what_is_gone_is_said_so_that_the_file_can_shrink(
    bad: Path, shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "known.json"
    vlmdata.validate(bad, write_baseline=baseline)
    shop.write([product(0), product(2, photo="gone.png"), product(3)])
    (gone,) = vlmdata.validate(bad, baseline=baseline).gone
    assert (gone.rule, gone.id) == ("text.empty", "SKU-001")
    assert "1 known finding is gone" in said(capfd, bad, "--baseline", baseline)[1]
    vlmdata.validate(bad, baseline=baseline, write_baseline=baseline)
    assert "SKU-001" not in baseline.read_text(encoding="utf-8")
    assert "SKU-002" in baseline.read_text(encoding="utf-8")


def test_a_baseline_is_sorted_one_finding_a_line_and_the_same_each_time(bad: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    vlmdata.validate(bad, write_baseline=first, workers=1)
    vlmdata.validate(bad, write_baseline=second, workers=3)
    assert first.read_bytes() == second.read_bytes()
    lines = [line.rstrip(",") for line in first.read_text(encoding="utf-8").splitlines() if line.startswith('{"')]
    assert [json.loads(line)["id"] for line in lines] == ["SKU-002", "SKU-001"]
    assert all("line" not in json.loads(line) for line in lines)
    assert {json.loads(line)["target"] for line in lines} == {"shop/recipe.yaml"}


def test_findings_of_other_targets_stay_in_a_baseline(bad: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "known.json"
    vlmdata.validate(bad, write_baseline=baseline)
    other = Shop(tmp_path / "other")
    other.write([product(7, description="")])
    vlmdata.validate(written(other), write_baseline=baseline)
    result = vlmdata.validate([bad, other.folder / "recipe.yaml"], baseline=baseline)
    assert (result.errors, result.known) == (0, 3)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"baseline": 1, "findings": [{"rule": 3}]}', '{"baseline": 9, "findings": []}', "[" * 5_000],
)
def test_what_is_no_baseline_is_refused_with_its_name(bad: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"known\.json: "):
        vlmdata.validate(bad, baseline=path)


WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbor", "inlet", "kelp", "linen", "maple")


def repeating_rows(shop: Shop) -> list[tuple[str, ...]]:
    """Rows of which several are like others: in text, question, answer, picture and id."""
    photos = {f"p{number}.jpg": product_photo(number) for number in range(40)}
    for name, photo in photos.items():
        shop.photo(name, jpeg(photo))
    for number in range(3):
        shop.photo(f"small{number}.jpg", SAME["half the size"](photos[f"p{number}.jpg"]))

    def row(number: int, **changes: str) -> tuple[str, ...]:
        text = f"A {WORDS[number % 12]} and {WORDS[number * 5 % 11]} piece, number {number}, made for the table."
        return product(number, **{"photo": f"p{number}.jpg", "description": text, **changes})

    rows = [row(number) for number in range(40)]
    rows += [row(50 + number, photo=f"small{number}.jpg") for number in range(3)]
    rows += [row(10 + number, sku=f"AGAIN-{number}") for number in range(3)]
    rows += [row(60 + number, title=f"Mug {20 + number}", photo=f"p{20 + number}.jpg") for number in range(3)]
    rows += [row(70 + number, sku=f"sku-{30 + number:03d}", photo=f"p{30 + number}.jpg") for number in range(3)]
    return rows


BETWEEN_ROWS = {
    "dataset.near_duplicate",
    "dataset.duplicate",
    "dataset.conflict",
    "id.near_miss",
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_findings_between_rows_are_known_in_whatever_order_the_lines_are(seed: int, shop: Shop, tmp_path: Path) -> None:
    rows, baseline = repeating_rows(shop), tmp_path / "known.json"
    shop.write(rows)
    path = written(shop)
    first = vlmdata.validate(path, write_baseline=baseline, preview=True)
    assert {problem.rule for problem in first.problems} >= BETWEEN_ROWS
    Random(seed).shuffle(rows)
    shop.write(rows)
    again = vlmdata.validate(path, baseline=baseline, preview=True)
    assert (again.problems, again.known, again.gone) == ((), len(first.problems), ())
    shop.write([product(99, photo="small1.jpg", description="A mug of clay that nobody has seen before."), *rows])
    new = vlmdata.validate(path, baseline=baseline, preview=True).problems
    assert new
    assert {problem.id for problem in new} == {"SKU-099"}
