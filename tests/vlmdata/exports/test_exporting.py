"""What an export writes, counts, refuses and says."""

from __future__ import annotations

import csv
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.exports.datasets import PICTURES, asked, record, turn, write_dataset
from tests.vlmdata.shop import drawn, encoded
from vlmdata.cli import app
from vlmdata.errors import ConfigError, ContractError, NoDatasetError, OutputError
from vlmdata.exports import BUILT_IN
from vlmdata.exports.extras import KNOWN
from vlmdata.exports.judging import LOSSES
from vlmdata.rules import rulebook
from vlmdata.terminal import exit_code_of

PAIR = (turn("user", "a"), turn("assistant", "b"))


def run(*words: str) -> int:
    return exit_code_of(lambda: app(list(words)), name="vlmdata")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def losses(done: vlmdata.ExportResult) -> dict[str, int]:
    return {loss.kind: loss.rows for loss in done.losses}


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, with a hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_same_dataset_gives_the_same_bytes_and_no_path_of_the_machine(name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a"), asked("b")], test=[asked("c")])
    first, second = tmp_path / "one", tmp_path / "deeper" / "two"
    vlmdata.export(path, name, first)
    vlmdata.export(path, name, second)
    assert contents(first) == contents(second)
    assert not [file for file in first.rglob("*") if file.is_file() and str(tmp_path).encode() in file.read_bytes()]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_file_has_a_name_that_each_platform_takes(name: str, tmp_path: Path) -> None:
    row = record("con/../aux:?", turn("user", None, "a"), turn("assistant", "b"), images=["jug 7.PNG"])
    vlmdata.export(write_dataset(tmp_path / "dataset", train=[row]), name, tmp_path / "out")
    for file in contents(tmp_path / "out"):
        assert all(part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in file.split("/"))
        assert file.isascii() and file.lower() == file


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_empty_split_is_written_and_every_split_counted(name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a"), asked("b")], validation=[], test=[asked("c")])
    done = vlmdata.export(path, name, tmp_path / "out")
    assert done.splits == {"train": 2, "validation": 0, "test": 1}
    assert (done.rows_read, done.rows_exported, done.rows_not_exported) == (3, 3, 0)
    assert all((tmp_path / "out" / file).is_file() for file in done.files)
    assert not (tmp_path / "out" / "not_exported.jsonl").exists()


@pytest.mark.parametrize("name", ["llamafactory", "ms-swift", "llava", "oumi"])
def test_an_image_of_several_rows_is_written_once_as_it_was(name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a"), asked("b")], test=[asked("c")])
    vlmdata.export(path, name, tmp_path / "out")
    files = [file for file in (tmp_path / "out" / "images").rglob("*") if file.is_file()]
    assert [file.read_bytes() for file in files] == [PICTURES["mug.png"]]


def test_only_the_splits_that_are_named_are_exported(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a")], test=[asked("b")])
    assert vlmdata.export(path, "openai", tmp_path / "out", splits=["test"]).splits == {"test": 1}
    assert not (tmp_path / "out" / "train.jsonl").exists()
    with pytest.raises(ConfigError, match=r"--split tset: dataset has no such split; did you mean 'test'"):
        vlmdata.export(path, "openai", tmp_path / "other", splits=["tset"])


REFUSED = {
    "export.marker": ("llamafactory", asked(question="where is <video> here?")),
    "export.system": ("llava", record("row-1", turn("system", "Be brief."), *PAIR)),
    "export.turns": ("vlmevalkit", record("row-1", turn("user", None, "a"), *PAIR[1:], *PAIR, images=["mug.png"])),
    "export.no_image": ("imagefolder", record("row-1", *PAIR)),
    "export.roles": ("trl", record("row-1", *PAIR, turn("user", "c"))),
    "export.images": ("openai", record("row-1", turn("user", None, None, "a"), *PAIR[1:], images=["mug.png"])),
    "export.part": ("trl", record("row-1", {"role": "user", "content": [{"type": "video", "text": None}]}, *PAIR[1:])),
    "export.missing_value": ("vlmevalkit", asked(answer="None")),
    "export.image_format": (
        "gemini",
        {**asked(), "images": [{"bytes": encoded(drawn(), "BMP"), "path": "a.bmp"}]},
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_row_that_a_format_cannot_hold_is_listed_with_the_reason(rule: str, tmp_path: Path) -> None:
    name, row = REFUSED[rule]
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[asked("fine"), row]), name, tmp_path / "out")
    assert (done.rows_exported, done.rows_not_exported, dict(done.reasons)) == (1, 1, {rule: 1})
    (entry,) = lines(tmp_path / "out" / "not_exported.jsonl")
    assert (entry["id"], entry["split"], [problem["rule"] for problem in entry["problems"]]) == (
        "row-1",
        "train",
        [rule],
    )
    assert entry["problems"][0]["hint"] and rule in rulebook()


@pytest.mark.parametrize("data", [b"", b"no image at all"])
@pytest.mark.parametrize("name", ["llava", "trl", "webdataset", "openai"])
def test_an_image_without_a_picture_is_not_exported_in_silence(name: str, data: bytes, tmp_path: Path) -> None:
    row = {**asked("empty"), "images": [{"bytes": data, "path": "a.png"}]}
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[asked("fine"), row]), name, tmp_path / "out")
    assert dict(done.reasons) == {"export.image_format": 1}
    assert f"{len(data)} bytes that are no image" in done.problems[0].message
    assert not list((tmp_path / "out").rglob("*.bin"))


def test_every_reason_of_the_rulebook_is_tried() -> None:
    assert set(REFUSED) == {rule for rule in rulebook() if rule.startswith("export.")}


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"parquet"}))
def test_rows_that_no_build_would_make_are_listed_and_break_nothing(name: str, tmp_path: Path) -> None:
    odd = [
        record("1"),
        record("2", {"role": None, "content": None}),
        record("3", turn("user"), turn("assistant", "")),
        record("4", {"role": "user", "content": [{"type": None, "text": None}]}, *PAIR[1:]),
        record("5", {"role": "user", "content": [{"type": "text", "text": None}]}, *PAIR[1:]),
        record("6", turn("system", "a"), turn("system", "b"), *PAIR),
        {**record("7", *PAIR), "messages": None, "tags": None, "fields": None, "origin": None, "group": None},
    ]
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=odd), name, tmp_path / "out")
    assert {entry["id"] for entry in lines(tmp_path / "out" / "not_exported.jsonl")} >= {"1", "2", "4", "5", "6", "7"}
    assert done.rows_read == len(odd)


