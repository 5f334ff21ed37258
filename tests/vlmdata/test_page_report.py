"""report.html: what it says of a dataset, that it stays small, and that nothing in a dataset can break it."""

from __future__ import annotations

import json
import random
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import vlmdata
from tests.vlmdata.pages import Taken, taken
from tests.vlmdata.shop import Shop, csv_text, drawn, encoded, product
from vlmdata.contract import stored_schema
from vlmdata.dataset import data_files
from vlmdata.errors import BuildRefusedError, ConfigError, ContractError, NoDatasetError
from vlmdata.reports.html_likeness import likeness_section
from vlmdata.reports.html_rejected import rejected_card, rejected_rows
from vlmdata.reports.html_report import report_html
from vlmdata.reports.html_statistics import statistics
from vlmdata.write.arrow_files import WrittenFile, write_split_metadata, write_splits_file

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def page_of(path: Path) -> Taken:
    return taken((path / "report.html").read_text(encoding="utf-8"))


def record(number: int, **changes: Any) -> dict[str, Any]:
    """A row in the contract, with one drawn picture."""
    data = encoded(drawn(number, (60 + number % 40, 50)), "JPEG")
    info = {"sha256": f"{number:064x}", "width": 60 + number % 40, "height": 50, "format": "JPEG", "dhash": None}
    messages = [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": f"A mug, number {number}."}]},
    ]
    return {
        "id": f"R{number}",
        "messages": messages,
        "images": [{"bytes": data, "path": f"{number}.jpg"}],
        "image_info": [info],
        "origin": {"source": "mugs.csv", "row": number + 1, "line": number + 2},
        "group": f"G{number}",
        "tags": [{"name": "kind", "value": f"kind {number % 3}"}],
        "fields": [],
        "provenance": None,
    } | changes


def write_dataset(path: Path, splits: dict[str, list[dict[str, Any]]], batch: int = 7) -> Path:
    """A dataset in the contract from elsewhere: data alone, without report or manifest."""
    for split, rows in splits.items():
        (path / split).mkdir(parents=True)
        name = f"{split}/data-00000-of-00001.arrow"
        with pa.OSFile(str(path / name), "wb") as file, pa.ipc.new_stream(file, stored_schema()) as writer:
            for start in range(0, len(rows), batch):
                writer.write_batch(pa.RecordBatch.from_pylist(rows[start : start + batch], schema=stored_schema()))
        write_split_metadata(path, split, [WrittenFile(name=name, rows=len(rows), bytes=1, xxh3="0" * 32)])
    write_splits_file(path, list(splits))
    return path


@pytest.fixture
def built(shop: Shop) -> vlmdata.BuildResult:
    """Forty products, some of them wrong."""
    rows = [product(number) for number in range(40)]
    rows += [product(50, photo="gone.png"), product(51, photo="away.png"), product(52, description="")]
    shop.write(rows)
    return shop.build(split={"train": 0.7, "test": 0.3}, tags=["title"], workers=2)


def test_a_build_puts_a_page_beside_the_data_that_says_what_became_of_the_rows(built: vlmdata.BuildResult) -> None:
    page = page_of(built.path)
    assert "40 of 43 rows are used; 3 were rejected, 2 of them for images.missing." in page.text
    assert "No leaks by group or by the bytes of images." in page.text
    assert "gone.png" in page.text
    for rule in ("images.missing", "text.empty"):
        assert rule in page.text
    assert len(page.images) >= 20
    assert page.text.count("Mug number") >= 20


def test_the_page_has_one_heading_of_the_first_level_and_skips_none(built: vlmdata.BuildResult) -> None:
    headings = page_of(built.path).headings
    assert headings.count(1) == 1
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_every_chart_says_in_words_what_it_shows(built: vlmdata.BuildResult) -> None:
    page = (built.path / "report.html").read_text(encoding="utf-8")
    charts = re.findall(r'<svg[^>]*role="img" aria-label="([^"]+)"', page)
    assert len(charts) == 7
    assert any(said.startswith("Images in a conversation: always 1") for said in charts)
    assert any("1 different size, most often 40 x 30 (100%)" in said for said in charts)


