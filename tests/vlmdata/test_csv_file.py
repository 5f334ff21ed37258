"""The CSV reader: exact on what csv.writer writes, and no neighbour lost beside a broken line."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.vlmdata.shop import COLUMNS, csv_text, product
from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source.csv_file import CsvOptions, CsvSource, open_csv

Entry = RawRecord | Rejection | Skip


def read(path: Path, data: bytes, **config: Any) -> list[Entry]:
    """Every row of a file with these bytes, after checking that each physical line belongs to exactly one of them."""
    path.write_bytes(data)
    (shard,) = CsvSource(path, CsvOptions(**config)).shards()
    entries = list(shard)
    line = shard.lines_of_header
    for row, entry in enumerate(entries, start=1):
        assert entry.origin.row == row
        assert entry.origin.line == line + 1
        line = entry.origin.last_line
    assert line == shard.lines_read
    return entries


def values(entries: list[Entry]) -> list[tuple[str, ...]]:
    return [tuple(entry.values.values()) for entry in entries if isinstance(entry, RawRecord)]


def rejected(entries: list[Entry]) -> dict[int, str]:
    """The rule that rejected each row, by the line it starts on."""
    return {entry.origin.line: entry.problems[0].rule for entry in entries if isinstance(entry, Rejection)}


def text_of(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in [",".join(COLUMNS), *lines]).encode()


def plain(number: int) -> str:
    return ",".join(product(number))


ENCODINGS = {"utf-8": None, "utf-8-sig": None, "utf-16": None, "cp1252": "äöüß€–„“éñ"}


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[list[str]], str]:
    """An encoding, a delimiter, rows with awkward cells, and the text that csv.writer makes of them."""
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    letters = ENCODINGS[encoding] or "äß€中🏺\u2028\x85\ufeff"
    cell = st.text(st.sampled_from(f"ab1 \"'\n\r,;\t|.-{letters}"), max_size=12)
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=8))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    if end == "\n" and quoting == csv.QUOTE_MINIMAL:  # Python 3.11's writer leaves a lone carriage return unquoted then
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    header = [f"c{i}" for i in range(width)]
    text = csv_text([header, *rows], delimiter=delimiter, quoting=quoting, lineterminator=end)
    for row in rows:
        record = csv_text([row], delimiter=delimiter, quoting=quoting, lineterminator="")
        assume(not any(line.count(delimiter) == width - 1 for line in re.split("\r\n|\r|\n", record)[1:]))
    return encoding, delimiter, rows, text


@given(tables())
@settings(max_examples=150)
def test_what_csv_writer_wrote_is_read_back_equal(tmp_path: Path, table: tuple[str, str, list[list[str]], str]) -> None:
    encoding, delimiter, rows, text = table
    entries = read(tmp_path / "a.csv", text.encode(encoding), encoding=encoding, delimiter=delimiter)
    wanted = [tuple(row) for row in rows if any(cell.strip() for cell in row)]
    assert values(entries) == wanted
    blank = [entry for entry in entries if isinstance(entry, Skip)]
    assert len(blank) + len(wanted) == len(entries) == len(rows)


OPENED_AT = {"first": 0, "middle": 2, "last": 3}


@pytest.mark.parametrize("column", OPENED_AT)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL], ids=["minimal", "all"])
@pytest.mark.parametrize("at", [[0], [7], [19], [3, 4], [2, 9, 18], [0, 19]], ids=str)
def test_an_unterminated_quote_costs_the_line_it_opened_on(
    tmp_path: Path, column: str, quoting: int, at: list[int]
) -> None:
    lines = csv_text([COLUMNS, *map(product, range(20))], quoting=quoting, lineterminator="\n").splitlines()
    for number in at:
        cells = list(product(number))
        written = [f'"{cell}"' if quoting == csv.QUOTE_ALL else cell for cell in cells]
        written[OPENED_AT[column]] = f'"{cells[OPENED_AT[column]]}'
        lines[number + 1] = ",".join(written)
    entries = read(tmp_path / "a.csv", "".join(f"{line}\n" for line in lines).encode())
    assert values(entries) == [product(number) for number in range(20) if number not in at]
    assert rejected(entries) == {number + 2: "csv.quote" for number in at}


def test_a_quote_opened_and_closed_rows_later_by_an_inch_mark_swallows_no_row(tmp_path: Path) -> None:
    broken = 'SKU-001,1.png,"Mug,12 inches'
    inches = 'SKU-004,0.png,15",A mug'
    entries = read(tmp_path / "a.csv", text_of([plain(0), broken, plain(2), plain(3), inches, plain(5)]))
    assert rejected(entries) == {3: "csv.quote"}
    assert values(entries)[1:3] == [product(2), product(3)]
    assert values(entries)[3] == ("SKU-004", "0.png", '15"', "A mug")


def test_a_swallowed_row_is_found_in_a_file_of_two_columns(tmp_path: Path) -> None:
    data = b'photo,text\nimg/1.jpg,"A mug\nimg/2.jpg,A vase\nimg/3.jpg,A jug of 15"\nimg/4.jpg,A pot\n'
    entries = read(tmp_path / "a.csv", data)
    assert rejected(entries) == {2: "csv.quote"}
    assert [row[0] for row in values(entries)] == ["img/2.jpg", "img/3.jpg", "img/4.jpg"]


def test_many_rows_after_an_unterminated_quote_all_survive(tmp_path: Path) -> None:
    lines = [plain(number) for number in range(700)]
    lines[100] = f'{lines[100][:8]}"{lines[100][8:]}'
    entries = read(tmp_path / "a.csv", text_of(lines))
    assert len(values(entries)) == 699
    assert rejected(entries) == {102: "csv.quote"}


def test_the_problem_names_where_the_quote_opened(tmp_path: Path) -> None:
    (entry,) = [
        e for e in read(tmp_path / "a.csv", text_of(['A,1.png,"Mug,a mug', plain(1)])) if isinstance(e, Rejection)
    ]
    assert "opens at line 2, column 9" in entry.problems[0].message
    assert entry.raw == 'A,1.png,"Mug,a mug\n'


INSERTED = ['"', '""', ",", "\0", "\n", "\r", '",', ',"', '\n"', "\\", "x"]
CLEAN_ROWS = [
    product(0),
    product(1, title="Mug, tall"),
    product(2, description='The 12" mug'),
    product(3),
    product(4, title='"Mug", said', description="a, b, c"),
    product(5),
    product(6, description=""),
    product(7),
]


@st.composite
def broken_files(draw: st.DrawFn) -> tuple[int, list[str], set[int]]:
    """A good file's lines with a few of them damaged, and which."""
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    lines = [csv_text([row], quoting=quoting, lineterminator="") for row in CLEAN_ROWS]
    touched = draw(st.sets(st.integers(0, len(lines) - 1), min_size=1, max_size=4))
    for number in sorted(touched):
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, len(lines[number])))
            lines[number] = lines[number][:place] + draw(st.sampled_from(INSERTED)) + lines[number][place:]
    return quoting, lines, touched