def test_all_reasons_of_a_row_are_told_at_once(tmp_path: Path) -> None:
    row = record("row-1", turn("system", "<image>"), turn("user", "<image>"), turn("assistant", "b"))
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[row]), "llava", tmp_path / "out")
    assert dict(done.reasons) == {"export.marker": 1, "export.system": 1}
    assert len(lines(tmp_path / "out" / "not_exported.jsonl")[0]["problems"]) == 3


def test_parquet_holds_every_record_of_the_contract(tmp_path: Path) -> None:
    rows = [row for _, row in REFUSED.values()]
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=rows), "parquet", tmp_path / "out")
    assert done.rows_exported == len(rows) and not done.losses


def test_what_is_left_behind_is_counted_with_examples(tmp_path: Path) -> None:
    provenance = {"description": "written", "model": "m", "prompt_sha256": "0"}
    row = asked("a", group="g", tags={"t": "1"}, fields={"f": "2"}, provenance=provenance)
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[row, asked("b")]), "openai", tmp_path / "out")
    assert losses(done) == {
        "id": 2,
        "group": 1,
        "tags": 1,
        "fields": 1,
        "origin": 2,
        "provenance": 1,
        "image_info": 2,
        "image_names": 2,
    }
    said = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))
    assert [loss["examples"] for loss in said["losses"] if loss["kind"] == "group"] == [["a"]]
    assert "provenance" in (tmp_path / "out" / "export-report.txt").read_text("utf-8")


