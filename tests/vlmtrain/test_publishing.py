"""A folder appears whole or not at all, and nothing that is not ours makes way for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmdata.errors import OutputError
from vlmtrain.publishing import staged


def publish(out: Path, text: str, *, replace: bool = False) -> None:
    with staged(out, mark="made.json", replace=replace) as folder:
        (folder / "made.json").write_text(text, encoding="utf-8")
        assert not out.exists() or (out / "made.json").read_text(encoding="utf-8") != text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    publish(tmp_path / "deep" / "out", "one")
    assert names(tmp_path / "deep") == ["out"]


def test_an_old_folder_makes_way_only_when_asked(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    with pytest.raises(OutputError, match="exists already"):
        publish(tmp_path / "out", "two")
    publish(tmp_path / "out", "two", replace=True)
    assert (tmp_path / "out" / "made.json").read_text(encoding="utf-8") == "two"
    assert names(tmp_path) == ["out"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "out", mark="made.json", replace=True):
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "made.json").read_text(encoding="utf-8") == "one"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["out", "out.old"])
def test_folders_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "photo.jpg").write_bytes(b"")
    with pytest.raises(OutputError, match="something else"):
        publish(tmp_path / "out", "one", replace=True)
    assert (tmp_path / name / "photo.jpg").exists()


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="something else"):
        publish(tmp_path / "out", "one", replace=True)


def test_an_interrupted_swap_is_put_right(tmp_path: Path) -> None:
    publish(tmp_path / "out", "one")
    (tmp_path / "out").rename(tmp_path / "out.old")
    with pytest.raises(OutputError, match="exists already"):
        publish(tmp_path / "out", "two")
    assert (tmp_path / "out" / "made.json").read_text(encoding="utf-8") == "one"
    (tmp_path / ".out.making").mkdir()
    publish(tmp_path / "out", "two", replace=True)
    assert names(tmp_path) == ["out"]
