"""What is exported and imported again is what it was, in every format that can hold it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.exports.datasets import PICTURES, record, rows_in, turn, write_dataset
from vlmdata.recipe import recipe_from
from vlmdata.source import open_source

TAGS, FIELDS = ("category", "language"), ("brand", "option.A", "answer")

SOURCES: Mapping[str, dict[str, Any]] = {
    "trl": {"path": "data/train-00000-of-00001.parquet", "format": "trl"},
    "trl-prompt-completion": {"path": "data/train-00000-of-00001.parquet", "format": "trl"},
    "parquet": {"path": "data/train-00000-of-00001.parquet", "format": "trl"},
    "llamafactory": {"path": ".", "format": "sharegpt"},
    "ms-swift": {"path": "train.jsonl", "format": "swift"},
    "llava": {"path": "train.json", "format": "llava"},
    "openai": {"path": "train.jsonl", "format": "openai"},
    "gemini": {"path": "train.jsonl", "format": "gemini"},
    "oumi": {"path": "train.jsonl", "format": "oumi"},
    "imagefolder": {
        "path": "train/metadata.jsonl",
        "format": "trl",
        "map": {"images": "images_file_names"},
    },
    "webdataset": {"path": "data/train-00000-of-00001.tar", "format": "webdataset"},
}
"""How each export is imported again."""

KEEPS_NAMES = frozenset(SOURCES) - {"openai", "gemini"}
"""Formats from which an import brings back groups, tags and fields."""

KEEPS_IDS = frozenset(SOURCES) - {"openai", "gemini"}

CHANGED_WORDS = {"text_parts", "newlines"}
"""Losses after which an import reads other parts than there were."""

words = st.text(st.sampled_from("aé漢🙂 <>\"'\\,{}\n\t\u2028.-7"), min_size=1, max_size=12)
odd = st.sampled_from(
    ["<image>", "say <image>\n", "\nbelow", "above\n", "2024-01-01", "[]", "null", "NA", "<img>a</img>", "<video>"]
)
texts = st.one_of(words, odd).map(lambda text: f"{text}x" if not text.strip() else text)
names = st.lists(st.sampled_from(sorted(PICTURES)), max_size=3)
values = st.text(st.sampled_from("ab é漢7"), min_size=1, max_size=5).filter(str.strip)


@st.composite
def user_turns(draw: st.DrawFn, images: int) -> dict[str, Any]:
    """A user's turn: a text, or several, and images before, between and behind them."""
    parts = draw(st.lists(texts, min_size=1, max_size=2)) + [None] * images
    return turn("user", *draw(st.permutations(parts)))