def test_a_tag_whose_name_readers_know_is_left_behind_and_counted(tmp_path: Path) -> None:
    row = asked("a", tags={"Images": "x", "category": "mugs"}, fields={"category": "other", "brand": "b"})
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[row]), "ms-swift", tmp_path / "out")
    (entry,) = lines(tmp_path / "out" / "train.jsonl")
    assert (entry["category"], entry["brand"]) == ("mugs", "b") and "Images" not in entry
    assert losses(done)["tags"] == 1 and losses(done)["fields"] == 1


def test_names_that_readers_know_stand_in_lower_case() -> None:
    assert all(name == name.lower() for name in KNOWN)


def test_every_row_has_the_same_keys(tmp_path: Path) -> None:
    rows = [asked("a"), asked("b", tags={"category": "mugs"}), asked("c", fields={"brand": "b"})]
    vlmdata.export(write_dataset(tmp_path / "dataset", train=rows), "ms-swift", tmp_path / "out")
    assert len({tuple(sorted(entry)) for entry in lines(tmp_path / "out" / "train.jsonl")}) == 1


def test_llava_entries_are_as_its_documentation_has_them(tmp_path: Path) -> None:
    several = record("b", turn("user", None, None, "Two?"), turn("assistant", "Yes."), images=["mug.png", "cup.jpg"])
    rows = [asked("a"), several, record("c", *PAIR)]
    vlmdata.export(write_dataset(tmp_path / "dataset", train=rows), "llava", tmp_path / "out")
    one, two, none = json.loads((tmp_path / "out" / "train.json").read_text("utf-8"))
    assert one["conversations"] == [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A mug."},
    ]
    assert (tmp_path / "out" / one["image"]).read_bytes() == PICTURES["mug.png"]
    assert two["conversations"][0]["value"] == "<image>\n<image>\nTwo?" and len(two["image"]) == 2
    assert "image" not in none


def test_columns_of_ones_own_go_along_in_parquet_and_are_counted_elsewhere(tmp_path: Path) -> None:
    import datasets

    path = write_dataset(tmp_path / "plain", train=[asked("a"), asked("b")])
    wider = vlmdata.open(path)["train"].add_column("note", ["one", "two"])
    datasets.DatasetDict({"train": wider}).save_to_disk(str(tmp_path / "dataset"))
    done = vlmdata.export(tmp_path / "dataset", "parquet", tmp_path / "out")
    rows = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert not done.losses and rows["note"][:] == ["one", "two"] and rows[0]["images"][0].size == (40, 30)
    assert losses(vlmdata.export(tmp_path / "dataset", "trl", tmp_path / "trl"))["extra_columns"] == 2


def test_images_turned_by_exif_are_told_where_the_reader_does_not_turn_them(tmp_path: Path) -> None:
    row = record("a", turn("user", None, "What?"), turn("assistant", "b"), images=["phone.jpg"])
    path = write_dataset(tmp_path / "dataset", train=[row])
    assert losses(vlmdata.export(path, "llamafactory", tmp_path / "one"))["turned"] == 1
    assert "turned" not in losses(vlmdata.export(path, "trl", tmp_path / "two"))


def test_images_between_texts_are_told_where_the_reader_moves_them(tmp_path: Path) -> None:
    row = record("a", turn("user", "Is ", None, " it?"), turn("assistant", "b"), images=["mug.png"])
    path = write_dataset(tmp_path / "dataset", train=[row])
    assert losses(vlmdata.export(path, "vlmevalkit", tmp_path / "one"))["image_positions"] == 1
    assert losses(vlmdata.export(path, "llava", tmp_path / "two"))["image_positions"] == 1
    assert "image_positions" not in losses(vlmdata.export(path, "ms-swift", tmp_path / "three"))


