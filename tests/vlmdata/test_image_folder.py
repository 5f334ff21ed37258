"""Folders of images: metadata files, class folders and captions, and no file passed over in silence."""

from __future__ import annotations

import gc
import io
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig, recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source.captions import parse_caption
from vlmdata.source.folder_walk import walk
from vlmdata.source.image_folder import FolderShard, ImageFolderSource, open_image_folder

PNG = encoded(drawn(1))
JPEG = encoded(drawn(2), "JPEG")


def folder(tmp_path: Path, files: Mapping[str, bytes | str]) -> Path:
    """A folder `photos` with these files."""
    root = tmp_path / "photos"
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def opened(root: Path, **options: Any) -> ImageFolderSource:
    return open_image_folder(SourceConfig(type="image_folder", path=root, options=options))


def read(root: Path, **options: Any) -> tuple[list[dict[str, Any]], Counter[str], list[Rejection], FolderShard]:
    """The rows, the reasons of the skips, the rejections, and the shard with its counts, whose lines must balance."""
    (shard,) = opened(root, **options).shards()
    entries = list(shard)
    assert shard.lines_read == sum(entry.origin.lines for entry in entries) + shard.lines_of_header
    assert len({(entry.origin.source, entry.origin.row) for entry in entries}) == len(entries)
    rows = [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)]
    skips = Counter(entry.reason for entry in entries if isinstance(entry, Skip))
    return rows, skips, [entry for entry in entries if isinstance(entry, Rejection)], shard


def rules(rejections: list[Rejection]) -> list[str]:
    return [rule for rejection in rejections for rule in rejection.rules]


def test_a_class_folder_is_the_label_and_the_path_the_file_name(tmp_path: Path) -> None:
    root = folder(tmp_path, {"mug/2.png": PNG, "mug/1.png": PNG, "lamp/tall/3.jpg": JPEG, "loose.png": PNG})
    rows, skips, rejections, _ = read(root)
    assert [(row["file_name"], row["label"], row["folder"]) for row in rows] == [
        ("loose.png", None, None),
        ("lamp/tall/3.jpg", "tall", "lamp/tall"),
        ("mug/1.png", "mug", "mug"),
        ("mug/2.png", "mug", "mug"),
    ]
    assert not skips
    assert not rejections
    assert opened(root).columns == ("file_name", "label", "folder")


def test_split_folders_are_a_column_and_no_label(tmp_path: Path) -> None:
    root = folder(tmp_path, {"train/mug/1.png": PNG, "valid/mug/2.png": PNG, "Test/lamp/3.png": PNG, "test.png": PNG})
    rows, _, _, _ = read(root)
    assert [(row["split"], row["label"]) for row in rows] == [
        (None, None),
        ("test", "lamp"),
        ("train", "mug"),
        ("validation", "mug"),
    ]
    assert "split" in opened(root).columns


def test_one_folder_that_is_no_split_makes_all_of_them_classes(tmp_path: Path) -> None:
    root = folder(tmp_path, {"train/1.png": PNG, "ship/2.png": PNG})
    rows, _, _, _ = read(root)
    assert [row["label"] for row in rows] == ["ship", "train"]
    assert "split" not in rows[0]


def test_labels_are_those_that_datasets_finds(tmp_path: Path) -> None:
    root = folder(tmp_path, {"mug/1.png": PNG, "lamp/2.png": PNG, "bag/3.png": PNG, "bag/4.png": PNG})
    rows, _, _, _ = read(root)
    theirs = datasets.load_dataset("imagefolder", data_dir=str(root), split="train", cache_dir=str(tmp_path / "cache"))
    names = theirs.features["label"].names
    assert sorted(names[label] for label in theirs["label"]) == sorted(row["label"] for row in rows)


def test_every_file_that_is_no_row_is_counted(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        {
            **{"a.png": PNG, ".DS_Store": b"", "Thumbs.db": b"", "._a.png": b"", "notes.txt": "x", "b.heic": b"x"},
            **{"set.zip": b"PK", ".git/config": "x", ".git/objects/1": "x"},
        },
    )
    (root / "linked").symlink_to(tmp_path, target_is_directory=True)
    rows, skips, rejections, _ = read(root)
    assert [row["file_name"] for row in rows] == ["a.png", "b.heic"]
    assert skips == {
        "not an image by its name": 4,
        "hidden folder": 1,
        "symbolic link to a folder": 1,
        "a zip file, which is not looked into": 1,
    }
    assert not rejections


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a/1.png": PNG})
    (root / "a" / "again").symlink_to(root, target_is_directory=True)
    assert [listing.path for listing in walk(root)] == ["", "a"]


