"""Files of conversations in others' formats, imported as a whole: every row accounted for, every image bound."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.one_row import shared, turns
from tests.vlmdata.shop import drawn, encoded
from tests.vlmdata.test_build import records
from vlmdata.cli import app
from vlmdata.errors import BuildRefusedError, ConfigError, SourceError
from vlmdata.importing import import_recipe
from vlmdata.terminal import exit_code_of

LLAVA = [
    {"id": "1", "image": "photos/0.png", "conversations": shared("<image>\nWhat?", "A mug.")},
    {"id": "2", "image": ["photos/1.png", "photos/0.png"], "conversations": shared("<image>\n<image>\nSame?", "No.")},
    {"id": "3", "conversations": shared("Hi", "Hello")},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with photos."""
    photos = tmp_path / "set" / "photos"
    photos.mkdir(parents=True)
    for number in range(3):
        (photos / f"{number}.png").write_bytes(encoded(drawn(number)))
    return photos.parent


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def imported(path: Path, **options: Any) -> vlmdata.BuildResult:
    return vlmdata.import_dataset(path, path.parent.parent / "out", replace=True, workers=1, **options)


def taken_format(path: Path, **options: Any) -> str:
    return str(import_recipe(path, **options).source.options["format"])


def images(built: vlmdata.BuildResult) -> list[list[bytes]]:
    return [[image["bytes"] for image in record["images"]] for record in records(built.path)]


def png(number: int) -> bytes:
    return encoded(drawn(number))


@pytest.mark.parametrize("name", ["llava.json", "llava.jsonl", "llava.ndjson", "one-a-line.json", "listed.jsonl"])
def test_json_is_read_by_what_is_in_it(folder: Path, name: str) -> None:
    listed = name in ("llava.json", "listed.jsonl")
    (folder / name).write_text(json.dumps(LLAVA, indent=1) if listed else lines(*LLAVA), encoding="utf-8")
    built = imported(folder / name)
    assert [record["id"] for record in records(built.path)] == ["1", "2", "3"]
    assert images(built) == [[png(0)], [png(1), png(0)], []]
    built.ledger.check()
    recipe = json.loads((built.path / "manifest.json").read_text(encoding="utf-8"))["recipe"]
    assert recipe["source"] == {"type": "conversations", "path": name, "format": "llava"}


def test_a_folder_of_files_is_read_in_the_order_of_names(folder: Path) -> None:
    (folder / "b.jsonl").write_text(lines(LLAVA[0]), encoding="utf-8")
    (folder / "a.json").write_text(json.dumps(LLAVA[1:]), encoding="utf-8")
    (folder / "README.md").write_text("read me", encoding="utf-8")
    built = imported(folder)
    assert [record["id"] for record in records(built.path)] == ["2", "3", "1"]
    assert [record["origin"]["source"] for record in records(built.path)] == ["a.json", "a.json", "b.jsonl"]


