"""Rows that a build rejected are repaired in rejected.jsonl and built from again, with the ids of the first build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vlmdata
from tests.vlmdata.shop import Shop, drawn, encoded, product
from tests.vlmdata.test_parquet import IMAGE
from vlmdata.errors import BuildRefusedError, SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source

Entry = RawRecord | Rejection | Skip
AGAIN = {"type": "rejected", "path": "dataset/rejected.jsonl"}


def lines_of(shop: Shop) -> list[dict[str, Any]]:
    """What rejected.jsonl of the shop's dataset holds."""
    text = (shop.out / "rejected.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def read(folder: Path, *lines: dict[str, Any], **options: Any) -> list[Entry]:
    """Every line of a rejected.jsonl as a row."""
    (folder / "rejected.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    data = {
        "source": {"type": "rejected", "path": "rejected.jsonl", **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    (shard,) = open_source(recipe_from(data, folder).source).shards()
    entries = list(shard)
    assert shard.lines_read == len(entries)
    assert [entry.origin.line for entry in entries] == list(range(1, len(entries) + 1))
    return entries


def line(number: int, **changes: Any) -> dict[str, Any]:
    """One line of a rejected.jsonl."""
    origin = {"source": "products.csv", "row": number, "line": number + 1, "last_line": number + 1}
    return {"origin": origin, "problems": [{"rule": "csv.ragged", "message": "3 cells, expected 4"}], **changes}


@pytest.mark.parametrize("name", ["sku", None])
def test_repaired_rows_make_what_they_would_have_made(shop: Shop, name: str | None) -> None:
    missing = [product(number, photo="nowhere.png" if number % 2 else "1.png") for number in range(6)]
    shop.write(missing)
    first = shop.build(id=name)
    assert first.ledger.rows_rejected == 3
    (shop.folder / "photos" / "nowhere.png").write_bytes((shop.folder / "photos" / "2.png").read_bytes())
    again = shop.build(id=name, source=AGAIN, out=shop.folder / "again")
    assert again.ledger.rows_used == 3
    whole = shop.build(id=name, out=shop.folder / "whole")
    made = [*vlmdata.open(shop.out)["train"]["id"], *vlmdata.open(shop.folder / "again")["train"]["id"]]
    assert sorted(made) == sorted(vlmdata.open(shop.folder / "whole")["train"]["id"])
    assert whole.ledger.rows_rejected == 0


def test_unrepaired_rows_are_rejected_again_for_the_same_reason(shop: Shop) -> None:
    shop.write([product(1), product(2, photo="nowhere.png")])
    shop.build()
    lines = lines_of(shop)
    with pytest.raises(BuildRefusedError):
        shop.build(source=AGAIN, out=shop.folder / "again")
    rejected = (shop.folder / "again.rejected" / "rejected.jsonl").read_text(encoding="utf-8")
    (found,) = map(json.loads, rejected.splitlines())
    assert found["row"] == lines[0]["row"]
    assert found["problems"][0]["rule"] == lines[0]["problems"][0]["rule"] == "images.missing"
    assert found["origin"] == {"source": "rejected.jsonl", "row": 1, "line": 1, "last_line": 1}


def test_a_row_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    row = {"sku": "A", "title": "Mug"}
    entries = read(
        tmp_path,
        line(1, row=row, conversation=0),
        line(1, row=dict(reversed(row.items())), conversation=1),
        line(1, row={**row, "title": "Cup"}, conversation=2),
        line(2, row=row),
    )
    assert [type(entry) for entry in entries] == [RawRecord, Skip, RawRecord, RawRecord]


def test_a_row_keeps_its_own_keys(tmp_path: Path) -> None:
    first, second = read(tmp_path, line(1, row={"a": 1}), line(2, row={"b": [2]}, raw="b\n"))
    assert isinstance(first, RawRecord)
    assert isinstance(second, RawRecord)
    assert (dict(first.values), dict(second.values)) == ({"a": 1}, {"b": [2]})


def test_a_row_that_was_never_read_is_rejected_until_it_is_written(tmp_path: Path) -> None:
    entries = read(tmp_path, line(1, row={"sku": "A"}), line(2, raw="B,Mug\n"), line(3, raw_base64="/0I="))
    (text, data) = (entry for entry in entries if isinstance(entry, Rejection))
    assert text.problems[0].rule == "rejected.unread"
    assert "could not read this row (products.csv:3) (csv.ragged)" in text.problems[0].message
    assert text.raw == "B,Mug\n"
    assert data.raw == b"\xffB"


def test_images_inside_a_row_are_not_there_any_more(tmp_path: Path) -> None:
    good = encoded(drawn(1))
    rows = [{"sku": "A", "image": {"bytes": good, "path": "a.png"}}, {"sku": "B", "image": {"bytes": good[:60]}}]
    schema = pa.schema({"sku": pa.string(), "image": IMAGE})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "a.parquet")
    data = {
        "source": {"type": "parquet", "path": "a.parquet"},
        "id": "sku",
        "images": {"from": "image"},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
        "max_rejected": 1,
    }
    vlmdata.build(recipe_from(data, tmp_path), tmp_path / "out", workers=1)
    data["source"] = {"type": "rejected", "path": "out/rejected.jsonl"}
    (shard,) = open_source(recipe_from(data, tmp_path).source).shards()
    (lost,) = list(shard)
    assert isinstance(lost, Rejection)
    assert lost.problems[0].rule == "rejected.bytes"
    assert "(a.parquet:2)" in lost.problems[0].hint


def test_lines_of_another_kind_are_named(tmp_path: Path) -> None:
    _, lost = read(tmp_path, line(1, row={"sku": "A"}), {"sku": "B"})
    assert isinstance(lost, Rejection)
    assert lost.problems[0].rule == "rejected.form"
    assert lost.raw == '{"sku": "B"}'


def test_cells_of_json_are_read_unless_they_are_already(tmp_path: Path) -> None:
    rows = ({"sku": "A", "extra": '{"a": 1}'}, {"sku": "B", "extra": {"a": 2}}, {"sku": "C", "extra": "{"})
    entries = read(tmp_path, *(line(n, row=row) for n, row in enumerate(rows)), json=["extra"])
    assert [entry.values["extra"] for entry in entries if isinstance(entry, RawRecord)] == [{"a": 1}, {"a": 2}]
    assert isinstance(entries[2], Rejection)


def test_a_file_without_any_row_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rejected\.jsonl: the file is empty: no row was rejected"):
        _ = columns(tmp_path)
    (tmp_path / "rejected.jsonl").write_text(json.dumps(line(1, raw="x")), encoding="utf-8")
    with pytest.raises(SourceError, match="none of the first 1 rows can be read"):
        _ = columns(tmp_path)


def columns(folder: Path) -> Any:
    """The columns of a rejected.jsonl, an empty one where there is none."""
    (folder / "rejected.jsonl").touch()
    data = {
        "source": {"type": "rejected", "path": "rejected.jsonl"},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, folder).source).columns
