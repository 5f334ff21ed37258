"""Rows that a build of conversations, questions or images rejected make, once repaired, what they would have made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from tests.vlmdata.test_mmiu import PAIR, benchmark
from vlmdata.errors import RecipeError
from vlmdata.recipe import as_first_read, recipe_from
from vlmdata.record import Rejection
from vlmdata.source import open_source

Repair = Callable[[dict[str, Any]], Any]


def again(folder: Path, recipe: dict[str, Any], repair: Repair) -> None:
    """Build, repair the rejected rows, build from them, and hold what both made to a build of repaired rows alone."""
    first = vlmdata.build(recipe_from({**recipe, "max_rejected": "100%"}, folder), folder / "out", workers=1)
    assert first.ledger.rows_rejected == 1
    assert first.ledger.rows_used == 1
    file = folder / "out" / "rejected.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        repair(line["row"])
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    source = {"type": "rejected", "path": "out/rejected.jsonl", "of": recipe["source"]}
    second = vlmdata.build(recipe_from({**recipe, "source": source}, folder), folder / "again", workers=1)
    assert (second.ledger.rows_used, second.ledger.rows_rejected) == (1, 0)
    assert second.ledger.images_references == first.ledger.images_references


def chat(picture: str) -> dict[str, Any]:
    """A conversation of OpenAI's form, under a key that a recipe has to map."""
    image = {"type": "image_url", "image_url": {"url": f"gs://bucket/{picture}"}}
    user = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}
    return {"id": picture, "dialog": [user, {"role": "assistant", "content": "A mug."}]}


def test_conversations_are_read_in_the_format_of_the_first_build(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(PAIR["odd_one_out/1.png"])
    lines = "".join(f"{json.dumps(chat(name))}\n" for name in ("1.png", "2.png"))
    (tmp_path / "chat.jsonl").write_text(lines, encoding="utf-8")
    source = {"type": "conversations", "path": "chat.jsonl", "format": "openai"}
    source |= {"map": {"messages": "dialog"}, "rebase": {"gs://bucket/": ""}}

    def repair(row: dict[str, Any]) -> None:
        row["dialog"][0]["content"][1]["image_url"]["url"] = "1.png"

    again(tmp_path, {"source": source}, repair)
    made = vlmdata.open(tmp_path / "again")["train"]
    assert made["id"] == ["2.png"]
    assert made[0]["messages"][1]["content"][0]["text"] == "A mug."


def test_questions_keep_their_columns_and_marker(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(encoded(drawn(1)))
    rows = [{"q": "Is <image> a mug?", "pics": [name], "a": "Yes", "key": name} for name in ("1.png", "no.png")]
    (tmp_path / "q.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    columns = {"question": "q", "images": "pics", "answer": "a"}
    source = {"type": "multi_image", "path": "q.jsonl", "columns": columns, "marker": "<image>"}
    recipe = {"source": source, "id": "key", "images": {"root": "pictures"}}
    again(tmp_path, recipe, lambda row: row.update(pics=["1.png"]))
    content = vlmdata.open(tmp_path / "again")["train"][0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["text", "image", "text"]


def test_a_benchmarks_rows_find_their_zips(tmp_path: Path) -> None:
    benchmark(tmp_path / "mmiu", {}, {"output": "Z"}, zips={"2D-spatial.zip": PAIR})
    again(tmp_path, {"source": {"type": "mmiu", "path": "mmiu"}}, lambda row: row.update(output="A"))
    assert vlmdata.open(tmp_path / "again")["train"][0]["messages"][-1]["content"][0]["text"] == "A"


def test_an_image_folders_rows_find_their_images(tmp_path: Path) -> None:
    photos = tmp_path / "photos" / "mug"
    photos.mkdir(parents=True)
    for number in (1, 2):
        (photos / f"{number}.png").write_bytes(encoded(drawn(number)))
    (photos / "1.txt").write_text("A mug.", encoding="utf-8")
    recipe = {
        "source": {"type": "image_folder", "path": "photos", "captions": ".txt"},
        "id": "file_name",
        "images": {"from": "file_name"},
        "conversations": [{"user": "What is it?", "assistant": "{{ caption }}"}],
    }
    again(tmp_path, recipe, lambda row: row.update(caption="Another mug."))
    assert vlmdata.open(tmp_path / "again")["train"]["id"] == ["mug/2.png"]


def test_json_cells_and_missing_values_are_those_of_the_first_source() -> None:
    of = {"type": "csv", "path": "a.csv", "json": ["extra"], "nulls": ["-"], "where": "sku != 'x'"}
    data = {
        "source": {"type": "rejected", "path": "r.jsonl", "of": of, "limit": 3},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    recipe = recipe_from(data, "here")
    read = as_first_read(recipe).source
    assert (read.type, read.path, read.nulls, read.where, read.limit) == (
        "csv",
        Path("here/a.csv"),
        ("-",),
        "sku != 'x'",
        3,
    )
    assert recipe.source.path == Path("here/r.jsonl")


def test_cells_of_json_are_read_as_the_first_source_says(tmp_path: Path) -> None:
    line = {"origin": {"source": "a.csv", "row": 1, "line": 2}, "row": {"sku": "A", "extra": '{"size": "L"}'}}
    (tmp_path / "r.jsonl").write_text(json.dumps(line), encoding="utf-8")
    data = {
        "source": {"type": "rejected", "path": "r.jsonl", "of": {"type": "csv", "path": "a.csv", "json": ["extra"]}},
        "conversations": [{"user": "What is it?", "assistant": "{{ extra.size }}"}],
    }
    vlmdata.build(recipe_from(data, tmp_path), tmp_path / "out", workers=1)
    assert vlmdata.open(tmp_path / "out")["train"][0]["messages"][-1]["content"][0]["text"] == "L"


def test_a_sample_of_a_tar_is_repaired_where_it_lies(tmp_path: Path) -> None:
    row = {"__key__": "7", "images": [{"member": "7.png", "offset": 512, "size": 90}]}
    lines = [{"row": row}, {"row": {"sku": "A"}}]
    (tmp_path / "r.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    source = {"type": "rejected", "path": "r.jsonl", "of": {"type": "conversations", "path": "a.tar"}}
    (shard,) = open_source(recipe_from({"source": source}, tmp_path).source).shards()
    lost = next(iter(shard))
    assert isinstance(lost, Rejection)
    assert lost.problems[0].rule == "rejected.bytes"


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"type": "rejected", "path": "a.jsonl"}, "'rejected' is not where the rows were read from first"),
        ({"type": "conversations", "path": "a.jsonl", "frmat": "openai"}, "did you mean 'format'"),
        ("chat.jsonl", "expected keys and values"),
        ({"path": "chat.jsonl"}, "'type' is missing"),
    ],
)
def test_a_first_source_that_can_be_none_is_refused(of: Any, expected: str) -> None:
    made = [{"user": "What is it?", "assistant": "{{ sku }}"}]
    plain = {} if isinstance(of, dict) and of.get("type") == "conversations" else {"conversations": made}
    with pytest.raises(RecipeError, match=expected):
        recipe_from({"source": {"type": "rejected", "path": "r.jsonl", "of": of}, **plain})


def test_templates_beside_rejected_conversations_are_refused() -> None:
    source = {"type": "rejected", "path": "r.jsonl", "of": {"type": "conversations", "path": "a.jsonl"}}
    with pytest.raises(RecipeError, match=r"source\.type 'conversations' makes its own conversations"):
        recipe_from({"source": source, "conversations": [{"user": "a", "assistant": "b"}]})
