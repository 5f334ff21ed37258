"""Parquet: every type as a person expects it, and what is damaged named without the rows beside it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source
from vlmdata.source.arrow_values import RowReader

Entry = RawRecord | Rejection | Skip
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def source_of(path: Path, **options: Any) -> Any:
    """The source of a recipe over Parquet files."""
    data = {
        "source": {"type": "parquet", "path": path.name, **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, path.parent).source)


def read(path: Path, **options: Any) -> list[Entry]:
    """Every row of all files, each counted as one line of its file."""
    entries: list[Entry] = []
    for shard in source_of(path, **options).shards():
        found = list(shard)
        assert shard.lines_read == len(found)
        assert [entry.origin.row for entry in found] == list(range(1, len(found) + 1))
        assert all(entry.origin.line == entry.origin.row for entry in found)
        entries += found
    return entries


def values(entries: list[Entry]) -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)]


def one(tmp_path: Path, value: Any, kind: pa.DataType) -> Any:
    """What a single value of a type is read as."""
    pq.write_table(pa.table({"v": pa.array([value], kind)}), tmp_path / "a.parquet", store_schema=True)
    (row,) = values(read(tmp_path / "a.parquet"))
    return row["v"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("Mug", pa.string(), "Mug"),
        (3, pa.int64(), 3),
        (3.0, pa.float64(), 3.0),
        (0.1, pa.float32(), 0.1),
        ([0.1, None], pa.list_(pa.float32()), [0.1, None]),
        (True, pa.bool_(), True),
        (None, pa.string(), None),
        (None, pa.null(), None),
        (None, IMAGE, None),
        (b"\x89PNG", pa.binary(), b"\x89PNG"),
        ({"bytes": b"\x89PNG", "path": "a.png"}, IMAGE, {"bytes": b"\x89PNG", "path": "a.png"}),
        ([{"bytes": b"x", "path": None}], pa.list_(IMAGE), [{"bytes": b"x", "path": None}]),
        (Decimal("12.50"), pa.decimal128(8, 2), "12.50"),
        (Decimal("0E-8"), pa.decimal128(20, 8), "0.00000000"),
        (datetime.date(2026, 3, 1), pa.date32(), "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 8, 30), pa.timestamp("ms"), "2026-03-01T08:30:00"),
        (1_772_354_096_123_456_789, pa.timestamp("ns", "UTC"), "2026-03-01T08:34:56.123456789+00:00"),
        (datetime.time(8, 30), pa.time64("us"), "08:30:00"),
        (datetime.timedelta(hours=30), pa.duration("s"), "1 day, 6:00:00"),
        ([("colour", 1.5), ("size", None)], pa.map_(pa.string(), pa.float64()), {"colour": 1.5, "size": None}),
        ("red", pa.dictionary(pa.int8(), pa.string()), "red"),
        (
            [{"when": datetime.date(2026, 3, 1), "n": [Decimal("1.0")]}],
            pa.list_(pa.struct({"when": pa.date32(), "n": pa.list_(pa.decimal128(3, 1))})),
            [{"when": "2026-03-01", "n": ["1.0"]}],
        ),
    ],
)
def test_a_value_is_read_as_a_person_expects(tmp_path: Path, value: Any, kind: pa.DataType, expected: Any) -> None:
    found = one(tmp_path, value, kind)
    assert found == expected
    assert type(found) is type(expected)


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    (folder / ".cache").mkdir()
    pq.write_table(pa.table({"sku": ["C"], "n": [1]}), folder / "train" / "2.parquet")
    pq.write_table(pa.table({"sku": ["A", "B"]}), folder / "train" / "1.parquet")
    pq.write_table(pa.table({"sku": ["X"]}), folder / ".cache" / "1.parquet")
    entries = read(folder)
    assert values(entries) == [{"sku": "A", "n": None}, {"sku": "B", "n": None}, {"sku": "C", "n": 1}]
    assert [entry.origin.source for entry in entries] == ["train/1.parquet", "train/1.parquet", "train/2.parquet"]
    assert source_of(folder).columns == ("sku", "n")
    assert [path.name for path in source_of(folder).files] == ["1.parquet", "2.parquet"]


def test_a_row_group_is_read_in_batches(tmp_path: Path) -> None:
    rows = [{"sku": str(n), "image": {"bytes": bytes([n % 256]) * 50_000, "path": "a.png"}} for n in range(600)]
    table = pa.Table.from_pylist(rows, schema=pa.schema({"sku": pa.string(), "image": IMAGE}))
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False, write_batch_size=16)
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 1
    before = pa.total_allocated_bytes()
    (shard,) = source_of(tmp_path / "a.parquet").shards()
    found, most = [], 0
    for entry in shard:
        most = max(most, pa.total_allocated_bytes() - before)
        found.append(int(entry.values["sku"]))
    assert found == list(range(600))
    assert most < 25_000_000


def test_text_that_is_no_utf_8_costs_its_row(tmp_path: Path) -> None:
    texts = pa.array([b"Mug", b"K\xf6ln", b"Cup"]).view(pa.string())
    pq.write_table(pa.table({"sku": ["A", "B", "C"], "title": texts}), tmp_path / "a.parquet")
    entries = read(tmp_path / "a.parquet")
    assert [row["sku"] for row in values(entries)] == ["A", "C"]
    (lost,) = [entry for entry in entries if isinstance(entry, Rejection)]
    assert lost.row == {"sku": "B", "title": "K\\xf6ln"}
    (problem,) = lost.problems
    assert (problem.rule, problem.line, problem.field) == ("parquet.value", 2, "title")
    assert problem.message == "byte 0xf6 is not UTF-8"


def test_a_date_beyond_the_calendar_costs_its_row(tmp_path: Path) -> None:
    days = pa.array([0, 2_000_000_000], pa.int32()).view(pa.date32())
    pq.write_table(pa.table({"day": days}), tmp_path / "a.parquet")
    entries = read(tmp_path / "a.parquet")
    assert values(entries) == [{"day": "1970-01-01"}]
    assert isinstance(entries[1], Rejection)
    assert entries[1].problems[0].rule == "parquet.value"


def test_a_damaged_row_group_costs_its_own_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"sku": [f"SKU-{n}" for n in range(30)], "text": ["x" * 100 + str(n) for n in range(30)]})
    pq.write_table(table, path, row_group_size=10, compression="none", use_dictionary=False, write_page_checksum=True)
    column = pq.read_metadata(path).row_group(1).column(1)
    data = bytearray(path.read_bytes())
    for place in range(column.data_page_offset + 400, column.data_page_offset + 420):
        data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    entries = read(path)
    assert [row["sku"] for row in values(entries)] == [f"SKU-{n}" for n in (*range(10), *range(20, 30))]
    lost = [entry for entry in entries if isinstance(entry, Rejection)]
    assert [entry.origin.row for entry in lost] == list(range(11, 21))
    assert {entry.problems[0].rule for entry in lost} == {"parquet.damaged"}
    assert lost[0].problems[0].message.startswith("row group 2 is damaged")


def good(path: Path) -> bytes:
    pq.write_table(pa.table({"sku": ["A"]}), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "a.parquet: the file is damaged or cut short at"),
        (b"sku,title\nA,Mug\n", "this is no Parquet file \\(it begins with b'sku,'\\)"),
        (b"", "this is no Parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    ],
)
def test_what_is_no_parquet_file_is_said_so(tmp_path: Path, data: bytes | None, words: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(good(path)[:-20] if data is None else data)
    with pytest.raises(SourceError, match=words):
        read(path)


def test_all_damaged_files_of_a_folder_are_named_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    good(folder / "1.parquet")
    for name in ("2.parquet", "3.parquet"):
        (folder / name).write_bytes(good(folder / name)[:-9])
    with pytest.raises(SourceError, match="data: 2 of 3 files can't be used") as raised:
        read(folder)
    assert [problem.source for problem in raised.value.problems] == ["2.parquet", "3.parquet"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        read(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"no file \*\.parquet in this folder"):
        read(tmp_path)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["sku", "sku"])
    pq.write_table(twice, tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="the column 'sku' stands twice"):
        read(tmp_path / "b.parquet")


def test_cells_of_json_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sku": ["A", "B"], "extra": ['{"a": [1]}', "no"]}), tmp_path / "a.parquet")
    entries = read(tmp_path / "a.parquet", json=["extra"])
    assert values(entries) == [{"sku": "A", "extra": {"a": [1]}}]
    assert isinstance(entries[1], Rejection)
    assert entries[1].problems[0].rule == "json.cell"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@settings(max_examples=200)
def test_a_short_float_stays_the_same_number(number: float) -> None:
    batch = pa.record_batch({"v": pa.array([number], pa.float32())})
    (row,) = RowReader(batch.schema).rows(batch)
    assert isinstance(row, dict)
    assert pa.array([row["v"]], pa.float32())[0].as_py() == number
    assert len(repr(row["v"])) <= len(repr(number))


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 60))
@settings(max_examples=150)
def test_no_damage_makes_the_reader_fail(tmp_path: Path, inserted: bytes, place: int, cut: int) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"sku": ["A", "B"], "n": [1, 2]}), path, write_page_checksum=True)
    data = path.read_bytes()
    path.write_bytes(data[:place] + inserted + data[place + cut :])
    try:
        read(path)
    except SourceError as error:
        assert "a.parquet" in str(error)


def varint(number: int) -> bytes:
    """A number as a Parquet footer holds it (Thrift's compact protocol: zigzag, seven bits a byte)."""
    rest, written = 2 * number, b""
    while rest > 127:
        written += bytes([rest & 127 | 128])
        rest >>= 7
    return written + bytes([rest])


def claiming(path: Path, rows: int, claimed: int) -> Path:
    """A file of so many empty rows, whose footer claims that it has more."""
    pq.write_table(pa.table({"v": pa.nulls(rows, pa.string())}), path, row_group_size=rows)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    lie = data[footer:].replace(varint(rows), varint(claimed))
    assert lie != data[footer:]
    assert len(lie) == len(data) - footer
    path.write_bytes(data[:footer] + lie)
    return path


def test_rows_that_a_footer_claims_and_the_file_has_not_are_rejected(tmp_path: Path) -> None:
    found = read(claiming(tmp_path / "a.parquet", 700, 8_000))
    assert len(values(found)) == 700
    rejected = [entry.rules for entry in found[700:] if isinstance(entry, Rejection)]
    assert rejected == [("parquet.damaged",)] * 7_300


def test_a_footer_that_claims_a_million_rows_too_many_is_refused(tmp_path: Path) -> None:
    path = claiming(tmp_path / "a.parquet", 8_200, 1_048_000)
    with pytest.raises(SourceError, match=r"a\.parquet: row group 1 is damaged: it has 1,039,800 rows less"):
        read(path)
