"""Image references: only files below the root are ever opened, and a near miss is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.image.folder import ImageFolder, ImageReferenceError


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "mug.jpg").write_bytes(b"mug")
    (root / "deep" / "Ä vase.PNG").write_bytes(b"vase")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "root-too").mkdir()
    (tmp_path / "root-too" / "secret.jpg").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path)
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "sibling.jpg").symlink_to(tmp_path / "root-too" / "secret.jpg")
    (root / "inside.jpg").symlink_to(root / "mug.jpg")
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    os.mkfifo(root / "pipe.jpg")
    return ImageFolder(root, 1000)


@pytest.mark.parametrize("reference", ["mug.jpg", "./mug.jpg", "deep/../mug.jpg", "inside.jpg", "deep//Ä vase.PNG"])
def test_a_file_below_the_root_is_read_unless_the_path_climbs(folder: ImageFolder, reference: str) -> None:
    if ".." in reference:
        with pytest.raises(ImageReferenceError):
            folder.read(reference)
    else:
        assert folder.read(reference) in {b"mug", b"vase"}


@pytest.mark.parametrize(
    ("reference", "rule"),
    [
        ("../secret.jpg", "images.outside"),
        ("deep/../../secret.jpg", "images.outside"),
        ("deep/..\\../secret.jpg", "images.outside"),
        ("/etc/hostname", "images.outside"),
        ("\\\\server\\share\\a.jpg", "images.outside"),
        ("C:\\photos\\a.jpg", "images.outside"),
        ("C:a.jpg", "images.outside"),
        ("out.jpg", "images.outside"),
        ("out/secret.jpg", "images.outside"),
        ("sibling.jpg", "images.outside"),
        ("mug.jpg\0.png", "images.outside"),
        ("http://example.com/a.jpg", "images.url"),
        ("HTTPS://example.com/a.jpg", "images.url"),
        ("file:///etc/hostname", "images.url"),
        ("s3://bucket/a.jpg", "images.url"),
        ("hf+x://a.jpg", "images.url"),
        ("data:image/png;base64,AAAA", "images.url"),
        ("nowhere.jpg", "images.missing"),
        ("deep", "images.missing"),
        (".", "images.missing"),
        ("mug.jpg/x", "images.missing"),
        ("loop.jpg", "images.missing"),
        ("pipe.jpg", "images.missing"),
        ("x" * 300 + ".jpg", "images.missing"),
        ("a/" * 3000 + "b.jpg", "images.missing"),
        ("\ud800.jpg", "images.missing"),
        ("~/a.jpg", "images.missing"),
        ("$HOME/a.jpg", "images.missing"),
    ],
)
def test_nothing_else_is_opened(folder: ImageFolder, reference: str, rule: str) -> None:
    with pytest.raises(ImageReferenceError) as raised:
        folder.read(reference)
    assert raised.value.rule == rule


@pytest.mark.parametrize(
    ("reference", "near"),
    [
        ("MUG.JPG", "mug.jpg"),
        ("mug.jpeg", "mug.jpg"),
        ("mug", "mug.jpg"),
        ("deep\\Ä vase.PNG", "deep/Ä vase.PNG"),
        ("deep/A\u0308 vase.png", "deep/Ä vase.PNG"),
    ],
)
def test_a_near_miss_is_named(folder: ImageFolder, reference: str, near: str) -> None:
    with pytest.raises(ImageReferenceError, match="does not exist") as raised:
        folder.read(reference)
    assert f"did you mean {near!r}?" in raised.value.hint


def test_a_name_is_looked_for_in_the_folder_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "photos").mkdir(parents=True)
        (tmp_path / name / "photos" / f"{name}.jpg").touch()
        monkeypatch.chdir(tmp_path / name)
        with pytest.raises(ImageReferenceError) as raised:
            ImageFolder(Path("photos"), 10).read(f"{name}.JPG")
        assert f"did you mean '{name}.jpg'?" in raised.value.hint


@given(st.text(max_size=30) | st.text(st.sampled_from("./\\~:a \0\u2025"), max_size=12))
@settings(max_examples=300)
def test_no_reference_reads_a_file_outside(folder: ImageFolder, reference: str) -> None:
    try:
        assert folder.read(reference) in {b"mug", b"vase"}
    except ImageReferenceError as error:
        assert error.rule.startswith("images.")


def test_a_file_over_the_bound_is_not_read(folder: ImageFolder) -> None:
    (folder.root / "large.jpg").write_bytes(b"x" * 1001)
    with pytest.raises(ImageReferenceError, match=r"1,001 bytes, at most 1,000 are read"):
        folder.read("large.jpg")


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the image root is no folder"):
        ImageFolder(tmp_path / "nowhere", 10)