def test_a_folder_of_several_kinds_is_refused(folder: Path) -> None:
    (folder / "a.jsonl").write_text(lines(LLAVA[0]), encoding="utf-8")
    (folder / "b.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"several kinds: CSV \(b.csv\), JSON \(a.jsonl\)"):
        imported(folder)


def test_broken_lines_are_rejected_and_their_neighbours_are_not(folder: Path) -> None:
    text = lines(LLAVA[0]) + '{"id": "x", \n' + "\n" + lines(LLAVA[2]) + "[1]\n"
    (folder / "a.jsonl").write_text(text, encoding="utf-8")
    built = imported(folder / "a.jsonl", max_rejected=2)
    assert [record["id"] for record in records(built.path)] == ["1", "3"]
    assert [rejection.origin.line for rejection in built.rejections] == [2, 5]
    assert built.ledger.lines_read == 5
    built.ledger.check()


def test_parquet_as_the_hub_has_it(folder: Path) -> None:
    import datasets

    parts = [{"index": 0, "text": None, "type": "image"}, {"index": None, "text": "What?", "type": "text"}]
    answer = [{"index": None, "text": "A mug.", "type": "text"}]
    rows = [
        {
            "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}],
            "images": [{"bytes": png(number), "path": None}],
        }
        for number in range(3)
    ]
    dataset = datasets.Dataset.from_list(rows)
    dataset.to_parquet(str(folder / "train.parquet"))
    dataset.save_to_disk(str(folder / "saved"))
    datasets.DatasetDict({"train": dataset, "test": dataset.select([0])}).save_to_disk(str(folder / "splits"))
    (folder / "train.parquet").rename(folder / "rows.parquet")
    for path, count in ((folder / "rows.parquet", 3), (folder / "saved", 3), (folder / "splits", 4)):
        assert taken_format(path) == "trl"
        built = imported(path)
        assert images(built)[:3] == [[png(0)], [png(1)], [png(2)]]
        assert len(records(built.path)) == count
        assert records(built.path)[0]["messages"][0]["content"][1]["text"] == "What?"


def test_messages_of_the_json_type_are_read(folder: Path) -> None:
    import datasets

    features = datasets.Features(
        {"messages": datasets.List(datasets.Json()), "images": datasets.List(datasets.Image(decode=False))}
    )
    parts = [{"type": "image"}, {"type": "text", "text": "What?"}]
    row = {
        "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A mug."}],
        "images": [{"bytes": png(1), "path": None}],
    }
    datasets.Dataset.from_list([row], features=features).save_to_disk(str(folder / "saved"))
    assert images(imported(folder / "saved")) == [[png(1)]]


def test_a_dataset_of_ours_can_be_imported_again(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(LLAVA), encoding="utf-8")
    first = imported(folder / "a.json")
    again = vlmdata.import_dataset(first.path, folder / "again", workers=1)
    for before, after in zip(records(first.path), records(again.path), strict=True):
        assert (before["id"], before["messages"], before["images"]) == (after["id"], after["messages"], after["images"])


def test_a_table_of_questions_and_answers(folder: Path) -> None:
    (folder / "a.csv").write_text("system,query,response\n,Hi,Hello\nBe brief.,Hi,Bye\n", encoding="utf-8")
    assert taken_format(folder / "a.csv") == "swift"
    assert [len(record["messages"]) for record in records(imported(folder / "a.csv").path)] == [2, 3]


INFO: dict[str, Any] = {
    "mugs": {
        "file_name": "mugs.json",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "images": "pics", "system": "prompt"},
        "tags": {"role_tag": "who", "content_tag": "said", "user_tag": "asker", "assistant_tag": "shop"},
    },
    "alpaca": {"file_name": "alpaca.json", "columns": {"prompt": "ask", "query": "more", "response": "reply"}},
    "hub": {"hf_hub_url": "someone/something"},
}


def with_info(folder: Path, info: Any = None) -> Path:
    talk = [{"who": "asker", "said": "<image>What?"}, {"who": "shop", "said": "A mug."}]
    row = {"talk": talk, "pics": ["photos/1.png"], "prompt": "Be brief."}
    (folder / "mugs.json").write_text(json.dumps([row]), encoding="utf-8")
    (folder / "alpaca.json").write_text(json.dumps([{"ask": "Q", "more": "", "reply": "A"}]), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(INFO if info is None else info), encoding="utf-8")
    return folder


def test_dataset_info_says_where_rows_are_and_what_their_keys_are_called(folder: Path) -> None:
    with_info(folder)
    for path in (folder, folder / "dataset_info.json"):
        built = imported(path, dataset="mugs")
        (record,) = records(built.path)
        assert [turn["role"] for turn in record["messages"]] == ["system", "user", "assistant"]
        assert images(built) == [[png(1)]]
    (record,) = records(imported(folder, dataset="alpaca").path)
    assert [turn["content"][0]["text"] for turn in record["messages"]] == ["Q", "A"]
    assert records(imported(with_info(folder, {"mugs": INFO["mugs"]})).path)