def test_the_order_is_that_of_code_points(tmp_path: Path) -> None:
    root = folder(tmp_path, dict.fromkeys(("b.png", "B.png", "ä.png", "10.png", "9.png", "Z/1.png", "a/1.png"), PNG))
    rows, _, _, _ = read(root)
    assert [row["file_name"] for row in rows] == ["10.png", "9.png", "B.png", "b.png", "ä.png", "Z/1.png", "a/1.png"]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_no_text_is_rejected_with_its_bytes(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.png": PNG})
    try:
        (root / os.fsdecode(b"caf\xe9.png")).write_bytes(PNG)
    except OSError:
        pytest.skip("this file system holds no such name")
    rows, _, rejections, _ = read(root)
    assert [row["file_name"] for row in rows] == ["a.png"]
    assert rules(rejections) == ["folder.name"]
    assert rejections[0].raw == b"caf\xe9.png"


def test_a_folder_that_can_not_be_listed_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path, {"a/1.png": PNG, "b/1.png": PNG})
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    rows, _, rejections, _ = read(root)
    assert [row["file_name"] for row in rows] == ["b/1.png"]
    assert rejections[0].problems[0].message == "the folder 'a' can't be listed: Permission denied"


METADATA = "file_name,title\n1.png,Mug\nsub/2.png,Lamp\ngone.png,Bag\n"


def test_metadata_rows_are_the_rows_and_other_images_are_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, {"metadata.csv": METADATA, "1.png": PNG, "sub/2.png": PNG, "sub/3.png": PNG, "x.txt": ""})
    rows, skips, rejections, shard = read(root)
    assert [(row["file_name"], row["title"]) for row in rows] == [
        ("1.png", "Mug"),
        ("sub/2.png", "Lamp"),
        ("gone.png", "Bag"),
    ]
    assert skips == {"in no row of metadata.csv": 1, "not an image by its name": 1}
    assert not rejections
    assert shard.lines_of_header == 1
    source = opened(root)
    assert source.columns == ("file_name", "title")
    assert source.files == (root / "metadata.csv",)


def test_file_names_start_from_the_folder_of_their_metadata_file(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        {
            **{"train/metadata.csv": "file_name,left_file_name\n./1.png,2.png\n", "train/1.png": PNG},
            **{"test/metadata.csv": "file_name,left_file_name\n/etc/1.png,../1.png\n", "train/2.png": PNG},
        },
    )
    (shard,) = opened(root).shards()
    entries = [entry for entry in shard if isinstance(entry, RawRecord)]
    assert [(entry.origin.source, dict(entry.values)) for entry in entries] == [
        ("test/metadata.csv", {"file_name": "/etc/1.png", "left_file_name": "test/../1.png", "split": None}),
        ("train/metadata.csv", {"file_name": "train/./1.png", "left_file_name": "train/2.png", "split": "train"}),
    ]
    assert opened(root).columns == ("file_name", "left_file_name", "split")
    assert not read(root)[1]


def test_the_split_of_a_metadata_row_is_that_of_its_image(tmp_path: Path) -> None:
    listed = "file_name,title\ntrain/1.png,Mug\nval/2.png,Lamp\n3.png,Bag\n"
    files = dict.fromkeys(("train/1.png", "val/2.png", "3.png"), PNG)
    rows, _, _, _ = read(folder(tmp_path, {"metadata.csv": listed, **files}))
    assert [row["split"] for row in rows] == ["train", "validation", None]


