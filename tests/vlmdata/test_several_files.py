"""Folders of tables, read as one: every row of every file, with the counts and the columns of all."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import vlmdata
from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord
from vlmdata.source import open_source


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def read(kind: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    source = open_source(SourceConfig(type=kind, path=folder, options=options))
    return [dict(entry.values) for shard in source.shards() for entry in shard if isinstance(entry, RawRecord)]


def test_tables_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    written(tmp_path, b__csv="sku,title\n2,Bowl\n", a__csv="title,sku\nMug,1\n", _old__csv="x\n1\n", note__txt="hi")
    assert read("csv", tmp_path) == [{"title": "Mug", "sku": "1"}, {"title": "Bowl", "sku": "2"}]


def test_rows_of_json_have_the_columns_of_all_files(tmp_path: Path) -> None:
    written(tmp_path, a__jsonl='{"sku": 1}\n', b__jsonl='{"sku": 2, "title": "Bowl"}\n', rejected__jsonl="no")
    assert read("jsonl", tmp_path) == [{"sku": 1, "title": None}, {"sku": 2, "title": "Bowl"}]
    written(tmp_path / "json", a__json='[{"sku": 1}]', b__json='[{"title": "Bowl"}]')
    assert read("json", tmp_path / "json") == [{"sku": 1, "title": None}, {"sku": None, "title": "Bowl"}]


def test_lines_and_files_are_counted_over_all(tmp_path: Path) -> None:
    folder = written(tmp_path / "rows", a__csv="sku,text\n1,A blue mug.\n\n2,A bowl.\n", b__csv="sku,text\n3,A vase.\n")
    recipe = tmp_path / "recipe.yaml"
    said = {"source": {"type": "csv", "path": "rows"}, "id": "sku"}
    said["conversations"] = [{"user": "What is it?", "assistant": "{{ text }}"}]  # type: ignore[assignment]
    recipe.write_text(yaml.safe_dump(said), encoding="utf-8")
    built = vlmdata.build(vlmdata.load_recipe(recipe), tmp_path / "out")
    assert (built.ledger.rows_read, built.ledger.rows_used) == (4, 3)  # the blank line is a row that was skipped
    assert (built.ledger.lines_read, built.ledger.lines_of_header) == (6, 2)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert [file["name"] for file in manifest["sources"]] == ["a.csv", "b.csv"]
    origins = [row["origin"] for row in vlmdata.open(tmp_path / "out")["train"].remove_columns("images")]
    assert [(origin["source"], origin["line"]) for origin in origins] == [("a.csv", 2), ("a.csv", 4), ("b.csv", 2)]
    assert folder.is_dir()


def test_every_file_with_another_header_is_named(tmp_path: Path) -> None:
    written(tmp_path, a__csv="sku,title\n", b__csv="sku,titel\n", c__csv="sku\n", d__csv="sku,title,price\n")
    with pytest.raises(SourceError, match="3 of 4 files can't be used") as caught:
        _ = open_source(SourceConfig(type="csv", path=tmp_path)).columns
    assert [problem.source for problem in caught.value.problems] == ["b.csv", "c.csv", "d.csv"]
    assert "lacks 'title' and has 'titel' more" in caught.value.problems[0].message
    assert caught.value.problems[0].hint == "did you mean 'title'?"


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no file \*\.csv, \*\.tsv"):
        open_source(SourceConfig(type="csv", path=tmp_path))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_init_drafts_one_recipe_for_tables_of_one_kind(tmp_path: Path, ending: str) -> None:
    things = [f"thing {number}, made by hand and signed underneath by its maker" for number in range(24)]
    for part in range(2):
        rows = [{"sku": f"S-{part}-{at}", "description": f"A {thing}."} for at, thing in enumerate(things)]
        lines = [json.dumps(row) for row in rows] if ending == "jsonl" else []
        lines = lines or ["sku,description", *(f'{row["sku"]},"{row["description"]}"' for row in rows)]
        written(tmp_path / "shop", **{f"part-{part}__{ending}": "\n".join(lines) + "\n"})
    draft = vlmdata.draft_recipe(tmp_path / "shop")
    assert yaml.safe_load(draft.text)["source"] | {"type": ending, "path": "."} == yaml.safe_load(draft.text)["source"]
    assert any("the 2 tables in it have the same columns" in note for note in draft.notes)
    (tmp_path / "shop" / "recipe.yaml").write_text(draft.text, encoding="utf-8")
    built = vlmdata.build(vlmdata.load_recipe(tmp_path / "shop" / "recipe.yaml"), tmp_path / "out")
    assert built.ledger.rows_used == 48


def test_tables_that_are_not_read_are_told(tmp_path: Path) -> None:
    folder = written(tmp_path / "rows", a__csv="sku\n1\n", _old__csv="sku\n2\n", notes__txt="hi", rejected__jsonl="{}")
    written(folder / "2024", b__csv="sku\n3\n", photo__jpg="no table")
    (folder / "c.csv.gz").write_bytes(b"packed")
    source = open_source(SourceConfig(type="csv", path=folder, options={}))
    (told,) = source.warnings  # type: ignore[attr-defined]
    assert (told.rule, told.severity, told.source) == ("source.passed_over", "warning", "rows")
    assert told.message == "tables in this folder are not read: '2024/b.csv', '_old.csv', 'c.csv.gz'"
    assert read("csv", folder) == [{"sku": "1"}]


def test_a_folder_all_of_whose_tables_are_read_says_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path, a__csv="sku\n1\n", b__csv="sku\n2\n", notes__txt="hi")
    (folder / "photos").mkdir()
    (folder / "~lock.csv").write_text("x", encoding="utf-8")
    assert not open_source(SourceConfig(type="csv", path=folder, options={})).warnings  # type: ignore[attr-defined]


def test_a_table_of_a_folder_stands_for_the_recipe_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "export", a__csv="sku,text\n1,A blue mug of clay.\n", b__csv="sku,text\n2,A bowl of oak wood.\n")
    said = {"source": {"type": "csv", "path": "export"}, "id": "sku"}
    said["conversations"] = [{"user": "What is it?", "assistant": "{{ text }}"}]  # type: ignore[assignment]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    found = vlmdata.validate(["export/a.csv", "export/b.csv"])
    assert [str(target.path) for target in found.targets] == ["recipe.yaml"]
    assert found.exit_code == 0


def test_a_link_that_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    secret = written(tmp_path / "elsewhere", x__csv="sku,title\n9,Secret\n") / "x.csv"
    folder = written(tmp_path / "rows", a__csv="sku,title\n1,Mug\n")
    (folder / "b.csv").symlink_to(secret)
    source = open_source(SourceConfig(type="csv", path=folder))
    assert [file.name for file in source.files] == ["a.csv"]
    (warning,) = source.warnings  # type: ignore[attr-defined]
    assert "'b.csv'" in warning.message


def test_a_file_called_as_one_of_ours_is_passed_over_aloud(tmp_path: Path) -> None:
    written(tmp_path, a__jsonl='{"sku": 1}\n', descriptions__jsonl='{"sku": 2}\n')
    source = open_source(SourceConfig(type="jsonl", path=tmp_path))
    (warning,) = source.warnings  # type: ignore[attr-defined]
    assert "'descriptions.jsonl'" in warning.message


def test_a_shard_of_several_files_can_be_copied(tmp_path: Path) -> None:
    written(tmp_path, a__csv="sku\n1\n", b__csv="sku\n2\n")
    first, _ = open_source(SourceConfig(type="csv", path=tmp_path)).shards()
    assert [entry.values for entry in copy.copy(first) if isinstance(entry, RawRecord)] == [{"sku": "1"}]


def test_files_are_held_to_the_first_that_can_be_read(tmp_path: Path) -> None:
    written(tmp_path, a__csv="", b__csv="sku\n1\n", c__csv="name\n2\n")
    with pytest.raises(SourceError) as caught:
        _ = open_source(SourceConfig(type="csv", path=tmp_path)).columns
    empty, other = caught.value.problems
    assert empty.message.startswith("the file is empty")
    assert "not those of b.csv" in other.message


def test_splits_are_told_where_they_are_read_together_and_not_where_one_is_chosen(tmp_path: Path) -> None:
    row = json.dumps([{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}])
    folder = written(tmp_path, train__json=row, test__json=row)
    together = open_source(SourceConfig(type="conversations", path=folder))
    (warning,) = together.warnings  # type: ignore[attr-defined]
    assert (warning.rule, "2 splits ('test', 'train')" in warning.message) == ("import.splits", True)
    entry = {"file_name": "train.json", "formatting": "sharegpt"}
    (folder / "dataset_info.json").write_text(json.dumps({"shop": entry}), encoding="utf-8")
    chosen = open_source(SourceConfig(type="conversations", path=folder, options={"dataset": "shop"}))
    assert [file.name for file in chosen.files] == ["train.json", "dataset_info.json"]
    assert chosen.warnings == ()  # type: ignore[attr-defined]
