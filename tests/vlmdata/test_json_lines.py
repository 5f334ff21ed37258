"""JSON Lines: a broken line costs itself alone, and is named with its rule, line and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import json_lines, known_columns, open_source
from vlmdata.source.json_lines import JsonLinesSource

Entry = RawRecord | Rejection | Skip
GOOD = b'{"sku": "A"}\n'


def source_of(folder: Path, **options: Any) -> Any:
    """The source of a recipe over rows.jsonl in a folder."""
    data = {
        "source": {"type": "jsonl", "path": "rows.jsonl", **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, folder).source)


def read(folder: Path, data: bytes, **options: Any) -> list[Entry]:
    """Every line of a file with these bytes, each of which must be there once."""
    (folder / "rows.jsonl").write_bytes(data)
    source = source_of(folder, **options)
    (shard,) = source.shards()
    entries = list(shard)
    assert [entry.origin.line for entry in entries] == list(range(1, shard.lines_read + 1))
    assert [entry.origin.row for entry in entries] == [entry.origin.line for entry in entries]
    assert shard.share_read == 1
    return entries


def values(entries: list[Entry]) -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)]


def rejected(entries: list[Entry]) -> dict[int, str]:
    return {entry.origin.line: entry.problems[0].rule for entry in entries if isinstance(entry, Rejection)}


def test_rows_have_the_keys_of_all_rows(tmp_path: Path) -> None:
    entries = read(tmp_path, b'{"sku": "A", "n": 3}\n\n  \r\n{"sku": "B", "tags": ["x"], "size": {"cm": 3.5}}')
    assert values(entries) == [
        {"sku": "A", "n": 3, "tags": None, "size": None},
        {"sku": "B", "n": None, "tags": ["x"], "size": {"cm": 3.5}},
    ]
    assert [entry.reason for entry in entries if isinstance(entry, Skip)] == ["empty row"] * 2


@pytest.mark.parametrize(
    ("line", "rule", "words"),
    [
        (b'{"sku": "A", "t": "x}', "json.syntax", "not JSON at column 19: unterminated string starting"),
        (b'{"sku" "A"}', "json.syntax", "not JSON at column 8: expecting ':' delimiter"),
        (b"{'sku': 1}", "json.syntax", "not JSON at column 2: expecting property name"),
        (b'{"sku": "A"} {"sku": "B"}', "json.syntax", "not JSON at column 14: there is more text"),
        (b"sku,title", "json.syntax", "not JSON at column 1: expecting value"),
        (b'{"sku": "K\xf6ln"}', "json.encoding", "byte 0xf6 is not UTF-8 (column 11)"),
        (b'\xff{"sku": 1}', "json.encoding", "byte 0xff is not UTF-8 (column 1)"),
        (b'["A"]', "json.not_an_object", "found a list, expected an object"),
        (b'"A"', "json.not_an_object", "found the text 'A'"),
        (b"null", "json.not_an_object", "found null"),
        (b"3", "json.not_an_object", "found the number 3"),
        (b'{"sku": "A", "sku": "B"}', "json.duplicate_key", "the key 'sku' stands 2 times in one object"),
        (b'{"a": [{"b": 1, "b": 1}]}', "json.duplicate_key", "the key 'b' stands 2 times"),
        (b'{"sku": "\\ud83d"}', "json.surrogate", "half of a surrogate pair"),
        (b'{"\\uDE00": 1}', "json.surrogate", "half of a surrogate pair"),
        (b'{"price": Infinity}', "json.number", "Infinity is no number"),
        (b'{"price": -Infinity}', "json.number", "-Infinity is no number"),
        (b'{"price": 1e999}', "json.number", "1e999 is too large"),
        (b'{"price": ' + b"9" * 5000 + b"}", "json.number", "has 5,000 digits"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "json.depth", "more than 64 deep"),
        (b'{"a": ' + b"[" * 9000 + b"]" * 9000 + b"}", "json.depth", "more than 64 deep"),
    ],
)
def test_a_broken_line_is_rejected_by_itself(tmp_path: Path, line: bytes, rule: str, words: str) -> None:
    entries = read(tmp_path, GOOD + line + b"\r\n" + GOOD)
    assert [row["sku"] for row in values(entries)] == ["A", "A"]
    (lost,) = [entry for entry in entries if isinstance(entry, Rejection)]
    (problem,) = lost.problems
    assert (problem.rule, problem.line, lost.origin.line) == (rule, 2, 2)
    assert words in problem.message
    assert problem.hint
    assert (lost.raw if isinstance(lost.raw, bytes) else str(lost.raw).encode()) == line


def test_whole_characters_written_as_escapes_are_text(tmp_path: Path) -> None:
    assert values(read(tmp_path, b'{"sku": "\\ud83d\\ude00 \\u00e9"}')) == [{"sku": "\U0001f600 é"}]


def test_what_pandas_writes_for_a_missing_number_is_missing(tmp_path: Path) -> None:
    assert values(read(tmp_path, b'{"price": NaN}\n')) == [{"price": None}]


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    assert values(read(tmp_path, b"\xef\xbb\xbf" + GOOD)) == [{"sku": "A"}]


def test_unusual_line_ends_inside_a_text_end_no_line(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d"
    assert values(read(tmp_path, json.dumps({"sku": text}, ensure_ascii=False).encode())) == [{"sku": text}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "rows.jsonl: the file is empty"),
        (b"\xef\xbb\xbf \n", "rows.jsonl: the file is empty"),
        (json.dumps({"sku": "A"}).encode("utf-16"), "the file is in UTF-16, UTF-8 was expected"),
        (json.dumps({"sku": "A"}).encode("utf-16-le"), "the file is in UTF-16, UTF-8 was expected"),
        (b"PK\x03\x04...", "this is an Excel file or another zip"),
        (b"\x1f\x8b...", "this is a gzip file"),
        (b'[\n{"sku": 1}\n]', "this is a list of rows.*set source.type: json"),
        (b'[{"sku": 1},\n{"sku": 2}]', "this is a list of rows.*set source.type: json"),
        (b'{\n"sku": 1\n}', "this is one object over several lines.*set source.type: json"),
        (b"sku,title\nA,Mug\n", "none of the first 2 rows can be read"),
    ],
)
def test_what_is_no_json_lines_file_is_said_so(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read(tmp_path, data)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.jsonl: there is no such file"):
        _ = source_of(tmp_path).columns
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(SourceError, match=r"rows\.jsonl: this folder holds no file \*\.jsonl"):
        _ = source_of(tmp_path).columns


def test_columns_come_from_the_first_rows_or_from_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'{"a": 1}\n{"b": 1}\n{"c": 1}\n'
    (tmp_path / "rows.jsonl").write_bytes(data)
    assert source_of(tmp_path).columns == ("a", "b", "c")
    assert source_of(tmp_path, columns=["c", "x"]).columns == ("c", "x")
    assert values(read(tmp_path, data, columns=["c", "x"]))[0] == {"c": None, "x": None, "a": 1}
    monkeypatch.setattr(known_columns, "FIRST_ROWS", 2)
    assert source_of(tmp_path).columns == ("a", "b")
    monkeypatch.setattr(known_columns, "FIRST_BYTES", 5)
    assert source_of(tmp_path).columns == ("a",)


def test_a_line_longer_than_the_bound_is_rejected_with_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 50)
    monkeypatch.setattr(json_lines, "KEPT_BYTES", 20)
    long = b'{"sku": "' + b"x" * 200 + b'"}\n'
    entries = read(tmp_path, GOOD + long + GOOD + long.rstrip())
    assert rejected(entries) == {2: "json.long_line", 4: "json.long_line"}
    assert [row["sku"] for row in values(entries)] == ["A", "A"]
    assert next(entry for entry in entries if isinstance(entry, Rejection)).raw == '{"sku": "xxxxxxxxxxx'


def test_a_line_of_just_the_bound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", len(GOOD))
    assert rejected(read(tmp_path, GOOD + GOOD)) == {}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), min_size=1, max_size=5)


@given(ROWS, st.booleans())
@settings(max_examples=150)
def test_what_json_writes_is_read_back(tmp_path: Path, rows: list[dict[str, Any]], ascii_only: bool) -> None:
    data = b"".join(json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    assert values(read(tmp_path, data)) == [{**dict.fromkeys(columns), **row} for row in rows]


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=5))
@settings(max_examples=200)
def test_no_bytes_cost_another_line_its_row(tmp_path: Path, lines: list[bytes]) -> None:
    entries = read(tmp_path, GOOD + b"".join(line + b"\n" for line in lines) + GOOD)
    assert len(entries) == len(lines) + 2
    assert values(entries)[0]["sku"] == values(entries)[-1]["sku"] == "A"


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(GOOD * 3)
    source = JsonLinesSource(tmp_path / "rows.jsonl")
    (shard,) = source.shards()
    assert list(shard) == list(shard)
    assert shard.lines_read == 3
