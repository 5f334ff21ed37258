"""Drafted recipes: catalogs in many shapes, each from draft to validated dataset with nothing edited."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.drawn_catalogs import Written, picture, product, put, simple_rows, travel
from vlmdata.errors import ConfigError, SourceError
from vlmdata.recipe import Recipe
from vlmdata.settings import to_dataclass
from vlmdata.source.csv_file import CsvOptions


def csv_options(recipe: Recipe) -> CsvOptions:
    """How a drafted recipe reads its file."""
    return to_dataclass(CsvOptions, recipe.source.options)


def test_a_plain_catalog_is_drafted_with_every_role(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written().write(shop / "products.csv", simple_rows(shop, 60))
    journey = travel(shop, tmp_path / "out")
    recipe = journey.recipe
    assert (recipe.id, recipe.group) == ("sku", None)
    assert journey.image_columns == [("photo", None)]
    assert recipe.images.roots == (shop,)
    assert recipe.fields == ("brand", "kind")
    assert recipe.tags == ("kind", "brand") or set(recipe.tags) == {"kind", "brand"}
    (conversation,) = recipe.conversations
    assert conversation.assistant == "{{ description }}"
    assert conversation.user == (
        "images",
        "Describe this product.\nTitle: {{ title }}\nBrand: {{ brand }}\nKind: {{ kind }}\n",
    )
    assert recipe.max_rejected == "10%"
    assert (journey.built.ledger.rows_read, journey.built.ledger.rows_used) == (60, 60)
    assert sorted(journey.images) == sorted(picture(number) for number in range(60))
    assert journey.draft.notes == ()


DIALECTS = {
    "UTF-8 with a mark": Written(encoding="utf-8", mark=True),
    "UTF-16 little endian with a mark": Written(encoding="utf-16-le", mark=True, delimiter="\t"),
    "UTF-16 big endian with a mark": Written(encoding="utf-16-be", mark=True),
    "UTF-16 without a mark": Written(encoding="utf-16-le", delimiter=";"),
    "cp1252 with semicolons": Written(encoding="cp1252", delimiter=";"),
    "tabs": Written(delimiter="\t", line_end="\n"),
    "tabs without quotes": Written(delimiter="\t", quote="", line_end="\n"),
    "pipes, all quoted": Written(delimiter="|", quoting=csv.QUOTE_ALL),
    "single quotes": Written(quote="'", quoting=csv.QUOTE_ALL),
    "old Mac line ends": Written(line_end="\r", delimiter=";"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_reaches_a_validated_dataset(name: str, tmp_path: Path) -> None:
    written, shop = DIALECTS[name], tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for row in rows[1:]:
        row[5] = f"Größe M – „déjà vu“: {row[5]}"
        if not written.quote:
            row[5] = f'"Größe" M: {row[5]}'
        elif written.line_end == "\r":
            row[5] += " 3,5 cm; 1|2"
        else:
            row[5] += f'\tvielleicht\n3,5 cm; 1|2, a {written.quote}quoted{written.quote} word, "so to say".'
    written.write(shop / "products.csv", rows)
    journey = travel(shop / "products.csv", tmp_path / "out")
    assert journey.built.ledger.rows_used == 40
    assert (csv_options(journey.recipe).delimiter, csv_options(journey.recipe).quote) == (
        written.delimiter,
        written.quote,
    )
    opened = vlmdata.open(tmp_path / "out")
    answers = {row["messages"][-1]["content"][0]["text"] for split in opened.values() for row in split}
    assert answers == {row[5] for row in rows[1:]}


def german_catalog(shop: Path, count: int) -> list[list[str] | bytes]:
    """A catalog with lists of nested PNG photos, decimal commas, empty cells, and several kinds of damage."""
    header = "Artikelnummer,Vaterartikel,Bezeichnung,Hersteller,Warengruppe,Höhe (cm),Preis,Bilder,Aktiv,Beschreibung"
    rows: list[list[str] | bytes] = [[*header.split(","), "Hinweis"]]
    for number in range(count):
        made = product(number)
        names = [f"{number % 10:02}/{number // 100}/Bild_{number}_{place}.PNG" for place in range(1 + number % 3)]
        for place, name in enumerate(names):
            if number % 40 != 7:
                put(shop / "medien" / "original" / name, picture(number + place, "PNG"))
        if number % 50 == 3:
            put(shop / "medien" / "original" / names[0], b"<html>404</html>")
        text = "" if number % 100 == 9 else f'Schön für zu Hause;\nmit "Stil": {made["text"]}'
        facts = [made["brand"].replace("Ashby", "Müller & Söhne"), made["kind"], f"{number % 90},5", "19,99 €"]
        last = [";".join(names), "ja" if number % 20 else "nein", text, "N/A" if number % 5 else "Neu"]
        rows.append([made["sku"], f"G{number // 4}", made["title"], *facts, *last])
    rows.insert(200, rows[100])
    for place in (50, 150, 250):
        rows.insert(place, b"P-9;kaputt;zu kurz\r\n")
    rows.insert(300, b'P-10;G1;"nie zu;x;y;1,5;2;;ja;Text;\r\n')
    return rows


def test_an_unknown_catalog_with_dozens_of_broken_rows_needs_no_edit(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written(encoding="cp1252", delimiter=";").write(shop / "export" / "Artikel.csv", german_catalog(shop, 800))
    journey = travel(shop, tmp_path / "out")
    recipe, ledger = journey.recipe, journey.built.ledger
    assert (csv_options(recipe).encoding, csv_options(recipe).delimiter) == ("cp1252", ";")
    assert (recipe.id, recipe.group) == ("Artikelnummer", "Vaterartikel")
    assert recipe.images.roots == (shop / "medien" / "original",)
    assert journey.image_columns == [("Bilder", ";")]
    assert recipe.conversations[0].assistant == "{{ Beschreibung }}"
    assert "Bezeichnung: {{ Bezeichnung }}" in recipe.conversations[0].user[1]
    assert "Höhe (cm): {{ row['Höhe (cm)'] }}" in recipe.conversations[0].user[1]
    assert recipe.source.nulls == ("", "N/A")
    assert recipe.source.where is None
    assert "# where: \"Aktiv == 'ja'\"" in journey.draft.text
    broken = {"csv.quote": 1, "csv.ragged": 3, "id.duplicate": 1}
    assert ledger.rejected_by_rule == {**broken, "images.missing": 20, "images.not_an_image": 16, "text.empty": 8}
    assert ledger.rows_read == 805
    assert ledger.rows_used == 805 - 49
    assert {data[:8] for data in journey.images} == {b"\x89PNG\r\n\x1a\n"}


def test_the_alternative_condition_of_the_draft_works_when_it_is_uncommented(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written(encoding="cp1252", delimiter=";").write(shop / "Artikel.csv", german_catalog(shop, 400))
    text = vlmdata.draft_recipe(shop).text.replace('# where: "', 'where: "')
    (shop / "recipe.yaml").write_text(text, encoding="utf-8")
    built = vlmdata.build(vlmdata.load_recipe(shop / "recipe.yaml"), tmp_path / "out")
    assert built.ledger.skipped == {"where: Aktiv == 'ja'": 20}


def test_three_thousand_rows_and_uppercase_extensions(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 100, suffix=".JPG")
    many = [[f"{row[0]}-{copy}", *row[1:]] for copy in range(30) for row in rows[1:]]
    Written().write(shop / "products.csv", [rows[0], *many])
    journey = travel(shop, tmp_path / "out")
    assert journey.built.ledger.rows_used == 3000
    assert any("may reach two splits: 100" in note for note in journey.draft.notes)


def test_a_table_beside_the_image_folder_is_found_from_a_recipe_elsewhere(tmp_path: Path) -> None:
    shop, home = tmp_path / "shop", tmp_path / "recipes" / "mine"
    home.mkdir(parents=True)
    rows = simple_rows(shop / "media" / "large", 30, prefix="./")
    Written().write(shop / "tables" / "products.csv", rows)
    journey = travel(shop / "tables" / "products.csv", tmp_path / "out", recipe_folder=home)
    assert 'path: "../../shop/tables/products.csv"' in journey.draft.text
    (note,) = journey.draft.notes
    assert note.startswith("LOOK: the photos are outside the table's folder, in '../media/large' as seen from it: ")
    assert 'root: "../../shop/media/large"' in journey.draft.text
    assert journey.built.ledger.rows_used == 30


def test_of_equal_trees_the_one_with_the_larger_files_is_taken(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written().write(shop / "products.csv", simple_rows(shop / "original", 30))
    shutil.copytree(shop / "original", shop / "a-small")
    for file in (shop / "a-small").rglob("*.jpg"):
        file.write_bytes(picture(0)[:-100])
    assert travel(shop, tmp_path / "out").recipe.images.roots == (shop / "original",)


def test_several_image_columns_and_a_small_copy_left_out(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for number, row in enumerate(rows):
        more = f"img/more_{number}a.jpg,img/more_{number}b.jpg" if number % 2 else ""
        for name in filter(None, more.split(",")):
            put(shop / name, picture(number))
        row.extend([more, row[4], row[4]] if number else ["more_photos", "photo_again", "thumbnail"])
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.image_columns == [("photo", None), ("more_photos", ",")]
    assert journey.built.ledger.images_references == 80
    assert "left out: 'photo_again'" in journey.draft.text
    assert "left out: 'thumbnail'" in journey.draft.text


@pytest.mark.parametrize("separator", ["|", ";", ",", "\n", " "])
def test_separators_of_a_list_cell(separator: str, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 20)
    for number, row in enumerate(rows[1:]):
        put(shop / f"pics/{number}-a.jpg", picture(number))
        put(shop / f"pics/{number}-b.jpg", picture(number + 1))
        row[4] = f"pics/{number}-a.jpg{separator}pics/{number}-b.jpg" if number % 5 == 1 else f"pics/{number}-a.jpg"
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.image_columns == [("photo", separator)]
    assert len(journey.images) == 24


def test_rows_without_photos_are_kept_where_they_are_many(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for row in rows[1:13]:
        row[4] = ""
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.images.min == 0
    assert (journey.built.ledger.rows_used, len(journey.images)) == (40, 28)


def test_rows_without_a_text_to_learn_are_skipped_where_they_are_many(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for row in rows[1:13]:
        row[5] = "NULL"
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.built.ledger.skipped == {"where: description is not none": 12}
    assert journey.built.ledger.rows_rejected == 0


def test_many_damaged_rows_raise_the_bound_and_are_named(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for row in rows[1:11]:
        (shop / row[4]).write_bytes(b"<html>not found</html>")
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.max_rejected == "35%"
    assert journey.draft.notes == (
        "photos that are damaged, of those tried, and whose rows are rejected: 10",
        "max_rejected is 35%: about 25% of the rows will be rejected: mend them, and lower this",
    )


UNUSABLE = {
    "addresses": ("https://shop.example/{}.jpg", "nothing is downloaded"),
    "lists of missing files": ('["img/{}.jpg", "img/{}-b.jpg"]', "name no image file"),
    "lists as Python writes them": ("['img/{}.jpg', 'img/{}-b.jpg']", "lists in brackets that are no JSON"),
    "absolute paths": ("/srv/shop/{}.jpg", "start at a disk's root"),
    "missing files": ("gone/{}.jpg", "name no image file"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_photos_that_are_not_there_leave_a_draft_of_text_and_say_why(name: str, tmp_path: Path) -> None:
    pattern, words = UNUSABLE[name]
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 30)
    for number, row in enumerate(rows[1:]):
        row[4] = pattern.replace("{}", str(number))
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.image_columns == []
    assert words in journey.draft.notes[0]
    assert "photo" not in journey.recipe.conversations[0].user[0].lower()
    assert "photo" not in journey.recipe.fields
    assert journey.built.ledger.rows_used == 30


def test_descriptions_in_two_languages_make_two_conversations(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = [["ref", "titre_fr", "title_en", "description_fr", "description_en", "marque", "image"]]
    for number in range(30):
        made = product(number)
        put(shop / f"{number}.png", picture(number, "PNG"))
        texts = [f"L'objet n° {number} : {made['text']}", made["text"]]
        rows.append([made["sku"], f"Objet {number}", made["title"], *texts, made["brand"], f"{number}.png"])
    Written(encoding="cp1252", delimiter=";").write(shop / "catalogue.csv", rows)
    journey = travel(shop, tmp_path / "out")
    french, english = journey.recipe.conversations
    assert french.tags == {"language": "fr"}
    assert french.user[1].startswith("Describe this product in French.\nTitre fr: {{ titre_fr }}\n")
    assert "title_en" not in french.user[1]
    assert english.assistant == "{{ description_en }}"
    assert journey.built.ledger.conversations_accepted == 60


def test_what_would_give_the_answer_away_or_changes_weekly_is_no_fact(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    rows[0] += ["Short desc", "Price", "Statut", "category_id", "Added on", "Finish", "manual"]
    for number, row in enumerate(rows[1:]):
        status = "publié" if number % 5 else "brouillon"
        row += [
            f"{row[3]} by {row[2]}",
            f"{number % 7},50",
            status,
            str(900 + number % 3),
            f"2024-01-{number % 28 + 1:02}",
        ]
        row += [["matt", "glossy", "none"][number % 3], f"docs/{number}.pdf"]
    Written(delimiter=";").write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.fields == ("brand", "kind", "Finish")
    assert "Short desc" not in journey.recipe.conversations[0].user[1]
    assert journey.recipe.source.nulls == ("",)
    assert "# where: \"Statut == 'publié'\"" in journey.draft.text


def test_a_question_column_is_the_prompt(tmp_path: Path) -> None:
    rows = [["id", "question", "answer", "image"]]
    for number in range(30):
        put(tmp_path / "shop" / f"{number}.jpg", picture(number))
        rows.append([str(number), f"What stands on shelf {number}?", product(number)["text"], f"{number}.jpg"])
    Written().write(tmp_path / "shop" / "qa.csv", rows)
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert journey.recipe.conversations[0].user[1] == "{{ question }}\n"
    assert journey.recipe.conversations[0].assistant == "{{ answer }}"


def test_labels_will_do_for_an_answer_where_there_are_photos(tmp_path: Path) -> None:
    rows = [["file", "label"]]
    for number in range(30):
        put(tmp_path / "shop" / f"{number}.jpg", picture(number))
        rows.append([f"{number}.jpg", product(number)["kind"]])
    Written().write(tmp_path / "shop" / "labels.csv", rows)
    assert travel(tmp_path / "shop", tmp_path / "out").recipe.conversations[0].assistant == "{{ label }}"


def test_of_several_tables_the_one_with_photos_is_taken(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written().write(shop / "products.csv", simple_rows(shop, 30))
    Written().write(shop / "prices.csv", [["sku", "price"], ["P-1", "3,50"]])
    journey = travel(shop, tmp_path / "out")
    assert journey.built.ledger.rows_used == 30
    assert journey.draft.notes[0] == "'products.csv' was taken, the only one of 2 tables that names photos"


def test_several_tables_without_photos_are_listed(tmp_path: Path) -> None:
    for name, column in (("b.csv", "price"), ("a.tsv", "stock")):
        Written().write(tmp_path / name, [["sku", column], ["P-1", "3"]])
    with pytest.raises(ConfigError, match=r"2 tables, and none of them names photos: 'a\.tsv', 'b\.csv'; name"):
        vlmdata.draft_recipe(tmp_path)


REFUSED = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\r\n\r\n  \n", "the file is empty"),
    "header only": (b"sku,description\n", "a header and no row"),
    "excel": (
        b"PK\x03\x04\x14\x00\x06\x00",
        "an Excel file or another zip, a CSV text file was expected",
    ),
    "binary": (bytes(range(256)) * 4, "a binary file"),
    "json": (b'[{"sku": 1}]', "looks like JSON"),
    "html": (b"<!DOCTYPE html><p>Sign in</p>", "an HTML or XML page"),
    "separator line": (b"sep=;\r\nsku;description\r\n1;A mug\r\n", "'sep=;' is a note to Excel"),
    "no header": (b"1,img/1.jpg,A red mug for you\n2,img/2.jpg,A blue mug for you\n", "the first row holds data"),
    "repeated name": (b"sku,text,text\n1,A mug,A mug\n2,A cup,A cup\n", "the column 'text' stands 2 times"),
    "no text": (b"sku,price\n1,2.50\n2,3.50\n", "no column holds texts to learn"),
    "other cells": (b"sku,text\n" + b"1,A mug of ours,\n" * 9, "9 of 9 rows can't be read"),
    "another script": ("код,описание\n1,Синяя кружка\n".encode("cp1251") * 9, "neither UTF-8 nor Windows-1252"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_catalog_is_refused_in_words(name: str, tmp_path: Path) -> None:
    data, words = REFUSED[name]
    put(tmp_path / "products.csv", data)
    with pytest.raises(SourceError) as caught:
        vlmdata.draft_recipe(tmp_path / "products.csv")
    assert words in str(caught.value)
    assert "products.csv" in str(caught.value)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file or folder"):
        vlmdata.draft_recipe(tmp_path / "gone")
    with pytest.raises(ConfigError, match="no table"):
        vlmdata.draft_recipe(tmp_path)


def test_the_same_catalog_gives_the_same_draft(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    Written(encoding="cp1252", delimiter=";").write(shop / "export" / "Artikel.csv", german_catalog(shop, 100))
    assert vlmdata.draft_recipe(shop) == vlmdata.draft_recipe(shop)
