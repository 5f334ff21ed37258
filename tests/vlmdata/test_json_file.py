"""A JSON list of rows: however it is laid out, a broken row costs itself, and nothing that follows is lost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import json_stretch, open_source

Entry = RawRecord | Rejection | Skip
ROWS = [{"sku": f"SKU-{n}", "title": f'Mug {n}, "large" {{ü}}', "size": {"cm": [n, 3.5]}} for n in range(6)]
LAYOUTS = {
    "compact": json.dumps(ROWS, ensure_ascii=False),
    "indented": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "tabs": json.dumps(ROWS, indent="\t"),
    "a row a line": "[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n",
    "comma first": "[" + "\n,".join(json.dumps(row) for row in ROWS) + "]",
}


def source_of(folder: Path, **options: Any) -> Any:
    """The source of a recipe over rows.json in a folder."""
    data = {
        "source": {"type": "json", "path": "rows.json", **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, folder).source)


def read(folder: Path, text: str | bytes, **options: Any) -> list[Entry]:
    """Every entry of a file with this text, counted as one line each."""
    (folder / "rows.json").write_bytes(text.encode() if isinstance(text, str) else text)
    (shard,) = source_of(folder, **options).shards()
    entries = list(shard)
    assert shard.lines_read == len(entries) == sum(entry.origin.lines for entry in entries)
    assert [entry.origin.row for entry in entries] == list(range(1, len(entries) + 1))
    return entries


def values(entries: list[Entry]) -> list[dict[str, Any]]:
    return [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)]


def lost(entries: list[Entry]) -> list[Rejection]:
    return [entry for entry in entries if isinstance(entry, Rejection)]


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_list_is_read_in_any_layout_and_any_chunks(
    tmp_path: Path, layout: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stretch, "CHUNK_BYTES", chunk)
    entries = read(tmp_path, LAYOUTS[layout])
    assert values(entries) == ROWS
    lines = LAYOUTS[layout].split("\n")
    for entry in entries:
        assert isinstance(entry, RawRecord)
        assert str(entry.values["sku"]) in "".join(lines[entry.origin.line - 1 : entry.origin.line + 1])


@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_a_list_is_found_under_its_key(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stretch, "CHUNK_BYTES", chunk)
    data = {"info": {"items": [1, {"a": '}]"'}]}, "n": 3, "data": {"x": "[", "items": ROWS, "end": 1}, "z": [9]}
    assert values(read(tmp_path, json.dumps(data, indent=1), records="data.items")) == ROWS
    assert values(read(tmp_path, json.dumps({"items": ROWS}), records="items")) == ROWS


@pytest.mark.parametrize(
    ("broken", "rule", "words"),
    [
        ('{"sku": "SKU-2", "title": "Mug,}', "json.syntax", "does not "),
        ('{"sku": "SKU-2", "title": Mug}', "json.syntax", "expecting value"),
        ('{"sku": "SKU-2" "title": "Mug"}', "json.syntax", "expecting ',' delimiter"),
        ('{"sku": "SKU-2", "size": {"cm": 3}', "json.syntax", "the row that begins here does not end"),
        ('{"sku": "SKU-2", "size": [3, 4}', "json.syntax", "expecting ',' delimiter"),
        ('{"sku": "SKU-2", "title": "a "quoted" word"}', "json.syntax", "expecting ',' delimiter"),
        ('{"sku": "SKU-2", "sku": "SKU-2b"}', "json.duplicate_key", "the key 'sku' stands 2 times"),
        ('{"sku": "\\ud83d"}', "json.surrogate", "half of a surrogate pair"),
        ('{"sku": Infinity}', "json.number", "Infinity"),
        ('"SKU-2"', "json.not_an_object", "found the text 'SKU-2' in the list"),
        ("[1, 2]", "json.not_an_object", "found a list in the list"),
        ("SKU-2", "json.syntax", "expecting value"),
        ('{"sku": ' + "[" * 70 + "]" * 70 + "}", "json.depth", "more than 64 deep"),
    ],
)
@pytest.mark.parametrize("chunk", [5, 1 << 20])
@pytest.mark.parametrize("separator", [",\n", ", "])
def test_a_broken_row_costs_itself_alone(
    tmp_path: Path,
    separator: str,
    chunk: int,
    broken: str,
    rule: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stretch, "CHUNK_BYTES", chunk)
    parts = [json.dumps(row) for row in ROWS]
    parts[2] = broken
    entries = read(tmp_path, "[\n" + separator.join(parts) + "\n]")
    assert values(entries) == ROWS[:2] + ROWS[3:]
    (rejection,) = lost(entries)
    (problem,) = rejection.problems
    assert (problem.rule, rejection.origin.row) == (rule, 3)
    assert words in problem.message
    assert rejection.raw == broken
    if separator == ",\n":
        assert problem.line == rejection.origin.line == 4


def test_a_break_inside_an_indented_row_is_named_with_its_line_and_column(tmp_path: Path) -> None:
    text = json.dumps(ROWS, indent=2).replace('"SKU-3",', '"SKU-3', 1)
    entries = read(tmp_path, text)
    assert values(entries) == ROWS[:3] + ROWS[4:]
    (rejection,) = lost(entries)
    line = text.split("\n").index('    "sku": "SKU-3') + 1
    assert (rejection.problems[0].line, rejection.origin.line) == (line, line - 1)
    assert "not JSON at column 18: a text does not close on its line" in rejection.problems[0].message
    assert str(rejection.raw).count("\n") == 9


def test_bytes_that_are_no_utf_8_cost_their_row(tmp_path: Path) -> None:
    data = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "]"
    entries = read(tmp_path, data.encode().replace(b"Mug 1", b"Mug \xf6"))
    (rejection,) = lost(entries)
    assert rejection.problems[0].rule == "json.encoding"
    assert rejection.problems[0].line == 3
    assert isinstance(rejection.raw, bytes)
    assert b"Mug \xf6" in rejection.raw
    assert values(entries) == [ROWS[0], *ROWS[2:]]


def test_a_file_cut_short_loses_its_last_row_and_says_so(tmp_path: Path) -> None:
    text = LAYOUTS["a row a line"]
    entries = read(tmp_path, text[: text.index("SKU-4")])
    assert values(entries) == ROWS[:4]
    assert [rejection.problems[0].rule for rejection in lost(entries)] == ["json.syntax"]
    entries = read(tmp_path, text[: text.index(',\n{"sku": "SKU-4')])
    assert values(entries) == ROWS[:4]
    assert [rejection.problems[0].rule for rejection in lost(entries)] == ["json.truncated"]
    entries = read(tmp_path, '{"data": ' + text[: text.index('\n{"sku": "SKU-4')], records="data")
    assert [rejection.problems[0].rule for rejection in lost(entries)] == ["json.truncated"]


def test_what_stands_behind_the_list_is_not_lost(tmp_path: Path) -> None:
    entries = read(tmp_path, json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]))
    assert values(entries) == ROWS[:2]
    (rejection,) = lost(entries)
    assert "more text behind the list's end" in rejection.problems[0].message
    assert rejection.raw == json.dumps(ROWS[2:])


def test_a_row_behind_no_comma_is_rejected(tmp_path: Path) -> None:
    parts = [json.dumps(row) for row in ROWS]
    entries = read(tmp_path, f"[{parts[0]}\n{parts[1]}, {parts[2]}]")
    assert values(entries) == [ROWS[0], ROWS[2]]
    assert "a comma is missing before this row" in lost(entries)[0].problems[0].message


def test_a_comma_behind_the_last_row_loses_nothing(tmp_path: Path) -> None:
    assert values(read(tmp_path, f"[{json.dumps(ROWS[0])},]")) == ROWS[:1]


def test_a_row_longer_than_the_bound_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stretch, "CHUNK_BYTES", 50)
    monkeypatch.setattr(json_stretch, "MAX_RECORD", 500)
    parts = [json.dumps(row) for row in ROWS]
    parts[2] = '{"sku": "' + "x" * 5000 + '"}'
    for separator in (",", ",\n"):
        entries = read(tmp_path, f"[{separator.join(parts)}]")
        assert values(entries) == ROWS[:2] + ROWS[3:]
        assert len(lost(entries)) == 1


@pytest.mark.parametrize("opens", ['{"a":', '{"a":1,"b":', '{"a":[', '{"a":"x","b":{"c":'])
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_a_row_that_nests_without_end_is_read_in_time(tmp_path: Path, opens: str, closed: bool) -> None:
    ends = "".join("]" if sign == "[" else "}" for sign in reversed(opens) if sign in "[{") * 30_000 if closed else ""
    started = time.monotonic()
    deep = opens * 30_000 + "1" + ends
    entries = read(tmp_path, '[{"a": 1, "b": 2},\n{"a": ' + deep + ', "b": 2},\n{"a": 3, "b": 4}]')
    assert time.monotonic() - started < 20
    found = values(entries)
    assert (found[0], found[-1]) == ({"a": 1, "b": 2}, {"a": 3, "b": 4})
    assert len(lost(entries)) == 1
    if closed:
        assert len(found) == 2


def test_many_broken_rows_are_read_in_time(tmp_path: Path) -> None:
    rows = [json.dumps({"sku": f"SKU-{n}", "title": "Mug" * 20}) for n in range(8_000)]
    for number in range(0, 8_000, 400):
        rows[number] = rows[number][:-2]
    started = time.process_time()
    entries = read(tmp_path, "[\n" + ",\n".join(rows) + "\n]")
    assert len(lost(entries)) == 20
    assert len(values(entries)) == 7_980
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "rows.json: the file is empty; a JSON list of rows was expected"),
        ("[]", {}, "rows.json: there is no row in it"),
        ('{"rows": [{"a": 1}], "n": 1}', {}, "lists stand under 'rows'; set source.records: rows"),
        ('{"a": [], "b": []}', {}, "lists stand under 'a', 'b'; name the list's key"),
        ('{"a": 1}', {}, "found an object, a list of rows was expected; name"),
        ('{"a": 1}\n{"a": 2}\n', {}, "the rows stand one a line; set source.type: jsonl"),
        ('"text"', {}, "rows.json:1: a list of rows was expected, found '\"' at column 1"),
        ("sku,title", {}, "rows.json:1: a list of rows was expected, found 's'"),
        ('[{"a": 1}]', {"records": "rows"}, "an object with the key 'rows' was expected at the top, found '\\['"),
        ('{"row": []}', {"records": "rows"}, "no key 'rows', which source.records names; did you mean 'row'"),
        ('{"row": [1, 2]}', {"records": "row.x"}, "an object with the key 'x' was expected under 'row'"),
        ('{"rows": {}}', {"records": "rows"}, "a list of rows was expected under 'rows', found '{'"),
        ('{"a": 1, rows: []}', {"records": "rows"}, "rows.json:1: a key in double quotes was expected, found 'r'"),
        ('{"a" 1}', {"records": "rows"}, "a key, a colon and a value were expected"),
        ('{"a": [1, 2', {"records": "rows"}, "found 'the end of the file'"),
        ("[1, 2]", {}, "none of the first 2 rows can be read"),
        ("PK\x03\x04", {}, "this is an Excel file or another zip"),
    ],
)
def test_what_holds_no_list_of_rows_is_said_so(tmp_path: Path, text: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read(tmp_path, text, **options)


def test_missing_keys_are_missing_values(tmp_path: Path) -> None:
    assert values(read(tmp_path, '[{"a": 1}, {"b": [2]}]')) == [{"a": 1, "b": None}, {"a": None, "b": [2]}]
    assert source_of(tmp_path, columns=["b"]).columns == ("b",)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, int]:
    """A list of rows, one of which has been damaged in one place, and its number."""
    number = draw(st.integers(0, len(ROWS) - 1))
    parts = [json.dumps(row, indent=draw(st.sampled_from([None, 2]))) for row in ROWS]
    place = draw(st.integers(1, len(parts[number]) - 1))
    cut = draw(st.integers(0, 3))
    inserted = draw(st.sampled_from(["", '"', "{", "}", "[", "]", ",", "\\", "\n", "x"]))
    parts[number] = parts[number][:place] + inserted + parts[number][place + cut :]
    return "[\n" + draw(st.sampled_from([",\n", ", "])).join(parts) + "\n]", number


@given(damaged(), st.sampled_from([11, 1 << 20]))
@settings(max_examples=400)
def test_no_damage_to_a_row_costs_the_rows_before_it_or_the_next_but_one(
    tmp_path: Path, broken: tuple[str, int], chunk: int
) -> None:
    text, number = broken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stretch, "CHUNK_BYTES", chunk)
        entries = read(tmp_path, text, columns=["sku", "title", "size"])
    kept = values(entries)
    for place, row in enumerate(ROWS):
        if place != number:
            assert kept.count(row) == 1 or any(str(row["sku"]) in str(entry.raw) for entry in lost(entries)), row
        if place < number:
            assert row in kept


@given(st.text(st.sampled_from('[]{}",:\\ \n1a'), max_size=40) | st.binary(max_size=40))
@example('[{"a"')
@example('[{"a":1}"')
@settings(max_examples=300)
def test_no_text_makes_the_reader_fail_or_hang(tmp_path: Path, text: str | bytes) -> None:
    assume(text)
    for start in ("", '[{"a": 1},', '{"rows": '):
        data = start.encode() + (text.encode() if isinstance(text, str) else text)
        try:
            read(tmp_path, data, **({"records": "rows"} if start.startswith("{") else {}))
        except SourceError as error:
            assert str(error).startswith("rows.json")
