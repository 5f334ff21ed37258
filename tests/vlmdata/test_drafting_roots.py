"""Drafted recipes: where photos are looked for, and folders in zip files as image roots."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.drawn_catalogs import Written, picture, product, put, simple_rows, travel
from vlmdata.draft import photos
from vlmdata.draft.photos import folders_below
from vlmdata.errors import SourceError
from vlmdata.image.archive import ImageArchive
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.reading import Originals, open_roots
from vlmdata.photo_lookup import zips_of_photos


def catalog(path: Path, names: list[str]) -> None:
    """A table of products with a photo each, by name."""
    rows = [[product(n)["sku"], product(n)["title"], name, product(n)["text"]] for n, name in enumerate(names)]
    Written().write(path, [["sku", "title", "photo", "description"], *rows])


@pytest.mark.parametrize("place", ["other/images", "images/of/others", "images"])
def test_photos_of_other_projects_are_not_taken(place: str, tmp_path: Path) -> None:
    """Two folders above the table everything, and one above all but folders of images, is somebody else's."""
    top = tmp_path / "work" if place == "other/images" else tmp_path
    names = [f"{number}.jpg" for number in range(12)]
    for name in names:
        put(top / place / name, picture(0))
    catalog(tmp_path / "work" / "shop" / "products.csv", names)
    draft = vlmdata.draft_recipe(tmp_path / "work" / "shop" / "products.csv")
    assert "root:" not in draft.text
    assert any("name no image file" in note for note in draft.notes)


def test_a_folder_of_images_beside_the_tables_is_taken_with_a_loud_note(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(12)]
    for number, name in enumerate(names):
        put(tmp_path / "shop" / "Bilder" / name, picture(number))
    catalog(tmp_path / "shop" / "tables" / "products.csv", names)
    journey = travel(tmp_path / "shop" / "tables" / "products.csv", tmp_path / "out")
    assert journey.recipe.images.roots[0].resolve() == tmp_path / "shop" / "Bilder"
    assert journey.draft.notes[0].startswith("LOOK: the photos are outside the table's folder, in '../Bilder'")


def test_no_more_entries_are_looked_at_than_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}" / "below").mkdir(parents=True)
    monkeypatch.setattr(photos, "MAX_ENTRIES", 10)
    assert len(folders_below(tmp_path)) == 11


def test_folders_that_vanish_meanwhile_are_passed_over(tmp_path: Path) -> None:
    assert zips_of_photos([tmp_path / "gone"]) == []
    assert photos.find_photos([], [tmp_path / "gone"], vlmdata.drafting_tables.LOOKUP) is None
    assert vlmdata.drafting_tables.LOOKUP.exactly(tmp_path / "gone")("1.jpg") is None
    assert vlmdata.drafting_tables.LOOKUP.nearly(tmp_path / "gone")("1.jpg") is None


def test_what_a_build_has_written_is_no_place_for_sources(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written().write(shop / "data" / "products.csv", simple_rows(shop / "data", 12))
    put(shop / "out" / "manifest.json", b"{}")
    put(shop / "out" / "dataset_dict.json", b"{}")
    put(shop / "out" / "train" / "rows.jsonl", b'{"a": 1}\n')
    put(shop / "out.rejected" / "rejected.jsonl", b'{"a": 1}\n')
    recipe = travel(shop, tmp_path / "elsewhere").recipe
    assert (recipe.source.type, recipe.source.path) == ("csv", shop / "data" / "products.csv")


def zipped(path: Path, count: int, start: str = "shoot/") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"{start}IMG_{number}.JPG", picture(number))
    return path