@given(broken_files())
@settings(max_examples=400)
def test_no_damage_to_a_line_costs_another_line_its_row(
    tmp_path: Path, broken: tuple[int, list[str], set[int]]
) -> None:
    quoting, lines, touched = broken
    header = csv_text([COLUMNS], quoting=quoting, lineterminator="")
    entries = read(tmp_path / "a.csv", "".join(f"{line}\n" for line in [header, *lines]).encode())
    kept = values(entries)
    for number, row in enumerate(CLEAN_ROWS):
        if number not in touched:
            assert kept.count(row) == 1, row


@given(st.binary(max_size=300))
@example(b'"')
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf")
@example(b'a,b\n"')
@example(b"a,b\n\r\n\r\r")
@settings(max_examples=150)
def test_no_bytes_make_the_reader_fail(tmp_path: Path, data: bytes) -> None:
    for encoding in ("utf-8", "utf-16", "cp1252"):
        for start in (b"", "a,b\n1,2\n".encode(encoding)):
            try:
                read(tmp_path / "a.csv", start + data, encoding=encoding)
            except SourceError as error:
                assert str(error).startswith("a.csv: ")


@given(
    st.binary(min_size=1, max_size=40).filter(lambda data: b"\n" not in data and b"\r" not in data and b'"' not in data)
)
@settings(max_examples=200)
def test_bytes_that_do_not_decode_cost_their_own_row_and_are_kept(tmp_path: Path, data: bytes) -> None:
    line = b"SKU-9,\xff," + data
    entries = read(tmp_path / "a.csv", text_of([plain(1)]) + line + b"\n" + text_of([plain(2)]).splitlines(True)[1])
    assert values(entries) == [product(1), product(2)]
    (lost,) = [entry for entry in entries if isinstance(entry, Rejection)]
    assert lost.raw == line + b"\n"
    assert lost.problems[0].rule == "csv.encoding"
    assert lost.origin.line == 3