def test_the_flow_has_the_ledgers_numbers(built: vlmdata.BuildResult) -> None:
    page = (built.path / "report.html").read_text(encoding="utf-8")
    table = page[page.index("flow-table") : page.index('id="splits"')]
    counts = [int(count.replace(",", "")) for count in re.findall(r'<td class="number">([\d,]+)</td>', table)]
    splits = list(built.ledger.splits.values())
    made, accepted = built.ledger.conversations_made, built.ledger.conversations_accepted
    assert counts == [43, 40, 3, made, accepted, *([made - accepted] if made > accepted else []), *splits]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_page_is_the_same_whoever_makes_it(shop: Shop, workers: int) -> None:
    shop.write([product(number) for number in range(30)])
    first = shop.build(workers=2).path / "report.html"
    before = first.read_bytes()
    shutil.move(shop.out, shop.folder / "elsewhere")
    again = shop.build(workers=workers).path
    assert (again / "report.html").read_bytes() == before
    moved = vlmdata.write_report(shop.folder / "elsewhere", shop.folder / "page.html")
    assert moved.read_bytes() == before


def test_hostile_texts_stay_text(shop: Shop) -> None:
    shop.photo("&<b>.png", encoded(drawn(7)))
    rows = [product(number, title=f"{HOSTILE} {number}", description=f"</script>{HOSTILE}") for number in range(8)]
    rows += [
        product(9, photo="&<b>.png"),
        product(10, photo=f"{HOSTILE[:25]}.png", title=HOSTILE),
        product(11, title=""),
    ]
    shop.write(rows)
    built = shop.build(
        tags=["title"], fields=["title"], dataset={"name": HOSTILE, "source": HOSTILE, "license": HOSTILE}
    )
    page = page_of(built.path)
    assert page.tags["script"] == 1
    assert page.text.count(HOSTILE) > 10
    assert any("&<b>.png" in words for words in page.alternatives)


def test_a_refused_build_leaves_a_page_that_says_why(shop: Shop) -> None:
    shop.write([product(0), product(1, photo="gone.png")])
    with pytest.raises(BuildRefusedError):
        shop.build(max_rejected=0)
    page = page_of(shop.folder / "dataset.rejected")
    assert "Nothing was published: 1 of 2 rows have a rejection, at most 0 may." in page.text
    assert "gone.png" in page.text


def test_a_dataset_from_elsewhere_has_a_page_too(tmp_path: Path) -> None:
    rows = [record(number) for number in range(30)]
    path = write_dataset(tmp_path / "mugs", {"train": rows[:20], "test": [*rows[20:], record(3, id="again")]})
    page = taken(vlmdata.write_report(path).read_text(encoding="utf-8"))
    assert "mugs" in page.text
    assert "31 conversations with 31 images in 2 splits. It has no report.json" in page.text
    assert "Leaks: 1 group and 1 image stand in more than one split; vlmdata validate names them." in page.text


def test_an_empty_dataset_and_one_without_images_have_a_page(tmp_path: Path) -> None:
    text = [{"role": "assistant", "content": [{"type": "text", "text": None}]}]
    bare = record(1, images=[], image_info=[], messages=text, tags=None, group=None, origin=None, id=None)
    page = taken(report_html(write_dataset(tmp_path / "bare", {"train": [bare], "test": []})))
    assert "1 conversation with 0 images" in page.text
    assert "there are no images" in page.text
    assert "0 conversations" in taken(report_html(write_dataset(tmp_path / "empty", {"train": []}))).text


def test_an_image_whose_bytes_do_not_decode_is_named_in_its_place(tmp_path: Path) -> None:
    broken = record(1, images=[{"bytes": b"no picture", "path": "x.jpg"}])
    missing = record(2, images=[{"bytes": None, "path": "y.jpg"}])
    page = taken(report_html(write_dataset(tmp_path / "broken", {"train": [broken, missing]})))
    assert "image 1: is not a picture in any of" in page.text
    assert "image 1: has no bytes" in page.text


