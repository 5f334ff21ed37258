"""References of every kind to bytes: roots in order, names to the letter, near misses, patterns, addresses."""

from __future__ import annotations

import base64
import fnmatch
import unicodedata
from pathlib import Path
from urllib.parse import quote_from_bytes
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.image.listings import Listings
from vlmdata.image.names import bare_name, differences, folded_path, natural_order, renamed
from vlmdata.image.patterns import steps_of
from vlmdata.image.reading import MATCH_LIMIT, Original, Originals, open_roots
from vlmdata.image.verifying import ImageReferenceError
from vlmdata.record import InlineImage, Location, MemberImage

PICTURES = ("mug.jpg", "deep/Ä vase.PNG", "deep/img10.png", "deep/img2.png", "deep/er/img1.png")
FILES = (*PICTURES, "notes.txt", ".hidden.png")


@pytest.fixture(params=["folder", "zip"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same images in a folder, and in a zip."""
    if request.param == "zip":
        path = tmp_path / "photos.zip"
        with ZipFile(path, "w") as archive:
            for name in FILES:
                archive.writestr(name, name.encode())
        return path
    for name in FILES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def originals(*roots: Path, accept: tuple[str, ...] = (), byte_limit: int = 1000) -> Originals:
    return Originals(roots=open_roots(roots, byte_limit), byte_limit=byte_limit, accept=frozenset(accept))


def refused(reader: Originals, reference: str) -> ImageReferenceError:
    with pytest.raises(ImageReferenceError) as raised:
        reader.find(reference)
    return raised.value


@pytest.mark.parametrize("reference", ["mug.jpg", "./mug.jpg", "deep//Ä vase.PNG", "deep/./img2.png"])
def test_a_name_is_found_to_the_letter(root: Path, reference: str) -> None:
    found = originals(root).find(reference)
    assert found.data.decode() == reference.replace("./", "").replace("//", "/")
    assert found.name == reference.rpartition("/")[2]
    assert found.changes == ()


@pytest.mark.parametrize(
    ("reference", "near", "ways"),
    [
        ("MUG.JPG", "mug.jpg", ["case"]),
        ("mug.jpeg", "mug.jpg", ["extension"]),
        ("mug", "mug.jpg", ["extension"]),
        ("Mug.png", "mug.jpg", ["case", "extension"]),
        ("deep\\Ä vase.PNG", "deep/Ä vase.PNG", ["backslash"]),
        (".\\DEEP\\IMG2.png", "deep/img2.png", ["case", "backslash"]),
        ("deep/A\u0308 vase.PNG", "deep/Ä vase.PNG", ["unicode"]),
        ("deep/a\u0308 vase.png", "deep/Ä vase.PNG", ["case", "unicode"]),
    ],
)
def test_a_near_miss_is_named_and_taken_only_where_the_recipe_says_so(
    root: Path, reference: str, near: str, ways: list[str]
) -> None:
    error = refused(originals(root), reference)
    assert (error.rule, error.message) == ("images.missing", f"{reference!r} does not exist")
    assert error.hint == f"did you mean {near!r}? correct the row, or set images.accept: [{', '.join(ways)}]"
    for left_out in ways:
        assert refused(originals(root, accept=tuple(set(ways) - {left_out})), reference).rule == "images.missing"
    found = originals(root, accept=tuple(ways)).find(reference)
    assert found.data.decode() == near
    assert found.name == near.rpartition("/")[2]
    (change,) = found.changes
    assert (change.rule, change.before) == ("images.near_miss", reference)
    assert change.after.startswith(f"{near} (differs in ")


def test_two_near_misses_are_one_too_many(root: Path) -> None:
    if root.is_dir():
        (root / "Mug.jpg").write_bytes(b"another")
    else:
        with ZipFile(root, "a") as archive:
            archive.writestr("Mug.jpg", b"another")
    error = refused(originals(root, accept=("case",)), "MUG.JPG")
    assert error.rule == "images.ambiguous"
    assert "'Mug.jpg', 'mug.jpg'" in error.message
    assert originals(root, accept=("case",)).find("mug.jpg").data == b"mug.jpg"


def test_a_text_file_is_no_near_miss(root: Path) -> None:
    assert refused(originals(root), "notes.png").hint == "put the file there, or correct the row"


def test_of_several_roots_the_first_that_has_the_name_has_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "mug.jpg").write_bytes(b"first")
    reader = originals(tmp_path / "first", root)
    assert reader.find("mug.jpg").data == b"first"
    assert reader.find("deep/img2.png").data == b"deep/img2.png"
    assert "did you mean 'deep/img2.png'?" in refused(reader, "deep/IMG2.png").hint
    assert reader.matching("*.jpg") == ["mug.jpg"]


def test_a_root_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.zip: the image root does not exist"):
        originals(tmp_path, tmp_path / "nowhere.zip")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("deep/*.png", ["deep/img2.png", "deep/img10.png"]),
        ("**/*.png", ["deep/er/img1.png", "deep/img2.png", "deep/img10.png"]),
        ("**/img[12].png", ["deep/er/img1.png", "deep/img2.png"]),
        ("deep/**", ["deep/er/img1.png", "deep/img2.png", "deep/img10.png", "deep/Ä vase.PNG"]),
        ("**/**/er/**/**", ["deep/er/img1.png"]),
        ("deep/**/img1*", ["deep/er/img1.png", "deep/img10.png"]),
        ("./deep/img?.png", ["deep/img2.png"]),
        ("*", ["mug.jpg"]),
        ("*.*", ["mug.jpg"]),
        (".*", []),
        ("mug.jpg", ["mug.jpg"]),
        ("deep/[!i]*", ["deep/Ä vase.PNG"]),
        ("nowhere/*", []),
        ("deep/er/**/*", ["deep/er/img1.png"]),
        ("m[u]g[.]jpg", ["mug.jpg"]),
        ("", []),
    ],
)
def test_a_pattern_finds_images_in_natural_order(root: Path, pattern: str, names: list[str]) -> None:
    assert originals(root).matching(pattern) == names


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "deep/../*", "C:\\*", "https://x/*", "\0", "**/a/**/a/**/a/**"])
def test_a_pattern_does_not_leave_the_root(root: Path, pattern: str) -> None:
    with pytest.raises(ImageReferenceError) as raised:
        originals(root).matching(pattern)
    assert raised.value.rule in {"images.outside", "images.url", "images.pattern"}


@given(st.text(st.sampled_from("aA.*?[]!-"), max_size=6), st.text(st.sampled_from("aA.*[]-"), max_size=5))
@settings(max_examples=1000)
def test_a_step_matches_what_fnmatch_matches(part: str, name: str) -> None:
    for step in steps_of(part)[:1] if part != ".." else ():
        if step is not None:
            hidden = name.startswith(".") and not part.startswith(".")
            assert step.matches(name) == (fnmatch.fnmatchcase(name, part) and not hidden)
            assert not step.matches(name) or name.startswith(step.start)


def test_a_pattern_enters_no_folder_outside_the_root(tmp_path: Path) -> None:
    (tmp_path / "secret" / "sub").mkdir(parents=True)
    (tmp_path / "secret" / "a.png").touch()
    (tmp_path / "root" / "inside").mkdir(parents=True)
    (tmp_path / "root" / "inside" / "b.png").touch()
    (tmp_path / "root" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "root" / "inside")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    reader = originals(tmp_path / "root")
    assert reader.matching("out/*.png") == []
    assert reader.matching("link/*.png") == ["link/b.png"]
    assert reader.matching("**/*.png") == ["inside/b.png"]


def test_a_pattern_that_matches_a_whole_catalog_is_refused(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(MATCH_LIMIT + 1):
            archive.writestr(f"{number}.png", b"")
    with pytest.raises(ImageReferenceError, match="more than 10,000 images") as raised:
        originals(tmp_path / "many.zip").matching("*")
    assert raised.value.rule == "images.pattern"
    assert len(originals(tmp_path / "many.zip").matching("1*")) == 1112


def test_listings_are_dropped_once_there_are_too_many_names(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "a.png").touch()
    listings = Listings(names_kept=3)
    for number in range(20):
        assert list(listings.of(str(tmp_path / f"{number}")).starting_with("a")) == ["a.png"]
    assert len(listings._kept) == 3
    assert list(listings.of(str(tmp_path / "nowhere")).names) == []


@given(st.lists(st.text(st.sampled_from("aB10/_ß2"), max_size=8)))
def test_natural_order_is_one_order(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=natural_order) == sorted(backwards, key=natural_order)
    assert sorted(["img10.png", "img2.png", "img1.png", "img1/x"], key=natural_order)[-1] == "img10.png"


@given(st.text(st.sampled_from("aAäÄ\u0308ßS./\\jpg"), max_size=12))
def test_what_folds_to_the_same_differs_in_ways_that_have_a_name(path: str) -> None:
    for other in (path.upper(), path.lower(), unicodedata.normalize("NFD", path), f"{path}.jpg"):
        if folded_path(other) == folded_path(path) and other != path:
            assert differences(path, other)
    assert not differences(path, path)


PIXELS = bytes(range(256))


@pytest.mark.parametrize(
    "reference",
    [
        f"data:image/png;base64,{base64.b64encode(PIXELS).decode()}",
        f"DATA:image/png;name=a.png;BASE64,{base64.b64encode(PIXELS).decode().rstrip('=')}",
        f"data:;base64,{base64.urlsafe_b64encode(PIXELS).decode()}",
        f"data:image/png;base64,{base64.encodebytes(PIXELS).decode()}",
        f"data:image/png,{quote_from_bytes(PIXELS)}",
        f"data:image/png;base64,{quote_from_bytes(base64.b64encode(PIXELS))}",
    ],
)
def test_a_data_address_holds_its_bytes(tmp_path: Path, reference: str) -> None:
    assert originals(tmp_path).find(reference) == Original(data=PIXELS, name="")


@pytest.mark.parametrize(
    ("reference", "rule", "words"),
    [
        ("data:image/png;base64", "images.data_uri", "has no comma"),
        ("data:image/png;base64,A*BC", "images.data_uri", "is no base64"),
        ("data:image/png;base64,A", "images.data_uri", "is no base64"),
        ("data:text/html,<b>", "images.data_uri", "holds 'text/html'"),
        (f"data:image/png;base64,{'A' * 2000}", "images.too_large", "more than the 1,000 bytes"),
        (f"data:image/png,{'A' * 2000}", "images.too_large", "at most 1,000 are read"),
    ],
)
def test_a_data_address_that_holds_none_is_refused(tmp_path: Path, reference: str, rule: str, words: str) -> None:
    error = refused(originals(tmp_path), reference)
    assert error.rule == rule
    assert words in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("file:///etc/hostname", "without 'file://'"),
        ("s3://bucket/a.jpg", "the provider's own tool"),
        ("https://example.com/a.jpg", "list its host under `network`, or download the file"),
    ],
)
def test_nothing_is_downloaded_unless_asked(tmp_path: Path, reference: str, hint: str) -> None:
    error = refused(originals(tmp_path), reference)
    assert error.rule == "images.url"
    assert hint in error.hint


def test_an_address_is_downloaded_by_what_was_given_for_that(tmp_path: Path) -> None:
    asked = []

    def download(address: str) -> bytes:
        asked.append(address)
        if "gone" in address:
            raise ImageReferenceError("network.status", f"{address!r} answered 404")
        return b"bytes" * 300 if "large" in address else b"bytes"

    reader = Originals(roots=open_roots([tmp_path], 1000), byte_limit=1000, download=download)
    found = reader.find("https://example.com/photos/m%C3%BCg.jpg?size=1")
    assert (found.data, found.name) == (b"bytes", "müg.jpg")
    assert refused(reader, "HTTP://example.com/gone.jpg").rule == "network.status"
    assert refused(reader, "https://example.com/large.jpg").rule == "images.too_large"
    assert refused(reader, "s3://bucket/a.jpg").rule == "images.url"
    assert refused(reader, "ftp://example.com/a.jpg").rule == "network.scheme"
    assert len(asked) == 3


def test_a_run_of_bytes_is_read_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "shard.tar").write_bytes(b"..image..")
    reader = originals(tmp_path)
    place = Location(file=str(tmp_path / "shard.tar"), offset=2, size=5)
    assert reader.find(MemberImage(location=place, name="a.jpg")) == Original(
        data=b"image", name="a.jpg", location=place
    )


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        (Location(file="shard.tar", offset=5, size=50), "images.truncated"),
        (Location(file="shard.tar", offset=500, size=1), "images.truncated"),
        (Location(file="shard.tar", offset=-1, size=1), "images.unreadable"),
        (Location(file="nowhere.tar", offset=0, size=1), "images.unreadable"),
        (Location(file="shard.tar", offset=0, size=5000), "images.too_large"),
    ],
)
def test_a_run_of_bytes_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Location, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shard.tar").write_bytes(b"..image..")
    with pytest.raises(ImageReferenceError) as raised:
        originals(tmp_path).find(MemberImage(location=place, name="a.jpg"))
    assert raised.value.rule == rule


def test_bytes_in_the_row_are_bounded_too(tmp_path: Path) -> None:
    assert originals(tmp_path).find(InlineImage(data=b"x", name="a.png")) == Original(data=b"x", name="a.png")
    with pytest.raises(ImageReferenceError, match=r"'a.png' is 1,001 bytes, at most 1,000 are read"):
        originals(tmp_path).find(InlineImage(data=b"x" * 1001, name="a.png"))


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a.png", "a.png"),
        ("/home/me/a.png", "a.png"),
        ("C:\\photos\\a.png", "a.png"),
        ("..", "image.png"),
        ("", "image.png"),
        ("a\0b\n.png", "ab.png"),
        ("mug", "mug"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
    ],
)
def test_what_is_stored_as_a_name_is_bare(name: str, stored: str) -> None:
    assert bare_name(name, "PNG") == stored


def test_a_picture_of_another_format_is_renamed() -> None:
    assert renamed("mug.png", "JPEG") == "mug.jpg"
    assert renamed("mug.jpeg", "JPEG") == "mug.jpeg"
    assert renamed("mug.v2", "WEBP") == "mug.v2.webp"