def test_metadata_may_be_parquet(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a/1.png": PNG, "a/2.png": PNG})
    pq.write_table(pa.table({"file_names": [["1.png", "2.png"]], "title": ["Mug"]}), root / "a" / "metadata.parquet")
    rows, skips, _, _ = read(root)
    assert rows == [{"file_names": ["a/1.png", "a/2.png"], "title": "Mug"}]
    assert not skips


def test_metadata_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path, {"1.png": PNG})
    (tmp_path / "secret.csv").write_text(METADATA, encoding="utf-8")
    (root / "metadata.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(SourceError, match=r"metadata\.csv: leads out of the folder through a symbolic link"):
        opened(root).columns  # noqa: B018


def test_lists_of_file_names_are_read_from_json_lines(tmp_path: Path) -> None:
    lines = [{"file_names": ["1.png", "2.png"], "title": "Mug"}, {"file_names": None, "title": "Lamp"}]
    root = folder(tmp_path, {"a/metadata.jsonl": "".join(f"{json.dumps(line)}\n" for line in lines), "a/1.png": PNG})
    rows, skips, _, _ = read(root)
    assert [row["file_names"] for row in rows] == [["a/1.png", "a/2.png"], None]
    assert not skips


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_metadata_is_what_datasets_reads(tmp_path: Path) -> None:
    root = folder(tmp_path, {"metadata.csv": METADATA.replace("gone.png,Bag\n", ""), "1.png": PNG, "sub/2.png": JPEG})
    rows, _, _, _ = read(root)
    theirs = datasets.load_dataset("imagefolder", data_dir=str(root), split="train", cache_dir=str(tmp_path / "cache"))
    gc.collect()  # datasets leaves the metadata file open, and Python says so now, not in a later test
    assert list(theirs["title"]) == [row["title"] for row in rows]


def test_a_metadata_file_of_another_name_is_found_anywhere_below(tmp_path: Path) -> None:
    root = folder(tmp_path, {"deep/er/labels.tsv": "file_name\ttitle\n1.png\tMug\n", "deep/er/1.png": PNG})
    rows, skips, _, _ = read(root, metadata="labels.tsv")
    assert rows == [{"file_name": "deep/er/1.png", "title": "Mug"}]
    assert not skips


def test_a_bad_metadata_row_is_rejected_alone_with_its_file(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a/metadata.csv": "file_name,title\n1.png\n2.png,Lamp\n", "a/2.png": PNG})
    rows, _, rejections, _ = read(root)
    assert [row["file_name"] for row in rows] == ["a/2.png"]
    assert str(rejections[0].problems[0]).startswith("a/metadata.csv:2: 1 cell, expected 2")


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({"metadata.csv": "title\nMug\n"}, {}, "metadata.csv: no column names the images: file_name, or a name"),
        ({"metadata.csv": METADATA, "metadata.jsonl": "{}"}, {}, "metadata.csv and metadata.jsonl stand side by side"),
        ({"1.png": PNG}, {"metadata": "labels.csv"}, "photos: there is no labels.csv in the folder, nor below it"),
        ({"labels.xml": "<a/>"}, {"metadata": "labels.xml"}, "labels.xml: metadata is read from .csv"),
        ({}, {"metadata": "a.csv", "captions": ".txt"}, "source.metadata and source.captions can't both be given"),
        ({}, {"translations": "keep"}, "source.translations is about captions"),
    ],
)
def test_metadata_that_can_not_be_used_is_refused(
    tmp_path: Path, files: dict[str, bytes | str], options: dict[str, str], words: str
) -> None:
    root = folder(tmp_path, files)
    with pytest.raises(SourceError, match=words.replace("(", r"\(")):
        opened(root, **options).columns  # noqa: B018


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: there is no such folder"):
        opened(tmp_path / "nowhere").columns  # noqa: B018
    (tmp_path / "file.png").write_bytes(PNG)
    with pytest.raises(SourceError, match=r"file\.png: this is a file; a folder of images was expected"):
        opened(tmp_path / "file.png").columns  # noqa: B018


def test_a_caption_stands_beside_its_image(tmp_path: Path) -> None:
    root = folder(
        tmp_path, {"a.png": PNG, "a.txt": "A mug.\r\nIt is red.\n", "b/c.JPG": JPEG, "b/c.txt": "\ufeffÄ lamp."}
    )
    rows, skips, rejections, shard = read(root, captions=".txt")
    assert [(row["file_name"], row["caption"]) for row in rows] == [
        ("a.png", "A mug.\nIt is red."),
        ("b/c.JPG", "Ä lamp."),
    ]
    assert not skips
    assert not rejections
    assert not shard.changes


def test_what_has_no_partner_is_rejected(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        {"a.png": PNG, "b.txt": "text", "c.png": PNG, "c.txt": b"caf\xe9", "d.png": PNG, "d.txt": "x" * 10**6 + "x"},
    )
    rows, skips, rejections, _ = read(root, captions=".txt")
    assert not rows
    assert not skips
    assert [str(rejection.problems[0]) for rejection in rejections] == [
        "photos:1: 'a.png' has no caption: there is no 'a.txt' beside it [caption.missing] write one",
        "photos:2: 'b.txt' stands beside no image of that name [caption.no_image] add the image, or move the file out "
        "of the folder",
        "photos:3: 'c.txt' is not UTF-8 at byte 3 [caption.encoding] save the file as UTF-8",
        "photos:4: 'd.txt' is more than 1,000,000 bytes long, which no caption is [caption.too_long] move it out of "
        "the folder, or make it shorter",
    ]
    assert rejections[2].raw == b"caf\xe9"
    assert rejections[0].row == {"file_name": "a.png", "label": None, "folder": None}


def test_a_caption_that_links_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.png": PNG})
    (tmp_path / "secret.txt").write_text("a key", encoding="utf-8")
    (root / "a.txt").symlink_to(tmp_path / "secret.txt")
    rows, _, rejections, _ = read(root, captions=".txt")
    assert not rows
    assert rules(rejections) == ["caption.outside"]


CAPTION = "A red mug.\nde.utf8=Ein roter Becher.\nfr.utf8=Une tasse rouge.\nfr.utf8=Elle est grande.\nxx.utf8=…\n"


