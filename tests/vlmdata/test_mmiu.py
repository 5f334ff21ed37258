"""MMIU-Benchmark as published: a table and zips, built as it lies there, with every pixel; and the sample of it."""

from __future__ import annotations

import io
import re
import runpy
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from vlmdata.recipe import Recipe, recipe_from

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "benchmark"
OPTIONS = "A: the first image\nB: the second image"
ROW: dict[str, Any] = {
    "task": "odd_one_out",
    "visual_input_component": "synthetic image",
    "source": "drawn",
    "options": OPTIONS,
    "question": "Which image is larger?",
    "context": f"Look at both.\nSelect from the following choices.\n{OPTIONS}\n",
    "input_image_path": ["./2D-spatial/odd_one_out/1.png", "./2D-spatial/odd_one_out/2.png"],
    "output": "B",
}


def benchmark(folder: Path, *rows: dict[str, Any], zips: dict[str, dict[str, bytes]]) -> Path:
    """A folder with a table and zips, as they are downloaded."""
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{**ROW, **row} for row in rows]), folder / "all.parquet")
    for name, members in zips.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
    return folder


def recipe(folder: Path, **keys: Any) -> Recipe:
    return recipe_from({"source": {"type": "mmiu", "path": str(folder)}, "max_rejected": "100%", **keys}, folder.parent)


PAIR = {"odd_one_out/1.png": encoded(drawn(1)), "odd_one_out/2.png": encoded(drawn(2))}


def test_the_sample_builds_with_every_question_and_every_pixel(tmp_path: Path) -> None:
    built = vlmdata.build(vlmdata.load_recipe(SAMPLE / "recipe.yaml"), tmp_path / "out")
    assert built.ledger.rows_used == built.ledger.rows_read == 60
    assert built.ledger.images_references == 180
    published = pq.read_table(SAMPLE / "all.parquet").to_pylist()
    asked = {(row["question"], tuple(row["input_image_path"])): row for row in published}
    stored = {
        (path.stem, member.filename): archive.read(member)
        for path in SAMPLE.glob("*.zip")
        for archive in [zipfile.ZipFile(path)]
        for member in archive.infolist()
    }
    seen = 0
    for split in datasets.load_from_disk(str(tmp_path / "out")).values():
        bytes_only = split.cast_column("images", datasets.List(datasets.Image(decode=False)))
        for row, raw in zip(split, bytes_only, strict=True):
            fields = {field["name"]: field["value"] for field in row["fields"]}
            system, user, assistant = ([part["text"] for part in turn["content"]] for turn in row["messages"])
            names = [image["path"] for image in raw["images"]]
            (question,) = [
                value
                for (text, paths), value in asked.items()
                if text == user[-1] and [path.rpartition("/")[2] for path in paths] == names
            ]
            assert system == [question["context"].strip()]
            assert user == [None] * len(names) + [question["question"]]
            assert assistant == [question["output"]] == [fields["answer"]]
            assert {"task", "visual_input_component"} > {tag["name"] for tag in row["tags"]} == {"task"}
            for path, image, picture in zip(question["input_image_path"], raw["images"], row["images"], strict=True):
                _, stem, member = path.split("/", 2)
                assert image["bytes"] == stored[stem, member]
                assert picture.size == (96, 96)
                picture.load()
                seen += 1
    assert seen == 180


def names_of(folder: Path) -> dict[str, list[str]]:
    return {path.name: zipfile.ZipFile(path).namelist() for path in sorted(folder.glob("*.zip"))}