@pytest.mark.parametrize(
    ("info", "dataset", "words"),
    [
        (None, None, "2 of its entries have their file here: mugs, alpaca; name one"),
        (None, "mug", "no entry 'mug'; did you mean 'mugs'?"),
        (None, "hub", r"'hub' can't be read here: its rows are elsewhere \(hf_hub_url: 'someone/something'\)"),
        ({"a": {"file_name": "../x.json"}}, "a", "leads out of the folder"),
        ({"a": {"file_name": "/etc/passwd"}}, "a", "leads out of the folder"),
        ({"a": {"file_name": "gone.json"}}, "a", "gone.json: there is no such file"),
        ({"a": {"file_name": "gone.json"}}, None, "no entry's file is here"),
        ([], None, "holds no entries"),
        ({"a": {"file_name": "mugs.json", "columns": 3}}, "a", "'columns' of an entry is 3, names and words were"),
        ({"a": {"file_name": "mugs.json", "tags": ["x"]}}, "a", "'tags' of an entry is .'x'., names and words were"),
    ],
)
def test_a_dataset_info_that_names_no_rows_is_refused(folder: Path, info: Any, dataset: str | None, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        imported(with_info(folder, info), dataset=dataset)


def test_a_dataset_info_with_a_file_name_that_no_disk_can_hold_is_refused(folder: Path) -> None:
    info = {"a": {"file_name": "x" * 4_000}, "b": {"file_name": "y\0"}}
    with pytest.raises(SourceError, match="no entry's file is here"):
        imported(with_info(folder, info))
    for dataset in info:
        with pytest.raises(SourceError, match="can be no file's name"):
            imported(folder, dataset=dataset)


def test_a_dataset_info_that_nests_without_end_is_refused(folder: Path) -> None:
    with_info(folder)
    (folder / "dataset_info.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(SourceError, match=r"dataset_info.json: can't be read as JSON"):
        imported(folder)


def tao(folder: Path, **changes: Any) -> Path:
    items = [{"image_id": "0.png", "question": "What?", "answer": "A mug.", "item_index": "0"},
             {"image_id": "1.png", "question": "What?", "answer": "A cup."}]  # fmt: skip
    about = {"type": "annotation", "license": "CC0"}
    data = {"format": "tao-vl-reason-v1.0", "metadata": about, "media_root": "photos", "items": items, **changes}
    (folder / "bcq.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
    return folder / "bcq.json"


def test_items_of_tao_are_found_below_their_media_root(folder: Path) -> None:
    path = tao(folder)
    assert taken_format(path) == "tao_vl_reason"
    assert images(imported(path)) == [[png(0)], [png(1)]]
    assert images(imported(tao(folder, media_root=None), image_root=folder / "photos")) == [[png(0)], [png(1)]]
    built = imported(tao(folder, media_root="/data/x"), rebase={"/data/x/": "photos/"})
    assert images(built) == [[png(0)], [png(1)]]


@pytest.mark.parametrize("order", [["format", "media_root", "items"], ["items", "media_root", "format"]])
def test_items_of_tao_may_stand_in_one_line_and_in_any_order(folder: Path, order: list[str]) -> None:
    path = tao(folder)
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: data[key] for key in order}), encoding="utf-8")
    assert images(imported(path)) == [[png(0)], [png(1)]]


def test_a_folder_of_items_of_tao(folder: Path) -> None:
    tao(folder).rename(folder / "train.json")
    path = tao(folder, media_root=None, items=[{"image_id": "photos/2.png", "question": "Q", "answer": "A"}])
    assert path.name == "bcq.json"
    assert images(imported(folder)) == [[png(2)], [png(0)], [png(1)]]


def test_a_list_inside_an_object_is_named(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"info": {}, "data": {"rows": LLAVA}}, indent=1), encoding="utf-8")
    with pytest.raises(SourceError, match=r"source.records"):
        imported(folder / "a.json")
    assert len(records(imported(folder / "a.json", records="data.rows").path)) == 3


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.json", b"", "the file is empty"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.json", b"[]", "there is no row in it"),
        ("a.json", b"not json", "a list of rows was expected"),
        ("a.txt", b"hello", "files that end in .json, .jsonl"),
        ("a.jsonl.gz", b"\x1f\x8b", "the file is compressed; decompress it first"),
        ("a.tar", b"\x1f\x8b\x08\x00", "compressed with gzip"),
        ("a.tar", b"hello", "this is no tar"),
        ("a.parquet", b"hello", "can't be used as a Parquet file"),
        ("a.json", b'[{"title": "Mug", "price": 3}]', "no format that is known; their keys are 'title', 'price'"),
        ("a.jsonl", b'{"messages": []}\n', "no format that is known; their keys are 'messages'"),
    ],
)
def test_a_file_that_holds_no_conversations_is_refused(folder: Path, name: str, data: bytes, words: str) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(SourceError, match=words):
        imported(folder / name)


