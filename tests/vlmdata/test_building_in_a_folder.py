"""A dataset that is built into the folder of images that it is built from: the build does not read what it writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from vlmdata.errors import BuildRefusedError
from vlmdata.progress import Progress
from vlmdata.source.folder_walk import walk
from vlmdata.source.image_folder import ImageFolderSource

RECIPE = """
source: {type: image_folder, path: .}
id: file_name
images: {from: file_name}
tags: [label]
conversations:
  - user: "What is this?"
    assistant: "A {{ label }}."
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of classes with a recipe in it, as the current folder."""
    folder = tmp_path / "shop"
    for number, label in enumerate(("mug", "lamp", "mug")):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}.png").write_bytes(encoded(drawn(number)))
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def built(**options: Any) -> dict[str, Any]:
    """The report of a build of recipe.yaml into `dataset`, in the current folder."""
    return vlmdata.build(vlmdata.load_recipe("recipe.yaml"), "dataset", workers=1, **options).report


def bytes_below(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset, but for the log, which tells the time."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "build-log.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_recipe_in_its_own_folder_builds_twice_to_the_same_bytes_and_report(root: Path) -> None:
    first = built()
    made = bytes_below(root / "dataset")
    assert first["ledger"]["rows"]["used"] == 3
    assert built(replace=True) == first
    assert bytes_below(root / "dataset") == made


def test_what_builds_leave_in_the_folder_is_neither_read_nor_counted(root: Path) -> None:
    before, fingerprint = list(walk(root)), ImageFolderSource(root).fingerprint
    built()
    shutil.copytree(root / "dataset", root / "mug" / "dataset.old")
    for name in (".dataset.building", ".dataset.building.index", ".dataset.discarded"):
        (root / name).mkdir()
        (root / name / "data.arrow").touch()
    for name in (".dataset.lock", ".dataset.lock.1-of-2"):
        (root / name).touch()
    assert list(walk(root)) == before
    assert ImageFolderSource(root).fingerprint == fingerprint
    (root / "lamp" / "more.png").write_bytes(encoded(drawn(9)))
    assert ImageFolderSource(root).fingerprint != fingerprint


def test_other_hidden_folders_and_half_a_dataset_are_still_counted(root: Path) -> None:
    for name in (".git", "made"):
        (root / name).mkdir()
    (root / "made" / "manifest.json").touch()
    seen = {listing.path: listing for listing in walk(root)}
    assert seen[""].hidden == (".git",)
    assert seen["made"].files == ("manifest.json",)


def test_a_refused_build_leaves_nothing_that_the_next_one_counts(root: Path) -> None:
    (root / "mug" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    reports = []
    for _ in range(2):
        with pytest.raises(BuildRefusedError):
            built()
        reports.append((root / "dataset.rejected" / "report.json").read_bytes())
    assert reports[0] == reports[1]


def test_split_folders_stay_splits_when_a_dataset_stands_beside_them(root: Path) -> None:
    (root / "mug").rename(root / "train")
    (root / "lamp").rename(root / "test")
    assert ImageFolderSource(root).has_splits
    recipe = RECIPE.replace("label", "split")
    (root / "recipe.yaml").write_text(recipe, encoding="utf-8")
    built()
    assert ImageFolderSource(root).has_splits


def test_an_interrupted_build_in_the_folder_goes_on(root: Path) -> None:
    for number in range(10, 40):
        (root / "lamp" / f"{number}.png").write_bytes(encoded(drawn(number)))

    def interrupt(progress: Progress) -> None:
        if progress.phase == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(on_progress=interrupt)
    kept = sorted((root / ".dataset.building.index" / "blocks").glob("*.arrow"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert kept
    seen: list[list[int]] = []

    def watch(progress: Progress) -> None:
        if progress.phase == "write":
            seen.append([path.stat().st_mtime_ns for path in kept])

    report = built(on_progress=watch)
    assert report["ledger"]["rows"]["used"] == 33
    assert seen[0] == times