def test_the_page_stays_small_however_much_the_rows_hold(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8))
    data = encoded(noise, "JPEG", quality=95)
    turn = {
        "role": "user",
        "content": [{"type": "image", "text": None}] * 30 + [{"type": "text", "text": "<&>" * 900}] * 30,
    }
    shown = record(1)["image_info"][0]
    rows = [
        record(
            number,
            id="<" * 5_000 + str(number),
            messages=[turn, {"role": "&" * 9_000, "content": [{"type": "text", "text": '"' * 50_000}]}] * 3,
            images=[{"bytes": data, "path": "<" * 500}] * 90,
            image_info=[shown | {"sha256": f"{number * 90 + place:064x}"} for place in range(90)],
            tags=[{"name": "<" * 300 + str(name), "value": "<" * 900 + str(number)} for name in range(90)],
            fields=[{"name": "&" * 300, "value": "<" * 9_000}] * 90,
        )
        for number in range(60)
    ]
    path = write_dataset(tmp_path / "large", {f"split{n}<": rows[n::6] for n in range(6)})
    rejection = {"origin": {"source": "<" * 9_000}, "row": {f"<{n}": "<" * 90_000 for n in range(40)}}
    problems = [{"rule": f"a.rule_{chr(97 + n)}", "message": "<" * 9_000, "hint": "<" * 9_000} for n in range(20)]
    lines = [json.dumps(rejection | {"problems": problems[n : n + 5]}) for n in range(20)]
    (path / "rejected.jsonl").write_text("\n".join(lines))
    page = report_html(path)
    assert len(page.encode()) < 5_000_000
    taken(page)


def test_thousands_of_tag_values_and_splits_are_cut_with_their_counts(tmp_path: Path) -> None:
    rows = [record(number, tags=[{"name": "sku", "value": f"v{number}"}]) for number in range(40)]
    path = write_dataset(
        tmp_path / "many", {f"s{number}": [row] for number, row in enumerate(rows)} | {"s40": [], "s41": []}
    )
    page = taken(report_html(path))
    assert "40 values" in page.text
    assert "… 28 more values" in page.text
    assert "… 2 more splits" in page.text


def test_rejected_rows_are_taken_from_every_rule_and_what_is_no_rejection_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "rejected.jsonl"
    good = [
        json.dumps(
            {"origin": {"source": "a.csv", "line": n}, "problems": [{"rule": "a.b", "message": "x"}], "raw": "r"}
        )
        for n in range(200)
    ]
    last = json.dumps({"origin": {"source": "a.csv", "line": 9}, "problems": [{"rule": "c.d", "message": "y"}]})
    odd = ["", "nothing", "[1]", '{"origin": 1}', '{"origin": {}, "problems": [1]}', "[" * 90_000, "x" * 5_000_000]
    file.write_bytes("\n".join([*odd, *good, last]).encode() + b"\n\xff\xfe\n" + b'{"origin": {"source": "cut')
    found = rejected_rows(file, ["a.b", "c.d"])
    assert [one["problems"][0]["rule"] for one in found] == ["a.b"] * 4 + ["c.d"]
    assert rejected_rows(tmp_path / "none.jsonl") == []


def test_a_rejected_card_shows_whatever_the_row_holds() -> None:
    problem = {"rule": "a.b", "message": 5, "hint": None, "field": ["x"], "severity": {}}
    for row in ({"row": {"a": {"b": [1, None, HOSTILE]}}}, {"raw": HOSTILE}, {"raw_base64": "AAAA"}, {"row": 3}, {}):
        card = rejected_card({"origin": {"line": None}, "problems": [problem] * 20, "id": HOSTILE, **row})
        assert "<script" not in card.body
        assert "12 more problems" in card.body


def test_a_report_that_does_not_follow_its_schema_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "odd", {"train": [record(1)]})
    (path / "report.json").write_text('{"contract": "record.v1", "dataset": 5}')
    (path / "manifest.json").write_text("{")
    page = taken(report_html(path))
    assert "report.json does not follow report.v1" in page.text
    assert "manifest.json can't be read" in page.text


