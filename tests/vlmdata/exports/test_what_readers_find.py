"""What the receivers' own readers find of an export: every split under its name, every row, every text as it was."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from webdataset.tariterators import group_by_keys, tar_file_expander

import vlmdata
from tests.vlmdata.exports.datasets import asked, write_dataset
from vlmdata.errors import ConfigError
from vlmdata.exports import BUILT_IN
from vlmdata.exports.result import export_text


def kinds(done: vlmdata.ExportResult) -> set[str]:
    return {loss.kind for loss in done.losses}


def test_tars_of_a_split_with_a_dot_in_its_name_hold_every_row(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", **{"v1.test": [asked("a"), asked("b"), asked("c")]})
    vlmdata.export(path, "webdataset", tmp_path / "out")
    tar = tmp_path / "out" / "data" / "v1.test-00000-of-00001.tar"
    with tar.open("rb") as stream:
        found = [sorted(sample) for sample in group_by_keys(tar_file_expander([{"url": "", "stream": stream}]))]
    assert found == [["0.png", "__key__", "__url__", "json"]] * 3


@pytest.mark.parametrize("splits", [("train", "test"), ("seen", "unseen"), ("train", "held_out"), ("train", "v1.test")])
def test_datasets_finds_every_split_of_an_image_folder_as_the_export_says(
    splits: tuple[str, ...], tmp_path: Path
) -> None:
    path = write_dataset(tmp_path / "dataset", **{name: [asked(f"{name}-{n}") for n in (1, 2)] for name in splits})
    done = vlmdata.export(path, "imagefolder", tmp_path / "out")
    command = done.opening.command.replace("OUT", (tmp_path / "out").as_posix())
    found = opened(command, tmp_path / "cache")
    assert {name: sorted(rows["id"]) for name, rows in found.items()} == {
        name: [f"{name}-1", f"{name}-2"] for name in splits
    }


def opened(command: str, cache: Path) -> Any:
    """What a line of Python that an export names gives."""
    from functools import partial

    import datasets

    return eval(command, {"load_dataset": partial(datasets.load_dataset, cache_dir=str(cache))})


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("split", ["a:b", "a,b", "ends.", "CON", "nul.v1", "x" * 200, "two words", "-x"])
def test_a_split_after_which_no_file_can_be_called_is_refused(split: str, name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a")], **{split: [asked("b")]})
    with pytest.raises(ConfigError, match=f"opens no split called '{re.escape(split[:64])}'"):
        vlmdata.export(path, name, tmp_path / "out")
    assert vlmdata.export(path, name, tmp_path / "out", splits=["train"]).rows_exported == 1


@pytest.mark.parametrize("name", ["trl", "trl-prompt-completion", "parquet", "imagefolder"])
def test_a_split_that_datasets_does_not_open_is_refused_where_it_is_the_reader(name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", **{"held-out": [asked("a")]})
    with pytest.raises(ConfigError, match="letters, digits, '_' and single dots"):
        vlmdata.export(path, name, tmp_path / "out")
    assert vlmdata.export(path, "llava", tmp_path / "llava").rows_exported == 1


def test_splits_whose_files_are_one_on_other_platforms_are_refused(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", Test=[asked("a")], test=[asked("b")])
    with pytest.raises(ConfigError, match="'Test' and 'test' are one on Windows and macOS"):
        vlmdata.export(path, "openai", tmp_path / "out")


@pytest.mark.parametrize("day", ["2024-01-31", "2024-01-31 10:00:00", "2024-01-31T10:00Z"])
def test_dates_that_datasets_opens_as_times_are_counted(day: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", train=[asked("a", tags={"released": day})])
    done = vlmdata.export(path, "imagefolder", tmp_path / "out")
    command = done.opening.command.replace("OUT", (tmp_path / "out").as_posix())
    assert not isinstance(opened(command, tmp_path / "cache")["train"][0]["released"], str)
    assert "dates" in kinds(done)


@pytest.mark.parametrize(
    ("answer", "is_told"),
    [
        *((text, True) for text in ("007", "1.50", "1e5", "+5", "inf", "True")),
        *((text, False) for text in ("7", "-12", "A mug.", "1_000", "seven", "0")),
    ],
)
def test_answers_that_pandas_writes_otherwise_are_counted(answer: str, is_told: bool, tmp_path: Path) -> None:
    import pandas

    path = write_dataset(tmp_path / "dataset", train=[asked("a", answer=answer), asked("b", answer=answer)])
    done = vlmdata.export(path, "vlmevalkit", tmp_path / "out")
    read = pandas.read_csv(tmp_path / "out" / "train.tsv", sep="\t")["answer"][0]
    assert is_told or str(read) == answer
    assert ("numbers" in kinds(done)) == is_told


def test_a_dataset_or_a_folder_with_out_in_its_name_is_named_as_it_is(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "SHOUT", train=[asked("a")])
    done = vlmdata.export(path, "llamafactory", tmp_path / "OUT")
    assert export_text(done, "data/OUT").endswith(
        "-> data/OUT    name it in LLaMA-Factory's YAML: dataset_dir: data/OUT, dataset: SHOUT_train"
    )
