"""Baselines: what is known is not found again, what is new is, and what is gone is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import vlmdata
from tests.vlmdata.near_duplicates import SAME, jpeg, product_photo
from tests.vlmdata.shop import Shop, drawn, encoded, product
from tests.vlmdata.test_validation import said, written
from vlmdata.contract import stored_schema
from vlmdata.errors import ConfigError
from vlmdata.image.inspecting import inspect
from vlmdata.write.arrow_files import WrittenFile, write_split_metadata, write_splits_file


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


def test_a_row_that_joins_a_known_set_is_a_new_finding(shop: Shop, tmp_path: Path) -> None:
    rows, baseline = repeating_rows(shop), tmp_path / "known.json"
    shop.write(rows)
    path = written(shop)
    vlmdata.validate(path, write_baseline=baseline, preview=True)
    joining = [
        ("AGAIN-9", *rows[10][1:]),
        product(91, title="Mug 20", photo="p20.jpg", description="A third answer to what was asked of it before."),
        product(92, sku="Sku-030", photo="p39.jpg"),
    ]
    shop.write([*joining, *rows])
    new = {(problem.rule, problem.id) for problem in vlmdata.validate(path, baseline=baseline, preview=True).problems}
    assert new >= {("dataset.duplicate", "AGAIN-9"), ("dataset.conflict", "SKU-091"), ("id.near_miss", "Sku-030")}
    assert {name for _, name in new} == {"AGAIN-9", "SKU-091", "Sku-030"}


Splits = Mapping[str, list[dict[str, Any]]]


def by_hand(number: int, photo: bytes = b"", **changes: Any) -> dict[str, Any]:
    """A record of a dataset that was written by hand. Without a photo it is one that is not to be decoded."""
    said = {"question": f"What is number {number}?", "answer": f"A piece of {WORDS[number % 12]}, number {number}."}
    said |= {name: changes.pop(name) for name in ("question", "answer") if name in changes}
    data = photo or f"{number}".encode()
    info = inspect(photo).info if photo else None
    return {
        "id": f"R-{number}",
        "messages": [
            {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": said["question"]}]},
            {"role": "assistant", "content": [{"type": "text", "text": said["answer"]}]},
        ],
        "images": [{"bytes": data, "path": f"{number}.jpg"}],
        "image_info": [
            {
                "sha256": sha256(data).hexdigest(),
                "width": info.width if info else 40,
                "height": info.height if info else 30,
                "format": info.format if info else "JPEG",
                "dhash": info.dhash if info else None,
            }
        ],
        "origin": {"source": "by hand", "row": number + 1, "line": 0},
        "group": f"R-{number}",
        "tags": [],
        "fields": [],
        "provenance": None,
        **changes,
    }


def put_down(path: Path, splits: Splits, rows_a_batch: int = 50) -> Path:
    """A dataset of these rows, in their order."""
    for split, rows in splits.items():
        (path / split).mkdir(parents=True, exist_ok=True)
        file = path / split / "data-00000-of-00001.arrow"
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, stored_schema()) as writer:
            for start in range(0, len(rows), rows_a_batch):
                some = rows[start : start + rows_a_batch]
                writer.write_batch(pa.RecordBatch.from_pylist(some, schema=stored_schema()))
        size = file.stat().st_size
        write_split_metadata(path, split, [WrittenFile(name=file.name, rows=len(rows), bytes=size, xxh3="0" * 32)])
    write_splits_file(path, list(splits))
    return path


def leaking() -> Splits:
    photos = [product_photo(number) for number in range(24)]
    rows = [by_hand(number, jpeg(photo)) for number, photo in enumerate(photos)]
    small = [SAME["half the size"](photos[number]) for number in range(4)]
    test = [by_hand(30 + number, jpeg(photos[number])) for number in (4, 5)]
    test += [by_hand(40 + number, small[number]) for number in (0, 1)]
    last = [by_hand(50, jpeg(photos[4])), by_hand(51, small[2])]
    last += [{**rows[22], "group": "R-7"}, {**rows[23], "group": "R-8"}]
    return {"train": rows[:16], "test": [*rows[16:22], *test], "validation": last}


def uncovered() -> Splits:
    rows = [by_hand(number, tags=[{"name": "kind", "value": ("mug", "vase")[number % 2]}]) for number in range(400)]
    for number in range(0, 300, 5):
        rows[number] |= by_hand(
            number, answer="No description of this piece is available yet.", tags=rows[number]["tags"]
        )
    for number in range(1, 300, 3):
        rows[number]["tags"] = [{"name": "kind", "value": "bowl"}]
    return {"train": rows[:300], "test": rows[300:]}


def lettered() -> Splits:
    rows = []
    for number in range(420):
        options = {f"option.{letter}": f"the {letter}" for letter in "ABCDEFG"[: (3, 5, 7)[number % 3]]}
        letter = "A" if number % 2 else "BCC"[number % 3]
        fields = [{"name": name, "value": value} for name, value in (*options.items(), ("answer", letter))]
        rows.append(by_hand(number, answer=letter, fields=fields))
    return {"train": rows}


def labelled() -> Splits:
    return {"train": [by_hand(number, answer="no" if number % 40 == 7 else "yes") for number in range(400)]}


OF_WHOLES: Sequence[tuple[Callable[[], Splits], set[str]]] = [
    (leaking, {"split.image_leak", "split.near_duplicate_leak", "split.group_leak"}),
    (uncovered, {"dataset.one_answer", "dataset.tag_coverage"}),
    (lettered, {"dataset.letter_balance"}),
    (labelled, {"dataset.label_balance"}),
]


@pytest.mark.parametrize(("make", "rules"), OF_WHOLES, ids=lambda given: getattr(given, "__name__", ""))
def test_findings_of_wholes_are_known_in_whatever_order_the_rows_are(
    make: Callable[[], Splits], rules: set[str], tmp_path: Path
) -> None:
    splits, baseline, images = make(), tmp_path / "known.json", make is leaking
    path = put_down(tmp_path / "dataset", splits)
    first = vlmdata.validate(path, write_baseline=baseline, preview=True, images=images)
    assert {problem.rule for problem in first.problems} >= rules
    for seed in (1, 2, 3):
        for rows in splits.values():
            Random(seed).shuffle(rows)
        put_down(path, splits, rows_a_batch=30 + seed)
        again = vlmdata.validate(path, baseline=baseline, preview=True, images=images)
        assert (again.problems, again.known, again.gone) == ((), len(first.problems), ())
