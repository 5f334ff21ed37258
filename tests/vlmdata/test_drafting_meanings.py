"""Drafted recipes: what a file or folder is taken for, and what is said where it could be several things."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vlmdata
from tests.vlmdata.drawn_catalogs import Written, picture, product, put, simple_rows, travel
from vlmdata.errors import ConfigError


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def asked(folder: Path, count: int) -> list[dict[str, Any]]:
    """Questions and answers over an image each, as ms-swift has them, the images drawn below a folder."""
    rows = []
    for number in range(count):
        put(folder / "images" / f"{number}.jpg", picture(number))
        row = {"query": f"<image>What is piece {number}?", "response": product(number)["text"]}
        rows.append({**row, "images": [f"images/{number}.jpg"]})
    return rows


def talks(folder: Path, count: int) -> list[dict[str, Any]]:
    """The same as messages."""
    return [
        {
            "messages": [
                {"role": "user", "content": row["query"]},
                {"role": "assistant", "content": row["response"]},
            ],
            "images": row["images"],
        }
        for row in asked(folder, count)
    ]


@pytest.mark.parametrize("mixed", [False, True])
def test_query_and_response_are_conversations(mixed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "swift"
    rows = asked(folder, 12)
    if mixed:
        rows[::2] = talks(folder, 12)[::2]
    put(folder / "train.jsonl", lines(rows))
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.source.type == "conversations"
    assert journey.recipe.source.where is None
    assert (journey.built.ledger.rows_used, journey.built.ledger.rows_read) == (12, 12)
    opened = vlmdata.open(tmp_path / "out")
    questions = {row["messages"][0]["content"][-1]["text"] for split in opened.values() for row in split}
    assert questions == {f"What is piece {number}?" for number in range(12)}


@pytest.mark.parametrize(("question", "answer"), [("instruction", "output"), ("prompt", "completion")])
def test_other_words_for_question_and_answer(question: str, answer: str, tmp_path: Path) -> None:
    rows = [{question: f"What is piece {n}?", answer: product(n)["text"]} for n in range(12)]
    put(tmp_path / "set" / "train.jsonl", lines(rows))
    journey = travel(tmp_path / "set", tmp_path / "out")
    assert (journey.recipe.source.type, journey.built.ledger.rows_used) == ("conversations", 12)


def test_another_format_far_behind_the_first_rows_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    rows = talks(folder, 60)
    put(folder / "train.jsonl", lines([*rows, *asked(folder, 60)]))
    journey = travel(folder, tmp_path / "out")
    assert journey.built.ledger.rows_used == 120


def test_a_query_in_a_csv_file_is_the_prompt(tmp_path: Path) -> None:
    rows = [[f"What is piece {n}?", product(n)["text"]] for n in range(12)]
    Written().write(tmp_path / "set" / "train.csv", [["query", "response"], *rows])
    journey = travel(tmp_path / "set", tmp_path / "out")
    assert "{{ query }}" in journey.recipe.conversations[0].user[0]


WAYS = {"JSON": json.dumps, "Python": str}


@pytest.mark.parametrize("way", WAYS)
def test_a_benchmark_in_csv_with_lists_in_its_cells(way: str, tmp_path: Path) -> None:
    folder, rows = tmp_path / "bench", []
    for number in range(12):
        names = [f"shots/{number}-{place}.png" for place in range(2)]
        for place, name in enumerate(names):
            put(folder / name, picture(number + place, "PNG"))
        written = WAYS[way]
        rows.append([f"q{number}", "Which is larger?", written(names), written(["first", "second"]), "AB"[number % 2]])
    Written().write(folder / "bench.csv", [["id", "question", "images", "options", "answer"], *rows])
    journey = travel(folder, tmp_path / "out")
    assert (journey.recipe.source.type, journey.recipe.id) == ("multi_image", "id")
    assert (journey.built.ledger.rows_used, journey.built.ledger.images_references) == (12, 24)


def test_a_benchmark_that_multi_image_does_not_read_says_so(tmp_path: Path) -> None:
    folder, rows = tmp_path / "bench", []
    for number in range(12):
        put(folder / f"{number}.png", picture(number, "PNG"))
        rows.append([f"q{number}", "Which is larger?", f"{number}.png", "A: one\nB: two", "AB"[number % 2]])
    Written(delimiter=";").write(folder / "bench.csv", [["id", "question", "images", "options", "answer"], *rows])
    draft = vlmdata.draft_recipe(folder)
    assert any("and not from 'bench.csv' as it is: save it so" in note for note in draft.notes)


def shard(number: int) -> list[dict[str, Any]]:
    """Products that hold their photo, all of which are called the same."""
    numbers = range(10 * number, 10 * number + 10)
    return [
        {"code": product(n)["sku"], "caption": product(n)["text"], "photo": {"bytes": picture(n), "path": "image.jpg"}}
        for n in numbers
    ]


def test_a_folder_of_parquet_shards_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    for number in range(2):
        pq.write_table(pa.Table.from_pylist(shard(number)), folder / "data" / f"train-0000{number}-of-00002.parquet")
    journey = travel(folder, tmp_path / "out")
    assert (journey.recipe.source.type, journey.recipe.source.path) == ("parquet", folder / "data")
    assert journey.built.ledger.rows_used == 20
    assert "the 2 tables in it have the same columns" in journey.draft.notes[0]


def test_images_of_one_name_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    rows = shard(0)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    draft = vlmdata.draft_recipe(tmp_path / "a.parquet")
    assert not any("stand in several rows" in note for note in draft.notes)
    assert "one photo a cell" in draft.text
    assert "root" not in draft.text
    for row in rows[:3]:
        row["photo"] = rows[9]["photo"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "b.parquet")
    draft = vlmdata.draft_recipe(tmp_path / "b.parquet")
    assert any("stand in several rows" in note and note.endswith(": 1") for note in draft.notes)


def test_equal_rows_are_counted_as_a_build_counts_them(tmp_path: Path) -> None:
    put(tmp_path / "shop" / "1.jpg", picture(1))
    rows = [["title", "photo", "description"], *[["A mug", "1.jpg", product(1)["text"]]] * 20]
    Written().write(tmp_path / "shop" / "products.csv", rows)
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert journey.recipe.max_rejected == "10%"
    assert journey.built.ledger.rows_used == 20


def test_a_draft_that_rejects_most_rows_says_it_loudly(tmp_path: Path) -> None:
    rows = [["sku", "photo", "description"]]
    for number in range(20):
        put(tmp_path / "shop" / f"{number}.jpg", picture(number) if number < 4 else b"<html>404</html>")
        rows.append([product(number)["sku"], f"{number}.jpg", product(number)["text"]])
    Written().write(tmp_path / "shop" / "products.csv", rows)
    draft = vlmdata.draft_recipe(tmp_path / "shop")
    assert any(
        note.startswith("LOOK: MOST ROWS WILL BE REJECTED, about 80% (images.not_an_image 16)") for note in draft.notes
    )


def test_captions_in_tars_are_given_a_question(tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    folder.mkdir()
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for number in range(12):
            for name, data in ((f"{number}.jpg", picture(number)), (f"{number}.txt", product(number)["text"].encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.source.options["prompt"] == "Describe the image."
    assert journey.built.ledger.rows_used == 12


@pytest.mark.parametrize("broken", [True, False])
def test_a_dataset_info_of_several_entries(broken: bool, tmp_path: Path) -> None:
    folder = tmp_path / "factory"
    put(folder / "a.jsonl", lines(talks(folder, 12)))
    put(folder / "b.jsonl", lines([{"x": 1}] if broken else talks(folder, 12)))
    own = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"}, "tags": own}
    info = {name: {"file_name": f"{name}.jsonl", **entry} for name in "ab"}
    put(folder / "dataset_info.json", json.dumps(info).encode())
    if broken:
        journey = travel(folder, tmp_path / "out")
        assert journey.recipe.source.options["dataset"] == "a"
        assert journey.built.ledger.rows_used == 12
        return
    with pytest.raises(ConfigError, match=r"2 entries that can be used: 'a', 'b'; .*dataset: a\}") as caught:
        vlmdata.draft_recipe(folder)
    assert "--dataset" not in str(caught.value)


def test_a_dataset_info_whose_files_are_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "dataset_info.json", json.dumps({"a": {"hf_hub_url": "x/a"}, "b": {"file_name": "b.json"}}).encode())
    with pytest.raises(ConfigError, match=r"no entry of its dataset_info\.json has its file here") as caught:
        vlmdata.draft_recipe(tmp_path)
    assert "--dataset" not in str(caught.value)


def test_a_benchmark_in_parquet_shards(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(2):
        rows = [
            {
                "question": f"Which is larger in {place}?",
                "options": ["first", "second"],
                "answer": "AB"[place % 2],
                "image": {"bytes": picture(10 * number + place), "path": "image.jpg"},
            }
            for place in range(10)
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set" / f"test-0000{number}-of-00002.parquet")
    journey = travel(tmp_path / "set", tmp_path / "out")
    assert (journey.recipe.source.type, journey.built.ledger.rows_used) == ("multi_image", 20)


def test_folders_of_images_in_several_ways_are_refused_with_their_names(tmp_path: Path) -> None:
    for number in range(4):
        put(tmp_path / "classes" / ["cat", "dog"][number % 2] / f"{number}.jpg", picture(number))
        put(tmp_path / "told" / f"{number}.jpg", picture(number))
        put(tmp_path / "told" / f"{number}.txt", b"A drawn picture of nothing")
        put(tmp_path / "listed" / f"{number}.jpg", picture(number))
    put(tmp_path / "listed" / "metadata.csv", b"file_name,text\n0.jpg,A drawn picture\n")
    with pytest.raises(ConfigError) as caught:
        vlmdata.draft_recipe(tmp_path)
    for words in ("folders by label in 'classes'", "captions in 'told'", "a metadata file in 'listed'", "name the fol"):
        assert words in str(caught.value)
    assert "image_folder" in vlmdata.draft_recipe(tmp_path / "told").text


def test_folders_of_splits_are_explained_and_labels_are_tags(tmp_path: Path) -> None:
    folder = tmp_path / "animals"
    for number in range(24):
        name = f"{['train', 'val'][number % 4 == 0]}/{['cat', 'dog'][number % 3 == 0]}/{number}.jpg"
        put(folder / name, picture(number))
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.tags == ("label", "split")
    assert "# The column `split` holds the split that the folders are called after" in journey.draft.text
    assert journey.built.ledger.rows_used == 24


def test_titles_above_an_excel_header(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["Our products"])
    book.active.append([])
    book.active.append(["sku", "title", "brand", "photo", "description"])
    for number in range(12):
        made = product(number)
        put(tmp_path / "shop" / f"{number}.jpg", picture(number))
        book.active.append([made["sku"], made["title"], made["brand"], f"{number}.jpg", made["text"]])
    book.save(tmp_path / "shop" / "products.xlsx")
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert journey.recipe.source.options == {"header_row": 3}
    assert (journey.recipe.id, journey.built.ledger.rows_used) == ("sku", 12)


def test_translations_in_captions_are_told_of(tmp_path: Path) -> None:
    for number in range(6):
        text = f"{product(number)['text']}\nde.utf8=Ein rotes Stück\nfr.utf8=Une pièce\n"
        put(tmp_path / "set" / f"{number}.jpg", picture(number))
        put(tmp_path / "set" / f"{number}.txt", text.encode())
    draft = vlmdata.draft_recipe(tmp_path / "set")
    assert "12 lines such as `de.utf8=…` of 6 files are left out, and counted" in draft.text
    assert "`translations: [de, fr]`" in draft.text


def test_garbled_texts_are_noted(tmp_path: Path) -> None:
    rows = [[product(n)["sku"], f"GrÃ¶ÃŸe M: {product(n)['text']}"] for n in range(12)]
    Written().write(tmp_path / "shop" / "products.csv", [["sku", "description"], *rows])
    draft = vlmdata.draft_recipe(tmp_path / "shop")
    assert any("'description' hold garbled letters (12 of 12)" in note for note in draft.notes)


@pytest.mark.parametrize("place", ["{}/front.jpg", "all/{}-1.jpg"])
def test_photos_named_after_numbers_whose_zeros_excel_does_not_keep(place: str, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["sku", "title", "description"])
    for number in range(1, 13):
        book.active.append([number, product(number)["title"], product(number)["text"]])
        book.active.cell(number + 1, 1).number_format = "000000"
        put(tmp_path / "shop" / "photos" / place.format(f"{number:06}"), picture(number))
    book.save(tmp_path / "shop" / "products.xlsx")
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert (journey.built.ledger.rows_used, journey.built.ledger.images_references) == (12, 12)


def test_csv_files_of_the_same_columns_are_read_as_one_table(tmp_path: Path) -> None:
    for name in "ab":
        Written().write(tmp_path / f"{name}.csv", simple_rows(tmp_path, 12))
    draft = vlmdata.draft_recipe(tmp_path)
    assert "the 2 tables in it have the same columns, and are read as one: 'a.csv', 'b.csv'" in draft.notes[0]
