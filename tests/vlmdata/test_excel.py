"""Excel: cells as a person sees them, and errors that no reader shows are named."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest

from vlmdata.errors import MissingPackageError, SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source
from vlmdata.source.excel import as_shown
from vlmdata.source.excel_faults import column_letters, column_number

Entry = RawRecord | Rejection | Skip


def write(path: Path, rows: Sequence[Sequence[Any]], sheet: str = "Products", **others: Any) -> Path:
    """An .xlsx file with these rows, and other sheets."""
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for name, cells in others.items():
        other = book.create_sheet(name)
        for row in cells:
            other.append(row)
    book.save(path)
    return path


def source_of(path: Path, nulls: Sequence[str] = ("",), **options: Any) -> Any:
    """The source of a recipe over an Excel file."""
    data = {
        "source": {"type": "excel", "path": path.name, "nulls": list(nulls), **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, path.parent).source)


def read(path: Path, **options: Any) -> list[Entry]:
    """Every row, each of which is one row of the sheet behind the header's."""
    (shard,) = source_of(path, **options).shards()
    entries = list(shard)
    lines = range(shard.lines_of_header + 1, shard.lines_read + 1)
    assert [entry.origin.line for entry in entries] == list(lines)
    assert [entry.origin.row for entry in entries] == list(range(1, len(entries) + 1))
    assert shard.share_read == 1 or not entries
    return entries


def values(entries: list[Entry]) -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("Mug", "Mug"),
        (" a \n b ", " a \n b "),
        (3, "3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (12.50, "12.5"),
        (0.1 + 0.2, "0.3"),
        (100, "100"),
        (4006381333931, "4006381333931"),
        (1e20, "100000000000000000000"),
        (0.00001, "0.00001"),
        (True, "TRUE"),
        (False, "FALSE"),
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 8, 30), "2026-03-01 08:30:00"),
        (datetime.time(8, 30), "08:30:00"),
        (datetime.timedelta(hours=30, minutes=5), "30:05:00"),
        ("00042", "00042"),
        ("1/2", "1/2"),
    ],
)
def test_a_cell_is_read_as_it_is_shown(tmp_path: Path, cell: Any, shown: str) -> None:
    write(tmp_path / "a.xlsx", [["sku", "value"], ["A", cell]])
    assert values(read(tmp_path / "a.xlsx")) == [{"sku": "A", "value": shown}]


def test_a_negative_span_of_time_is_shown_with_its_sign() -> None:
    assert as_shown(datetime.timedelta(minutes=-90)) == "-1:30:00"


def test_rows_have_the_numbers_of_the_sheet(tmp_path: Path) -> None:
    rows = [["Price list", None], [], ["sku", None], ["A", "x"], [None, None], ["B", None]]
    entries = read(write(tmp_path / "a.xlsx", rows), header_row=3)
    assert values(entries) == [{"sku": "A", "column_2": "x"}, {"sku": "B", "column_2": None}]
    assert [entry.origin.line for entry in entries] == [4, 5, 6]
    assert [entry.reason for entry in entries if isinstance(entry, Skip)] == ["empty row"]


def test_a_sheet_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", [["sku"], ["A"]], Archive=[["sku"], ["Z"]])
    assert values(read(path)) == [{"sku": "A"}]
    assert values(read(path, sheet="Archive")) == [{"sku": "Z"}]
    assert source_of(path, sheet="Archive").columns == ("sku",)
    with pytest.raises(SourceError, match=r"a\.xlsx: there is no sheet 'Archiv'; did you mean 'Archive'\?"):
        read(path, sheet="Archiv")
    with pytest.raises(SourceError, match="there is no sheet 'Tabelle1'; its sheets are 'Products', 'Archive'"):
        read(path, sheet="Tabelle1")


