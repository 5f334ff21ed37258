"""Saved datasets whose files are damaged: offsets that lead out of the data cost the rows they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vlmdata.errors import SourceError
from vlmdata.record import RawRecord, Rejection
from vlmdata.source.arrow_folder import ArrowFolderSource

TEXTS = pa.array(["a", "bb", "ccc", "dddd"])
TEXT_OFFSETS = [0, 1, 3, 6, 10]
LISTS = pa.array([["a"], ["bb", "x"], [], ["dddd"]])
LIST_OFFSETS = [0, 1, 3, 3, 4]


def saved(folder: Path, column: pa.Array) -> ArrowFolderSource:
    folder.mkdir(exist_ok=True)
    batch = pa.RecordBatch.from_pydict({"value": column})
    with pa.ipc.new_stream(str(folder / "data.arrow"), batch.schema) as stream:
        stream.write_batch(batch)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}), encoding="utf-8")
    return ArrowFolderSource(folder)


def damage(folder: Path, old: list[int], new: list[int]) -> None:
    """Put other offsets into the saved file."""
    data = (folder / "data.arrow").read_bytes()
    before, after = (np.array(offsets, np.int32).tobytes() for offsets in (old, new))
    assert data.count(before) == 1
    (folder / "data.arrow").write_bytes(data.replace(before, after))


def listed(array: pa.Array) -> pa.Array:
    """Each entry in a list of its own."""
    return pa.ListArray.from_arrays([0, 1, 2, 3, 4], array)


def entries(source: ArrowFolderSource) -> list[object]:
    """The first column's values, and where a row is rejected, the words for it."""
    found: list[object] = []
    for shard in source.shards():
        for entry in shard:
            if isinstance(entry, RawRecord):
                found.append(next(iter(entry.values.values())))
            else:
                assert isinstance(entry, Rejection)
                found.append(str(entry.problems[0]))
        assert shard.lines_read == len(found)
    return found


def fault(row: int, column: str) -> str:
    words = "the file is damaged: this value lies outside of its data [arrow.value] correct the value"
    return f"data.arrow:{row} {column}: {words}"


@pytest.mark.parametrize(
    ("column", "old", "new", "bad"),
    [
        (TEXTS, TEXT_OFFSETS, [0, 1, 10**9, 6, 10], {2, 3}),
        (TEXTS, TEXT_OFFSETS, [-(10**9), 1, 3, 6, 10], {1}),
        (LISTS, LIST_OFFSETS, [0, 1, 3, 3, 10**9], {4}),
        (LISTS, LIST_OFFSETS, [0, 1, 10**9, 3, 4], {2, 3}),
        (listed(TEXTS), TEXT_OFFSETS, [0, 1, 3, 99, 10], {3, 4}),
        (listed(pa.StructArray.from_arrays([TEXTS], ["text"])), TEXT_OFFSETS, [0, 1, 3, 6, 99], {4}),
    ],
    ids=["text", "negative", "list", "falling", "text in a list", "text in a struct"],
)
def test_an_offset_that_leads_out_of_the_data_rejects_its_rows_alone(
    tmp_path: Path, column: pa.Array, old: list[int], new: list[int], bad: set[int]
) -> None:
    source = saved(tmp_path / "rows", column)
    damage(tmp_path / "rows", old, new)
    found = entries(source)
    assert {row for row, entry in enumerate(found, start=1) if entry == fault(row, "value")} == bad
    assert [entry for row, entry in enumerate(found, start=1) if row not in bad] == [
        entry for row, entry in enumerate(column.to_pylist(), start=1) if row not in bad
    ]


def test_bytes_that_are_no_text_are_named_beside_an_offset_that_leads_out(tmp_path: Path) -> None:
    source = saved(tmp_path / "rows", TEXTS)
    path = tmp_path / "rows" / "data.arrow"
    path.write_bytes(path.read_bytes().replace(b"abbccc", b"a\xffbccc"))
    damage(tmp_path / "rows", TEXT_OFFSETS, [0, 1, 3, 6, 99])
    first, second, third, fourth = entries(source)
    assert (first, third, fourth) == ("a", "ccc", fault(4, "value"))
    assert "byte 0xff is not UTF-8" in str(second)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("state.json", '{"_data_files": [{"filename": 7}]}'),
        ("state.json", '{"_data_files": [{"filename": "a\\u0000b"}]}'),
        ("state.json", "[" * 100_000),
        ("dataset_dict.json", "{}"),
        ("dataset_dict.json", '{"splits": 7}'),
        ("dataset_dict.json", '{"splits": [7]}'),
        ("dataset_dict.json", '{"splits": ["\\ud800"]}'),
    ],
)
def test_a_list_of_files_that_is_none_is_refused_by_name(tmp_path: Path, file: str, text: str) -> None:
    source = saved(tmp_path / "rows", TEXTS)
    (tmp_path / "rows" / file).write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=file):
        source.shards()