def test_a_byte_order_mark_before_a_quoted_header_is_no_part_of_it(tmp_path: Path) -> None:
    entries = read(tmp_path / "a.csv", b'\xef\xbb\xbf"sku","a, b"\n"1","2"\n', encoding="utf-8")
    assert [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)] == [{"sku": "1", "a, b": "2"}]


@pytest.mark.parametrize("encoding", ["undefined", "idna", "punycode", "hex", "no-such", "rot13"])
def test_an_encoding_that_is_none_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(SourceError, match=encoding):
        read(tmp_path / "a.csv", b"a,b\n1,2\n", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-7", "iso2022_jp", "shift_jis_2004", "gb18030", "utf-32", "cp437"])
@given(st.binary(max_size=60))
@settings(max_examples=30)
def test_rare_encodings_give_text_or_a_rejection(tmp_path: Path, encoding: str, data: bytes) -> None:
    try:
        entries = read(tmp_path / "a.csv", "a,b\n1,2\n".encode(encoding) + data, encoding=encoding)
    except SourceError:
        return
    for row in values(entries):
        "".join(row).encode("utf-8")


def test_half_of_a_surrogate_pair_is_no_text(tmp_path: Path) -> None:
    entries = read(tmp_path / "a.csv", b"a,b\n1,+2AA-\n2,x\n", encoding="utf-7")
    assert rejected(entries) == {2: "csv.encoding"}
    assert values(entries) == [("2", "x")]


def test_empty_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    entries = read(tmp_path / "a.csv", b"a,b\n\n1,2\n,\n  ,\n\n")
    assert [entry.reason for entry in entries if isinstance(entry, Skip)] == ["empty row"] * 4
    assert values(entries) == [("1", "2")]


def test_a_header_without_a_name_gets_one_from_its_place(tmp_path: Path) -> None:
    entries = read(tmp_path / "a.csv", b"\n a ,,c\n1,2,3\n")
    assert [list(entry.values) for entry in entries if isinstance(entry, RawRecord)] == [["a", "column_2", "c"]]


def test_a_file_without_a_line_end_at_its_end_is_read_whole(tmp_path: Path) -> None:
    assert values(read(tmp_path / "a.csv", b"a,b\n1,2")) == [("1", "2")]


def test_a_quote_is_a_sign_like_any_other_where_the_recipe_says_so(tmp_path: Path) -> None:
    assert values(read(tmp_path / "a.csv", b'a,b\n"1,2"\n', quote="")) == [('"1', '2"')]


def test_a_cell_longer_than_the_csv_modules_bound_is_read(tmp_path: Path) -> None:
    long = "x" * 300_000
    assert values(read(tmp_path / "a.csv", f"a,b\n1,{long}\n".encode())) == [("1", long)]


def test_a_record_longer_than_the_bound_is_given_up_at_its_first_line(tmp_path: Path) -> None:
    data = b'a,b\n1,"x\n' + b"y\n" * 10 + b'z"\n2,3\n'
    assert values(read(tmp_path / "a.csv", data))[0][0] == "1"
    entries = read(tmp_path / "a.csv", data, max_record_lines=5)
    assert rejected(entries)[2] == "csv.quote"
    assert values(entries)[-1] == ("2", "3")


def test_cells_of_json_are_read_as_lists_and_mappings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'a,b\n1,"[""x""]"\n2,\n3,"{"\n4,n/a\n5,null\n')
    config = SourceConfig(type="csv", path=tmp_path / "a.csv", nulls=("", "n/a"), options={"json": ["b"]})
    source = open_csv(config)
    assert source.columns == ("a", "b")
    (shard,) = source.shards()
    entries = list(shard)
    read_values = [dict(entry.values)["b"] for entry in entries if isinstance(entry, RawRecord)]
    assert read_values == [["x"], "", "n/a", None]
    (lost,) = [entry for entry in entries if isinstance(entry, Rejection)]
    assert (lost.problems[0].rule, lost.problems[0].field, lost.origin.line) == ("json.cell", "b", 4)
    assert lost.row == {"a": "3", "b": "{"}
    assert (shard.lines_read, shard.lines_of_header) == (6, 1)


def test_a_column_of_json_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"sku,features\n1,[]\n")
    config = SourceConfig(type="csv", path=tmp_path / "a.csv", options={"json": ["feature"]})
    with pytest.raises(SourceError, match=r"a\.csv: source\.json names columns .*\n.*did you mean 'features'\?"):
        _ = open_csv(config).columns
