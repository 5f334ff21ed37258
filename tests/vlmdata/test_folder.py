"""Image references: only files below the root are ever opened, and a near miss is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.listings import is_case_blind


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
        ("file:/etc/hostname", "images.url"),
        ("hf+x://a.jpg", "network.scheme"),
        ("ftp://images.example.org/a.jpg", "network.scheme"),
        ("data:image/png;base64,AAAA", "images.url"),
        ("nowhere.jpg", "images.missing"),
        ("deep", "images.missing"),
        ("deep/", "images.missing"),
        ("", "images.missing"),
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
    with pytest.raises(SourceError, match="nowhere: the image root does not exist"):
        ImageFolder(tmp_path / "nowhere", 10)


def test_a_folder_that_was_resolved_once_stays_known(folder: ImageFolder) -> None:
    for _ in range(3):
        assert folder.read("mug.jpg") == b"mug"
        assert folder.read("deep/Ä vase.PNG") == b"vase"
        with pytest.raises(ImageReferenceError, match="symbolic link"):
            folder.read("out/secret.jpg")
        with pytest.raises(ImageReferenceError, match="symbolic link"):
            folder.read("out.jpg")


def test_a_file_that_may_not_be_read_is_named(folder: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ImageReferenceError, match="can't be read: Permission denied") as raised:
        folder.read("mug.jpg")
    assert raised.value.rule == "images.unreadable"


def blind(root: Path) -> ImageFolder:
    """A root that is treated as one that finds `MUG.JPG` as `mug.jpg`; links stand in for that here."""
    (root / "Photos").mkdir(parents=True)
    (root / "Photos" / "mug.jpg").write_bytes(b"mug")
    return ImageFolder(root, 100, case_blind=lambda _: True)


def test_where_the_file_system_is_blind_to_case_the_listing_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = blind(tmp_path / "root")
    real_open, real_isdir = os.open, os.path.isdir
    by_lower = {str(path).lower(): str(path) for path in tmp_path.rglob("*")}
    monkeypatch.setattr(os, "open", lambda path, flags: real_open(by_lower.get(str(path).lower(), path), flags))
    monkeypatch.setattr(os.path, "isdir", lambda path: real_isdir(by_lower.get(str(path).lower(), path)))
    assert folder.read("Photos/mug.jpg") == b"mug"
    for wrong in ("Photos/MUG.jpg", "photos/mug.jpg", "PHOTOS/MUG.JPG"):
        with pytest.raises(ImageReferenceError) as raised:
            folder.read(wrong)
        assert raised.value.rule == "images.missing"
    assert list(folder.candidates("PHOTOS/MUG.JPG")) == ["Photos/mug.jpg"]


def test_a_folder_is_called_blind_to_case_where_it_finds_another_spelling(tmp_path: Path) -> None:
    assert not is_case_blind(str(tmp_path))
    (tmp_path / "mug.jpg").touch()
    assert is_case_blind(str(tmp_path)) == (tmp_path / "MUG.JPG").exists()
    os.link(tmp_path / "mug.jpg", tmp_path / "MUG.JPG")
    assert is_case_blind(str(tmp_path))
    assert not is_case_blind(str(tmp_path / "nowhere"))
