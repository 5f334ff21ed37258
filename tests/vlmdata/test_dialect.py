"""Encoding, delimiter and quote: what is found in files of many kinds, damaged ones among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vlmdata.drawn_catalogs import Written
from vlmdata.errors import SourceError
from vlmdata.source.dialect import Dialect, find_dialect
from vlmdata.source.encoding import find_encoding


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    return path


def dialect(tmp_path: Path, text: str, encoding: str = "utf-8") -> Dialect:
    return find_dialect(written(tmp_path, text.encode(encoding)))


GERMAN = "sku;text\n" + "".join(f"{number};Schöne Tasse Größe {number} für 3 €\n" for number in range(100))
ENGLISH = "sku;text\n" + "".join(f"{number};A fine mug\n" for number in range(100))


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8-sig"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "utf-32", "utf-32"),
        (GERMAN, "cp1252", "cp1252"),
        (ENGLISH, "ascii", "utf-8"),
        (ENGLISH + "101;Déjà vu, “so to say” – 20°\n", "cp1252", "cp1252"),
        (GERMAN.replace("\n", "\r"), "cp1252", "cp1252"),
    ],
)
def test_encodings_are_found(text: str, encoding: str, found: str, tmp_path: Path) -> None:
    assert find_encoding(written(tmp_path, text.encode(encoding))).name == found


@pytest.mark.parametrize("bad", [b"5;Gr\xf6\xdfe\n", b"5;\xff\xfe\n", b"5;\xc3(\n", b"5;cut \xe2\x82\n"])
def test_some_bad_rows_leave_a_utf8_file_utf8(bad: bytes, tmp_path: Path) -> None:
    found = find_encoding(written(tmp_path, GERMAN.encode() + 40 * bad))
    assert found.name == "utf-8"
    assert found.reason == "lines with letters in UTF-8: 100; rejected, since they do not decode: 40"


@pytest.mark.parametrize("bad", [b"5;\xff\xfe\n", b"5;caf\xc3(\n", b"5;mug\x81\n", b"5;mug\xd0\xd1\xd2\xd3\n"])
def test_a_few_senseless_bytes_leave_a_plain_file_utf8(bad: bytes, tmp_path: Path) -> None:
    assert find_encoding(written(tmp_path, ENGLISH.encode() + 3 * bad)).name == "utf-8"


def test_a_file_of_several_chunks_is_read_to_its_end(tmp_path: Path) -> None:
    data = 60_000 * b"12;A plain line of a table\n" + 9 * b"13;Gr\xfcn\n"
    found = find_encoding(written(tmp_path, data))
    assert (found.name, found.reason) == ("cp1252", "lines that are not UTF-8, and read well as Windows-1252: 9")


def test_text_in_no_known_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="101 of 101 lines are neither UTF-8 nor Windows-1252"):
        find_encoding(written(tmp_path, ("код;Синяя кружка\n" * 101).encode("koi8-r")))


def test_the_delimiter_is_the_one_that_rows_agree_on(tmp_path: Path) -> None:
    rows = "".join(f"{n};3,5;Mug, red, {'|'.join(['a'] * (n % 4 + 1))}\n" for n in range(50))
    found = dialect(tmp_path, f"sku;size;text\n{rows}")
    assert (found.delimiter, found.quote) == (";", '"')
    assert found.delimiter_reason == "50 of 50 rows have the header's 3 cells"


def test_ragged_rows_and_open_quotes_do_not_disturb(tmp_path: Path) -> None:
    good = "".join(f'{n},"Mug; no {n}",Fine\n' for n in range(50))
    found = dialect(tmp_path, f'sku,title,text\n1,2\n"open,x,y\n{good}1,2,3,4,5\n"never closes,x,y\n')
    assert (found.delimiter, found.quote) == (",", '"')
    assert found.delimiter_reason == "50 of 54 rows have the header's 3 cells"


def test_a_header_with_another_delimiter_in_a_name_does_not_disturb(tmp_path: Path) -> None:
    found = dialect(tmp_path, "sku,size; in cm,text\n" + "1,2,3\n" * 20)
    assert found.delimiter == ","


@pytest.mark.parametrize(
    ("row", "quote"),
    [
        ("1,'Mug, red',Fine\n", "'"),
        ("1,Mug red,'Fine'\n", "'"),
        ('1,"19"" screen",Fine\n', '"'),
        ('1,"Best" mug,Fine\n', ""),
        ("1,Mug's,Fine\n", '"'),
    ],
)
def test_quotes_are_found_by_what_they_enclose(row: str, quote: str, tmp_path: Path) -> None:
    assert dialect(tmp_path, "sku,title,text\n" + row * 30).quote == quote


def test_a_few_titles_in_single_quotes_are_text(tmp_path: Path) -> None:
    rows = "1,Mug,Fine\n" * 20 + "1,'Aurora',Fine\n" * 5
    assert dialect(tmp_path, f"sku,title,text\n{rows}").quote == '"'


def test_one_column_has_no_delimiter(tmp_path: Path) -> None:
    assert dialect(tmp_path, "text\nA mug\nA lamp\n").delimiter_reason == "there is one column"


CELLS = st.text(st.sampled_from("abc ,;|\t'\"\nß0"), max_size=8)


@given(
    rows=st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=12, max_size=20),
    delimiter=st.sampled_from(",;\t|"),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_that_the_csv_module_wrote_keeps_its_delimiter(
    rows: list[list[str]], delimiter: str, tmp_path: Path
) -> None:
    table = [["sku", "title", "size", "text"], *([f"S{n}", *row[1:]] for n, row in enumerate(rows))]
    Written(delimiter=delimiter).write(tmp_path / "table.csv", table)
    assert find_dialect(tmp_path / "table.csv").delimiter == delimiter