def test_a_source_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"gone.json: there is no such file"):
        imported(folder / "gone.json")
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=r"empty: holds no file that ends in"):
        imported(folder / "empty")


def test_a_format_is_known_by_other_names_and_near_ones_are_offered(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(LLAVA), encoding="utf-8")
    assert taken_format(folder / "a.json", format="LLaMAFactory") == "sharegpt"
    with pytest.raises(ConfigError, match=r"there is no format 'lava'; did you mean 'llava'?"):
        imported(folder / "a.json", format="lava")
    with pytest.raises(ConfigError, match=r"did you mean 'boxes'"):
        imported(folder / "a.json", drop=["boxs"])


def test_rows_of_several_formats_are_each_read_as_their_own(folder: Path) -> None:
    contents = [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}]
    (folder / "a.jsonl").write_text(lines(LLAVA[0], {"contents": contents}), encoding="utf-8")
    assert taken_format(folder / "a.jsonl") == "auto"
    assert len(records(imported(folder / "a.jsonl").path)) == 2


def test_text_only_rows_first_do_not_hide_the_format(folder: Path) -> None:
    rows = [{"messages": turns("Hi", "Hello")}, {"messages": turns("<image>What?", "A"), "images": ["photos/0.png"]}]
    (folder / "a.jsonl").write_text(lines(*rows), encoding="utf-8")
    assert taken_format(folder / "a.jsonl") == "sharegpt"
    assert images(imported(folder / "a.jsonl")) == [[], [png(0)]]


def test_nothing_is_published_where_a_row_is_rejected(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps([*LLAVA, {"id": "4", "videos": ["v"], **LLAVA[2]}]), encoding="utf-8")
    with pytest.raises(BuildRefusedError, match="1 of 4 rows have a rejection"):
        imported(folder / "a.json")
    assert len(records(imported(folder / "a.json", max_rejected="50%").path)) == 3


def test_the_recipe_of_an_import_holds_no_path_of_this_machine(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(LLAVA[2:]), encoding="utf-8")
    built = imported(folder / "a.json", image_root=folder / "photos")
    manifest = (built.path / "manifest.json").read_text(encoding="utf-8")
    assert str(folder) not in manifest
    assert json.loads(manifest)["recipe"]["images"] == {"root": "photos"}


def test_image_paths_do_not_leave_their_root(folder: Path) -> None:
    paths = ["../secret.png", "/etc/passwd", os.fspath(folder / "photos" / "0.png")]
    rows = [{"id": path, "image": path, "conversations": shared("<image>Hi", "A")} for path in paths]
    (folder / "a.json").write_text(json.dumps([LLAVA[0], *rows]), encoding="utf-8")
    built = imported(folder / "a.json", max_rejected=3)
    assert [rejection.rules for rejection in built.rejections] == [("images.outside",)] * 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a.json", "--out", "out", "--image-root", "."], 0, "format          llava"),
        (["a.json", "--out", "out", "--from", "sharegpt", "--format", "json"], 0, '"published": true'),
        (["a.json", "--out", "out", "--map", "messages"], 2, "--map messages: a word, = and another were expected"),
        (["a.json", "--out", "out", "--drop", "everything"], 2, "expected one of tools, boxes"),
        (["a.json", "--out", "out", "--max-rejected", "lots"], 2, "max_rejected: found"),
        (["gone.json", "--out", "out"], 2, "gone.json: there is no such file"),
    ],
)
def test_the_command_imports_or_says_why_not(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "a.json").write_text(json.dumps(LLAVA), encoding="utf-8")
    assert exit_code_of(lambda: app(["import", *words]), name="vlmdata") == code
    captured = capfd.readouterr()
    assert said in captured.out + captured.err