def test_a_cell_with_an_error_rejects_its_row(tmp_path: Path) -> None:
    rows = [["sku", "price", "title"], ["A", "#REF!", "Mug"], ["B", 3, "Cup"], ["C", "#N/A", "#DIV/0!"]]
    entries = read(write(tmp_path / "a.xlsx", rows))
    assert values(entries) == [{"sku": "B", "price": "3", "title": "Cup"}]
    first, second = (entry for entry in entries if isinstance(entry, Rejection))
    assert first.row == {"sku": "A", "price": "#REF!", "title": "Mug"}
    assert [problem.rule for problem in second.problems] == ["excel.error_value"] * 2
    assert first.problems[0].field == "price"
    assert first.problems[0].message == "the cell B2 shows the error #REF!"


def test_an_error_that_the_recipe_calls_missing_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", [["sku", "price"], ["A", "#N/A"], ["B", "#REF!"]])
    entries = read(path, nulls=["", "#N/A"])
    assert values(entries) == [{"sku": "A", "price": "#N/A"}]
    assert isinstance(entries[1], Rejection)


def test_a_formula_that_was_never_calculated_rejects_its_row(tmp_path: Path) -> None:
    entries = read(write(tmp_path / "a.xlsx", [["sku", "price"], ["A", "=1+1"], ["B", 2]]))
    (lost,) = [entry for entry in entries if isinstance(entry, Rejection)]
    assert lost.problems[0].rule == "excel.no_result"
    assert "B2 holds a formula, and the file has no result of it" in lost.problems[0].message


def test_a_formula_with_a_result_is_read_as_its_result(tmp_path: Path) -> None:
    write(tmp_path / "plain.xlsx", [["sku", "price"], ["A", "=1+1"], ["B", "=A1"]])
    with ZipFile(tmp_path / "plain.xlsx") as old, ZipFile(tmp_path / "a.xlsx", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.startswith("xl/worksheets/"):
                assert data.count(b"<v></v>") + data.count(b"<v />") + data.count(b"<v/>") == 2
                for empty in (b"<v></v>", b"<v />", b"<v/>"):
                    data = data.replace(empty, b"<v>2</v>")
            new.writestr(name, data)
    assert values(read(tmp_path / "a.xlsx")) == [{"sku": "A", "price": "2"}, {"sku": "B", "price": "2"}]


def test_merged_cells_have_their_value_in_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", [["kind", "sku"], ["Mugs", "A"], [None, "B"]])
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("A2:A3")
    book.save(path)
    assert values(read(path)) == [{"kind": "Mugs", "sku": "A"}, {"kind": None, "sku": "B"}]


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], {}, "row 1 of the sheet 'Products' is empty"),
        ([["sku"]], {"header_row": 5}, "row 5 of the sheet 'Products' is empty.*set source.header_row"),
        ([[None, " "], ["A", "B"]], {}, "row 1 of the sheet 'Products' is empty"),
        ([["sku", "sku "]], {}, "the column 'sku' stands 2 times"),
    ],
)
def test_a_sheet_without_a_header_is_refused(
    tmp_path: Path, rows: list[list[Any]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        read(write(tmp_path / "a.xlsx", rows), **options)


@pytest.mark.parametrize("data", [b"", b"sku,title\n", b"PK\x03\x04 and no more", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_what_is_no_excel_file_is_said_so(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.xlsx: this is no Excel file that can be read"):
        read(tmp_path / "a.xlsx")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.xlsx: there is no such file"):
        read(tmp_path / "a.xlsx")


def test_a_missing_package_is_named_with_its_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.xlsx", [["sku"], ["A"]])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'vlmdata\[excel\]'"):
        read(tmp_path / "a.xlsx")


def test_cells_of_json_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", [["sku", "features"], ["A", '["dishwasher-safe"]'], ["B", None]])
    assert values(read(path, json=["features"])) == [
        {"sku": "A", "features": ["dishwasher-safe"]},
        {"sku": "B", "features": None},
    ]


@pytest.mark.parametrize(("number", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_are_lettered_as_in_excel(number: int, letters: str) -> None:
    assert column_letters(number) == letters
    assert column_number(letters) == number