@st.composite
def records(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A record of one or two questions, with or without a system's text, images, tags and fields."""
    messages = [turn("system", draw(texts))] if draw(st.booleans()) else []
    images: list[str] = []
    for _ in range(draw(st.integers(1, 2))):
        shown = draw(names)
        images += shown
        messages += [draw(user_turns(len(shown))), turn("assistant", draw(texts))]
    return record(
        f"row {number}",
        *messages,
        images=images,
        group=draw(st.sampled_from([f"row {number}", "together"])),
        tags=draw(st.dictionaries(st.sampled_from(TAGS), values)),
        fields=draw(st.dictionaries(st.sampled_from(FIELDS), values)),
    )


datasets = st.integers(1, 4).flatmap(lambda count: st.tuples(*(records(number) for number in range(count))))


@pytest.mark.parametrize("name", SOURCES)
@given(rows=datasets)
@settings(max_examples=15, phases=[Phase.generate])
def test_what_is_exported_and_imported_is_what_it_was(
    name: str, rows: tuple[dict[str, Any], ...], tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path)
    path = write_dataset(tmp_path / "dataset", train=rows)
    done = vlmdata.export(path, name, tmp_path / "out")
    left_out = set(not_exported(tmp_path / "out"))
    assert done.rows_read == len(rows) == done.rows_exported + len(left_out)
    if done.rows_exported == 0:
        return
    changed = {id for loss in done.losses if loss.kind in CHANGED_WORDS for id in loss.examples}
    exported = [row for row in rows if row["id"] not in left_out]
    back = imported(name, tmp_path)
    assert len(back) == len(exported)
    for row, other in zip(exported, back, strict=True):
        if row["id"] not in changed:
            assert other["messages"] == row["messages"]
        assert [image["bytes"] for image in other["images"]] == [image["bytes"] for image in row["images"]]
        if name in KEEPS_IDS:
            assert other["id"] == row["id"]
        if name in KEEPS_NAMES:
            assert (other["group"], pairs(other["tags"]), pairs(other["fields"])) == (
                row["group"],
                pairs(row["tags"]),
                pairs(row["fields"]),
            )


def test_a_parquet_of_ours_is_imported_with_all_that_stands_beside_the_conversations(tmp_path: Path) -> None:
    origin = {"description": "gemini", "model": "gemini-x", "prompt_sha256": "0" * 64}
    turns = [turn("user", None, "What is it?"), turn("assistant", "A blue mug of <b>stoneware</b> for tea.")]
    rows = [
        record(
            "a", *turns, images=["mug.png"], group="g", tags={"kind": "mug"}, fields={"brand": "X"}, provenance=origin
        ),
        record("b", *turns, images=["mug.png"], group="g"),
    ]
    path = write_dataset(tmp_path / "dataset", train=rows)
    assert not vlmdata.export(path, "parquet", tmp_path / "out").losses
    file = tmp_path / "out" / SOURCES["parquet"]["path"]
    report = vlmdata.import_dataset(file, tmp_path / "back").report
    # a text that was written elsewhere is warned of, and not refused as one of this run's own would be
    assert report["ledger"]["warned_by_rule"]["text.html"] == 2
    back = rows_in(tmp_path / "back")
    for name in ("id", "messages", "group", "tags", "fields", "provenance"):
        assert [row[name] for row in back] == [row[name] for row in rows], name
    assert report["changes"] == []
    card = (tmp_path / "back" / "README.md").read_text()
    assert "annotations_creators:\n- machine-generated" in card
    assert "| `gemini-x` | gemini | 1 of 2 | 50.0% |" in card
    vlmdata.split(tmp_path / "back", tmp_path / "split", {"train": 1})
    assert "| `gemini-x` | gemini | 1 of 2 | 50.0% |" in (tmp_path / "split" / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"llava"}))
def test_a_system_text_that_looks_like_nothing_comes_back(name: str, tmp_path: Path) -> None:
    rows = [
        record(text, turn("system", text), turn("user", None, "a"), turn("assistant", "b"), images=["mug.png"])
        for text in ("[]", "null", "{}", "2024-01-01", "  leading")
    ]
    vlmdata.export(write_dataset(tmp_path / "dataset", train=rows), name, tmp_path / "out")
    assert [row["messages"] for row in imported(name, tmp_path)] == [row["messages"] for row in rows]


def not_exported(out: Path) -> list[str]:
    """The ids of the rows that could not go."""
    file = out / "not_exported.jsonl"
    return [json.loads(line)["id"] for line in file.read_text("utf-8").split("\n") if line] if file.is_file() else []


def imported(name: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of an export, imported again as its page in the documentation says."""
    source = {"type": "conversations", **SOURCES[name]}
    root = Path(source["path"]).parent.as_posix()
    data: dict[str, Any] = {"source": source, "images": {"root": root}, "check": {"ignore": ["text"]}}
    if name in KEEPS_NAMES:
        columns = set(open_source(recipe_from(data, folder / "out").source).columns)
        data |= {"group": "group", "tags": [tag for tag in TAGS if tag in columns]}
        data |= {"fields": [field for field in FIELDS if field in columns]}
    recipe = recipe_from(data, folder / "out")
    vlmdata.build(recipe, folder / "back", workers=1)
    return rows_in(folder / "back")


def pairs(named: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((pair["name"], pair["value"]) for pair in named)