def test_near_duplicates_stand_side_by_side(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "alike", {"train": [record(1), record(2)], "test": [record(3)]}, batch=1)
    one, other, gone = (f"{number:064x}" for number in (1, 3, 9))
    sides = [{"id": f"R{number}", "image": "x.jpg", "sha256": sha} for number, sha in ((1, one), (3, other), (9, gone))]
    pairs = [{"a": sides[0], "b": sides[1], "distance": 3.1}, {"a": sides[0], "b": sides[2], "distance": 4.0}]
    report = {"likeness": {"looked": True, "pairs": 7, "images": 5, "held": 2, "samples": pairs}}
    files = data_files(path)
    made = statistics(files, images={one, other, gone})
    assert made.choice.images == {one: (0, 0), other: (2, 0)}
    shown = taken(likeness_section(report, files, made.choice))
    assert len(shown.images) == 3
    assert "R1, train, mugs.csv:3" in shown.text
    assert "R3, test, mugs.csv:5" in shown.text
    assert "5 images in 7 pairs look alike and differ in their bytes; 2 pairs to look at." in shown.text
    assert "distance 3.1" in shown.text
    assert shown.text.count("They stand in two splits.") == 1
    assert "its row is not in the dataset" in shown.text
    assert likeness_section({"likeness": report["likeness"] | {"samples": []}}, files, made.choice) == ""


def test_a_build_shows_the_near_duplicates_that_it_kept_together(shop: Shop) -> None:
    for number in range(12):
        coarse = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        shop.photo(f"a{number}.jpg", encoded(picture, "JPEG", quality=95))
        shop.photo(f"b{number}.jpg", encoded(picture.resize((250, 188)), "JPEG", quality=85))
    rows = [product(2 * n + k, photo=f"{'ab'[k]}{n}.jpg") for n in range(12) for k in (0, 1)]
    shop.write(rows)
    built = shop.build(split={"train": 0.5, "test": 0.5})
    page = page_of(built.path)
    likeness = built.report["likeness"]
    assert likeness["pairs"] > 5
    assert f"{likeness['images']} images in {likeness['pairs']} pairs look alike" in page.text
    assert page.text.count("distance ") == len(likeness["samples"])
    assert "They stand in two splits." not in page.text


def test_statistics_are_those_of_the_rows_however_they_are_cut(tmp_path: Path) -> None:
    chosen = random.Random(5)
    rows = [
        record(number, tags=[{"name": "n", "value": str(chosen.randrange(9))}] * (number % 3)) for number in range(90)
    ]
    whole = statistics(data_files(write_dataset(tmp_path / "a", {"train": rows}, batch=90)))
    pieces = statistics(data_files(write_dataset(tmp_path / "b", {"train": rows}, batch=4)))
    for made in (whole, pieces):
        assert made.rows == made.splits["train"] == 90
        assert made.answers.total == sum(len(f"A mug, number {number}.") for number in range(90))
        assert made.questions.total == 90 * len("What is it?")
        assert made.image_bytes.total == sum(len(row["images"][0]["bytes"]) for row in rows)
        assert made.tags.names["n"].top(99) == whole.tags.names["n"].top(99)
        assert made.choice.smallest.listed() == [0, 40, 80, 1]
    assert {name: best.listed() for name, best in whole.choice.random.items()} == {
        name: best.listed() for name, best in pieces.choice.random.items()
    }


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ("page.txt", ConfigError, "name a file that ends in .html"),
        (None, NoDatasetError, "there is no such folder"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(tmp_path: Path, out: str | None, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        vlmdata.write_report(tmp_path / "none", out)


def test_a_folder_that_is_no_dataset_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoDatasetError, match=r"is no dataset that was built"):
        vlmdata.write_report(tmp_path)
    path = write_dataset(tmp_path / "cut", {"train": [record(1)]})
    file = path / "train" / "data-00000-of-00001.arrow"
    file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(ContractError, match="train"):
        vlmdata.write_report(path)
    assert not (path / "report.html").exists()


def test_csv_rows_that_could_not_be_read_are_shown(shop: Shop) -> None:
    shop.write_bytes(csv_text([("sku", "photo", "title", "description"), product(0)]).encode() + b"X,0.png\n")
    assert "csv.ragged" in page_of(shop.build().path).text