def test_a_benchmark_question_has_its_options_in_columns_of_their_own(tmp_path: Path) -> None:
    fields = {"option.A": "a mug", "option.B": "a cup", "answer": "B"}
    row = record(
        "q1",
        turn("system", "Look closely."),
        turn("user", None, "What is it?\nA: a mug\nB: a cup"),
        turn("assistant", "B: a cup"),
        images=["cup.jpg"],
        fields=fields,
        tags={"task": "naming"},
    )
    done = vlmdata.export(write_dataset(tmp_path / "dataset", train=[row]), "vlmevalkit", tmp_path / "out")
    with (tmp_path / "out" / "train.tsv").open(encoding="utf-8", newline="") as file:
        (entry,) = csv.DictReader(file, delimiter="\t")
    assert entry["question"] == "Look closely.\nWhat is it?"
    assert [entry[name] for name in ("A", "B", "answer", "category")] == ["a mug", "a cup", "B", "naming"]
    assert {"options_in_question", "system_in_question", "answer_text"} <= losses(done).keys()


@given(answer=st.text(st.sampled_from('a"\t\n\r é漢,'), min_size=1, max_size=9))
def test_texts_stand_in_a_tsv_as_they_are(answer: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / str(len(list(tmp_path.iterdir()))), train=[asked("a", answer=answer)])
    done = vlmdata.export(path, "vlmevalkit", tmp_path / "out", replace=True)
    with (tmp_path / "out" / done.files[0]).open(encoding="utf-8", newline="") as file:
        assert [entry["answer"] for entry in csv.DictReader(file, delimiter="\t")] == [answer]


def test_parquet_has_small_row_groups_and_image_bytes_as_they_are(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked(f"{number}") for number in range(40)])
    done = vlmdata.export(path, "parquet", tmp_path / "out")
    said = pq.ParquetFile(tmp_path / "out" / done.files[0]).metadata
    assert [said.row_group(number).num_rows for number in range(said.num_row_groups)] == [16, 16, 8]
    columns = [said.row_group(0).column(number) for number in range(said.num_columns)]
    kinds = {column.path_in_schema: column.compression for column in columns}
    assert kinds["images.list.element.bytes"] == "UNCOMPRESSED" and kinds["id"] == "ZSTD"


def test_a_tar_says_nothing_of_when_and_where_it_was_made(tmp_path: Path) -> None:
    vlmdata.export(write_dataset(tmp_path / "dataset", train=[asked("a")]), "webdataset", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "data" / "train-00000-of-00001.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["train-000000000.0.png", "train-000000000.json"]
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}


def test_a_dataset_info_names_a_file_for_each_split(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "my shop, new", train=[asked("a")], test=[asked("b")])
    vlmdata.export(path, "llamafactory", tmp_path / "out")
    said = json.loads((tmp_path / "out" / "dataset_info.json").read_text("utf-8"))
    assert {name: entry["file_name"] for name, entry in said.items()} == {
        "my_shop_new_train": "train.json",
        "my_shop_new_test": "test.json",
    }