def test_the_sample_is_what_its_script_writes(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_bytes((SAMPLE / "make.py").read_bytes())
    runpy.run_path(str(tmp_path / "make.py"), run_name="__main__")
    assert pq.read_table(tmp_path / "all.parquet") == pq.read_table(SAMPLE / "all.parquet")
    assert names_of(tmp_path) == names_of(SAMPLE)


def test_the_sample_has_the_form_of_the_benchmark() -> None:
    rows = pq.read_table(SAMPLE / "all.parquet").to_pylist()
    assert Counter(row["task"] for row in rows) == {"spot_the_diff": 20, "odd_one_out": 20, "ball_path": 20}
    for row in rows:
        assert re.search(rf"^{row['output']}: ", row["options"], re.MULTILINE)
        assert row["options"] in row["context"]
    pictures = {path for row in rows for path in row["input_image_path"]}
    assert len(pictures) == sum(map(len, names_of(SAMPLE).values())) == 89
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 300_000


def test_questions_over_the_same_images_are_in_one_split(tmp_path: Path) -> None:
    vlmdata.build(vlmdata.load_recipe(SAMPLE / "recipe.yaml"), tmp_path / "out")
    splits: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name, split in datasets.load_from_disk(str(tmp_path / "out")).items():
        for infos in split["image_info"]:
            splits[tuple(sorted(info["sha256"] for info in infos))].add(name)
    assert len(splits) > 20
    assert all(len(found) == 1 for found in splits.values())


def test_what_is_built_from_zips_is_what_is_built_from_them_unpacked(tmp_path: Path) -> None:
    packed = benchmark(tmp_path / "packed", {}, zips={"2D-spatial.zip": PAIR})
    nested = benchmark(
        tmp_path / "nested", {}, zips={"2D-spatial.zip": {f"2D-spatial/{name}": data for name, data in PAIR.items()}}
    )
    unpacked = benchmark(tmp_path / "unpacked", {}, zips={})
    for name, data in PAIR.items():
        (unpacked / "2D-spatial" / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / "2D-spatial" / name).write_bytes(data)
    rows = []
    for folder in (packed, nested, unpacked):
        out = tmp_path / f"{folder.name}-out"
        vlmdata.build(recipe(folder), out)
        (row,) = datasets.load_from_disk(str(out))["train"]
        rows.append({**row, "images": [image.tobytes() for image in row["images"]]})
    assert rows[0] == rows[1] == rows[2]
    assert rows[0]["images"][0] == Image.open(io.BytesIO(PAIR["odd_one_out/1.png"])).convert("RGB").tobytes()
    assert {tag["name"]: tag["value"] for tag in rows[0]["tags"]} == {
        "task": "odd_one_out",
        "visual_input_component": "synthetic image",
    }
    assert {field["name"]: field["value"] for field in rows[0]["fields"]} == {
        **{"source": "drawn", "option.A": "the first image", "option.B": "the second image", "answer": "B"},
    }


def test_rows_of_a_zip_that_was_not_downloaded_name_it(tmp_path: Path) -> None:
    there = {"question": "Which of these?"}
    elsewhere = {"input_image_path": ["./3D-spatial/depth/1.png", "./3D-spatial/depth/2.png"]}
    gone = {"input_image_path": ["./2D-spatial/odd_one_out/9.png"]}
    folder = benchmark(tmp_path / "mmiu", there, elsewhere, gone, zips={"2D-spatial.zip": PAIR})
    built = vlmdata.build(recipe(folder), tmp_path / "out")
    assert built.ledger.rows_used == 1
    assert [rejection.rules for rejection in built.rejections] == [("images.missing_zip",), ("images.missing",)]
    (first,) = next(iter(built.rejections)).problems
    assert first.where == "all.parquet:2 input_image_path[0]"
    assert first.message == (
        "'./3D-spatial/depth/1.png' is in 3D-spatial.zip, which is not there, nor is a folder 3D-spatial"
    )


def test_a_task_can_be_chosen_by_its_images(tmp_path: Path) -> None:
    other = {"input_image_path": ["./3D-spatial/depth/1.png"], "task": "depth"}
    folder = benchmark(tmp_path / "mmiu", {}, other, zips={"2D-spatial.zip": PAIR})
    where = "input_image_path[0].startswith('./2D-spatial/')"
    built = vlmdata.build(
        recipe(folder, source={"type": "mmiu", "path": str(folder), "where": where}), tmp_path / "out"
    )
    assert built.ledger.rows_used == 1
    assert built.ledger.skipped == {f"where: {where}": 1}


def test_the_table_may_be_named_itself(tmp_path: Path) -> None:
    folder = benchmark(tmp_path / "mmiu", {}, zips={"2D-spatial.zip": PAIR})
    (folder / "all.parquet").rename(folder / "some.parquet")
    source = {"type": "mmiu", "path": "mmiu/some.parquet"}
    loaded = recipe_from({"source": source}, tmp_path)
    assert loaded.images.roots == (folder, folder / "2D-spatial.zip")
    assert vlmdata.build(loaded, tmp_path / "out").ledger.rows_used == 1
    assert recipe(folder).images.roots == loaded.images.roots


def test_a_download_whose_files_are_links_is_read(tmp_path: Path) -> None:
    blobs = benchmark(tmp_path / "blobs", {}, zips={"2D-spatial.zip": PAIR})
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for name in ("all.parquet", "2D-spatial.zip"):
        (folder / name).symlink_to(blobs / name)
    assert vlmdata.build(recipe(folder), tmp_path / "out").ledger.rows_used == 1


def test_equal_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    folder = benchmark(tmp_path / "mmiu", {}, {}, zips={"2D-spatial.zip": PAIR})
    vlmdata.build(recipe(folder), tmp_path / "out")
    first, second = datasets.load_from_disk(str(tmp_path / "out"))["train"]["id"]
    assert second == f"{first}-2"


@pytest.mark.parametrize("page", ["image-folders.md", "benchmarks.md"])
def test_the_recipes_of_the_docs_are_recipes(page: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/sources" / page).read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) >= 3
    for block in blocks:
        assert recipe_from(yaml.safe_load(block)).source.type in {"image_folder", "mmiu", "multi_image"}