@pytest.mark.parametrize("ending", ["JPG", "jpg"])
def test_photos_in_a_folder_of_a_zip_file(ending: str, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    zipped(shop / "fotos.zip", 12)
    catalog(shop / "products.csv", [f"IMG_{number}.{ending}" for number in range(12)])
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.images.roots == (shop / "fotos.zip" / "shoot",)
    assert (journey.built.ledger.rows_used, journey.built.ledger.images_references) == (12, 12)
    assert journey.recipe.images.accept == (() if ending == "JPG" else ("case",))


def test_a_folder_in_a_zip_file_is_a_root_and_nothing_outside_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "fotos.zip", 3)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/IMG_9.JPG", picture(9))
    (root,) = open_roots([path / "shoot"], 1_000_000)
    assert isinstance(root, ImageArchive)
    assert root.read("IMG_1.JPG") == picture(1)
    assert list(root.candidates("img_1.jpg")) == ["IMG_1.JPG"]
    for name in ("IMG_9.JPG", "other/IMG_9.JPG", "shoot/IMG_1.JPG"):
        with pytest.raises(ImageReferenceError, match="does not exist"):
            root.read(name)
    with pytest.raises(ImageReferenceError, match="leads out"):
        root.read("../other/IMG_9.JPG")
    originals = Originals(roots=(root,), byte_limit=1_000_000)
    assert list(originals.matching("IMG_*")) == ["IMG_0.JPG", "IMG_1.JPG", "IMG_2.JPG"]


def test_a_folder_that_a_zip_file_does_not_hold_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "fotos.zip", 1)
    with pytest.raises(SourceError, match=r"there is no folder 'shot' in this zip file; its folders are 'shoot'"):
        open_roots([path / "shot"], 1_000)
    with pytest.raises(SourceError, match=r"the image root does not exist"):
        open_roots([tmp_path / "none.zip" / "shot"], 1_000)


HINTS = {
    "IMG_1.JPG": "did you mean 'shoot/IMG_1.JPG'? set images.root: fotos.zip/shoot",
    "img_1.jpg": "set images.root: fotos.zip/shoot, and images.accept: [case]",
    "wrong/IMG_1.JPG": "did you mean 'shoot/IMG_1.JPG'? correct the row",
    "IMG_2.JPG": "put the file there, or correct the row",
    "IMG_7.JPG": "put the file there, or correct the row",
}


@pytest.mark.parametrize("reference", HINTS)
def test_an_image_in_another_folder_of_the_zip_is_hinted_at(reference: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "fotos.zip", 3)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("again/IMG_2.JPG", picture(9))
    originals = Originals(roots=open_roots([path], 1_000_000), byte_limit=1_000_000)
    with pytest.raises(ImageReferenceError) as caught:
        originals.find(reference)
    assert HINTS[reference] in caught.value.hint


def test_a_recipe_for_a_folder_that_is_still_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Written().write(tmp_path / "u.csv", simple_rows(tmp_path, 12))
    monkeypatch.chdir(tmp_path)
    draft = vlmdata.draft_recipe("u.csv", recipe_folder=Path("sub"))
    assert not Path("sub").exists()
    assert 'path: "../u.csv"' in draft.text
    assert 'root: ".."' in draft.text
    Path("sub").mkdir()
    Path("sub/recipe.yaml").write_text(draft.text, encoding="utf-8")
    assert vlmdata.build(vlmdata.load_recipe("sub/recipe.yaml"), "out", workers=1).ledger.rows_used == 12
    assert os.listdir("sub") == ["recipe.yaml"]  # noqa: PTH208


def test_a_folder_of_images_given_as_a_relative_path_is_not_outside_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        put(tmp_path / "animals" / ["cat", "dog"][number % 2] / f"{number}.jpg", picture(number))
    monkeypatch.chdir(tmp_path)
    assert not any("outside" in note for note in vlmdata.draft_recipe("animals").notes)


def test_photos_below_the_folder_that_was_named_are_no_surprise(tmp_path: Path) -> None:
    rows = simple_rows(tmp_path, 12)
    Written().write(tmp_path / "lists" / "products.csv", rows)
    assert vlmdata.draft_recipe(tmp_path).notes == ()