def test_a_line_is_one_row_for_every_reader(tmp_path: Path) -> None:
    row = asked("a", answer="one\u2028two\u2029three\x85four\r\nfive")
    vlmdata.export(write_dataset(tmp_path / "dataset", train=[row]), "openai", tmp_path / "out")
    text = (tmp_path / "out" / "train.jsonl").read_text("utf-8")
    assert len(text.splitlines()) == 1
    assert json.loads(text)["messages"][1]["content"] == row["messages"][1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("name", "prefix", "said"),
    [
        ("openai", "gs://bucket", "only gemini names images by such addresses"),
        ("gemini", "bucket/images", "an address was expected, such as gs://bucket/folder"),
        ("llama-factry", "", "did you mean"),
        ("qqq", "", "the formats are trl,"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    name: str, prefix: str, said: str, tmp_path: Path
) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a")])
    with pytest.raises(ConfigError, match=said):
        vlmdata.export(path, name, tmp_path / "out", image_uri_prefix=prefix)
    assert not (tmp_path / "out").exists()


def test_a_split_called_like_the_report_is_refused(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a")], export=[asked("b")])
    with pytest.raises(ConfigError, match="the split 'export' would stand in the report's place"):
        vlmdata.export(path, "llava", tmp_path / "out")
    assert vlmdata.export(path, "llava", tmp_path / "out", splits=["train"]).rows_exported == 1


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoDatasetError):
        vlmdata.export(tmp_path, "trl", tmp_path / "out")
    path = write_dataset(tmp_path / "dataset", train=[asked("a")])
    (path / "train" / "data-00000-of-00001.arrow").write_bytes(b"cut")
    with pytest.raises(ContractError, match="cut or damaged"):
        vlmdata.export(path, "trl", tmp_path / "out")
    assert not [entry for entry in tmp_path.iterdir() if entry != path]


def test_a_file_that_breaks_on_the_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmdata.exports.openai import OpenAI

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "train.jsonl")

    monkeypatch.setattr(OpenAI, "finish", full)
    path = write_dataset(tmp_path / "dataset", train=[asked("a")])
    with pytest.raises(OutputError, match="No space left on device; nothing was published"):
        vlmdata.export(path, "openai", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


def test_an_existing_folder_is_replaced_only_where_it_is_an_export(tmp_path: Path) -> None:
    path, out = write_dataset(tmp_path / "dataset", train=[asked("a")]), tmp_path / "out"
    vlmdata.export(path, "openai", out)
    with pytest.raises(OutputError, match="exists already; --replace"):
        vlmdata.export(path, "ms-swift", out)
    vlmdata.export(path, "ms-swift", out, replace=True)
    assert json.loads((out / "export.json").read_text("utf-8"))["format"] == "ms-swift"
    (out / "export.json").unlink()
    with pytest.raises(OutputError, match="is no export that vlmdata made"):
        vlmdata.export(path, "openai", out, replace=True)
    with pytest.raises(OutputError, match="is no export that vlmdata made"):
        vlmdata.export(path, "openai", path, replace=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dataset", "out"]


def test_the_command_exits_with_one_where_a_row_could_not_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_dataset(Path("dataset"), train=[asked("a"), asked("b", question="<image>?")])
    assert run("export", "dataset", "--to", "llava", "--out", "one") == 1
    said = capsys.readouterr().out
    assert "2 read = 1 exported + 1 not" in said and "[export.marker]" in said and "one/not_exported.jsonl" in said
    assert run("export", "dataset", "--to", "llava", "--out", "two", "--allow-loss") == 0
    assert run("export", "dataset", "--to", "openai", "--out", "three", "--format", "json") == 0
    capsys.readouterr()
    assert run("export", "dataset", "--to", "openai", "--out", "three", "--replace", "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["rows"]) == ("three", {"read": 2, "exported": 2, "not_exported": 0})
    assert run("export", "dataset", "--to", "openai", "--out", "three") == 2


def test_every_loss_is_told_in_words_that_fit_any_reader() -> None:
    assert all(meaning.format(reader="it") for meaning in LOSSES.values())


@pytest.mark.parametrize("name", BUILT_IN)
def test_photos_that_say_where_they_were_taken_are_told_of_where_an_export_is_to_be_uploaded(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [asked("a"), record("b", turn("user", None, "a"), turn("assistant", "b"), images=["home.jpg"])]
    path = write_dataset(tmp_path / "dataset", train=rows)
    assert run("export", str(path), "--to", name, "--out", str(tmp_path / "out")) == 0
    located = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))["located"]
    said = "before upload   1 row: their photos say where they were taken"
    if name in {"openai", "gemini"}:
        assert (located["rows"], located["examples"]) == (1, ["b"])
        assert said in capsys.readouterr().out
    else:
        assert located is None
        assert said not in capsys.readouterr().out