def test_lines_of_translation_are_left_out_and_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.png": PNG, "a.txt": CAPTION, "b.png": PNG, "b.txt": CAPTION})
    rows, _, _, shard = read(root, captions=".txt")
    assert {row["caption"] for row in rows} == {"A red mug."}
    assert shard.changes == {"captions.translations_left_out": 8}
    list(shard)
    assert shard.changes == {"captions.translations_left_out": 8}


def test_lines_of_translation_are_kept_on_demand(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.png": PNG, "a.txt": CAPTION})
    rows, _, _, shard = read(root, captions=".txt", translations="keep")
    assert rows[0]["caption"] == CAPTION.strip()
    assert not shard.changes


def test_chosen_languages_become_columns_and_the_rest_is_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.png": PNG, "a.txt": CAPTION})
    rows, _, _, shard = read(root, captions=".txt", translations=["de", "fr", "it"])
    assert rows[0] == {
        **{"file_name": "a.png", "label": None, "folder": None, "caption": "A red mug."},
        **{"caption.de": "Ein roter Becher.", "caption.fr": "Une tasse rouge.\nElle est grande.", "caption.it": None},
    }
    assert shard.changes == {"captions.translations_left_out": 1}
    assert opened(root, captions=".txt", translations=["de"]).columns[-2:] == ("caption", "caption.de")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20), max_size=6))
def test_no_line_of_a_caption_is_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    kept = parse_caption(text, "keep")
    assert kept.text == text.strip()
    dropped, chosen = parse_caption(text, "drop"), parse_caption(text, ("de",))
    assert dropped.text == chosen.text
    assert dropped.left_out == chosen.left_out + sum(1 for line in lines if line.strip().startswith("de.utf8="))


FOLDERS = st.sampled_from(["", "x/", "x/y/", "é/"])
STEMS = st.sampled_from(["a", "b", ".a", "a b"])
ENDINGS = st.sampled_from([".png", ".JPG", ".txt", ".md", ".zip", ""])
NAMES = st.builds("{}{}{}".format, FOLDERS, STEMS, ENDINGS)


@given(st.sets(NAMES, min_size=1))
def test_every_file_is_accounted_for(files: set[str]) -> None:
    with TemporaryDirectory() as below:
        root = folder(Path(below), {name: PNG if name.endswith((".png", ".JPG")) else "text" for name in files})
        rows, skips, rejections, _ = read(root)
        assert len(rows) + skips.total() == len(files)
        assert not rejections
        rows, skips, rejections, _ = read(root, captions=".txt")
        used = {str(Path(row["file_name"]).with_suffix(".txt")) for row in rows}
        assert len(rows) + len(used) + skips.total() + len(rejections) == len(files)


def test_images_of_a_folder_start_from_that_folder() -> None:
    recipe = recipe_from(
        {
            "source": {"type": "image_folder", "path": "photos", "captions": ".txt", "translations": ["de"]},
            "images": {"from": "file_name"},
            "conversations": [{"user": "Describe it.", "assistant": '{{ row["caption.de"] }}'}],
        }
    )
    assert recipe.images.roots == (Path("photos"),)


def test_a_build_of_captions_holds_every_pixel_and_counts_what_was_left_out(tmp_path: Path) -> None:
    images = {"mugs/a.png": PNG, "b.jpg": JPEG, "c.png": PNG}
    root = folder(tmp_path, {**images, "mugs/a.txt": CAPTION, "b.txt": "A lamp."})
    recipe = recipe_from(
        {
            "source": {"type": "image_folder", "path": root.name, "captions": ".txt"},
            "id": "file_name",
            "images": {"from": "file_name"},
            "conversations": [{"user": "Describe it.", "assistant": "{{ caption }}"}],
            "max_rejected": 1,
        },
        tmp_path,
    )
    built = vlmdata.build(recipe, tmp_path / "out")
    assert built.report["ledger"]["changed"] == {"captions.translations_left_out": 4}
    assert built.ledger.rejected_by_rule == {"caption.missing": 1}
    rows = {row["id"]: row for row in datasets.load_from_disk(str(tmp_path / "out"))["train"]}
    assert {name: row["messages"][1]["content"][0]["text"] for name, row in rows.items()} == {
        "mugs/a.png": "A red mug.",
        "b.jpg": "A lamp.",
    }
    for name, row in rows.items():
        (picture,) = row["images"]
        original = Image.open(io.BytesIO(images[name]))
        assert picture.tobytes() == original.convert(picture.mode).tobytes()


def test_a_cell_that_nests_without_end_is_a_file_name(tmp_path: Path) -> None:
    cell = "[" * 100_000 + "]" * 100_000
    root = folder(tmp_path, {"a/metadata.csv": f"file_name,title\n{cell},Mug\n1.png,Lamp\n", "a/1.png": PNG})
    rows, skips, _, _ = read(root)
    assert [row["file_name"] for row in rows] == [f"a/{cell}", "a/1.png"]
    assert not skips
