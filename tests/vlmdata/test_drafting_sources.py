"""Drafted recipes for every kind of source, each from draft to validated dataset with nothing edited."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.drawn_catalogs import Written, picture, product, put, simple_rows, travel
from vlmdata.errors import ConfigError, SourceError


def json_rows(folder: Path, count: int) -> list[dict[str, Any]]:
    """Products as a shop's interface gives them: nested, typed, with lists of photos, drawn below a folder."""
    rows = []
    for number in range(count):
        made = product(number)
        names = [f"pics/{number}-{place}.jpg" for place in range(1 + number % 2)]
        for place, name in enumerate(names):
            put(folder / name, picture(number + place))
        row: dict[str, Any] = {"productId": 9000 + number, "title": made["title"], "gallery": names}
        row |= {"attributes": {"brand": made["brand"], "kind": made["kind"]}, "price": number + 0.5, "active": True}
        row |= {"colour": ["red", "green", None][number % 3], "body": made["text"]}
        if number % 5 == 4:
            del row["colour"]
            row["active"] = False
        rows.append(row)
    return rows


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_json_lines_with_nested_values_and_lists_of_photos(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    put(shop / "items.jsonl", lines(json_rows(shop, 30)))
    journey = travel(shop, tmp_path / "out")
    assert (journey.recipe.source.type, journey.recipe.id) == ("jsonl", "productId")
    assert journey.image_columns == [("gallery", None)]
    assert journey.recipe.conversations[0].assistant == "{{ body }}"
    assert journey.recipe.fields == ("colour", "attributes.brand", "attributes.kind")
    assert set(journey.recipe.tags) >= {"colour", "attributes.kind"}
    assert "Brand: {{ attributes.brand }}\nKind: {{ attributes.kind }}" in journey.recipe.conversations[0].user[1]
    assert '# where: "active == true"' in journey.draft.text
    assert (journey.built.ledger.rows_used, journey.built.ledger.images_references) == (30, 45)


def test_ids_and_photos_inside_of_mappings(tmp_path: Path) -> None:
    shop, rows = tmp_path / "shop", []
    for number in range(20):
        made = product(number)
        put(shop / "pics" / f"{number}.jpg", picture(number))
        item = {"sku": made["sku"], "text": {"en": {"description": made["text"]}}}
        rows.append({"item": item, "media": {"main": {"src": f"pics/{number}.jpg"}, "count": 1}})
    put(shop / "feed.json", json.dumps({"feed": rows}).encode())
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.id == "item.sku"
    assert journey.image_columns in ([("media.main", None)], [("media.main.src", None)])
    assert journey.recipe.conversations[0].assistant == "{{ item.text.en.description }}"
    assert journey.built.ledger.images_references == 20


def test_the_condition_on_a_value_that_is_no_text_works_when_it_is_uncommented(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    put(shop / "items.jsonl", lines(json_rows(shop, 30)))
    text = vlmdata.draft_recipe(shop).text.replace('# where: "', 'where: "')
    (shop / "recipe.yaml").write_text(text, encoding="utf-8")
    built = vlmdata.build(vlmdata.load_recipe(shop / "recipe.yaml"), tmp_path / "out")
    assert built.ledger.skipped == {"where: active == true": 6}


@pytest.mark.parametrize("key", [None, "products", "data.items"])
def test_json_whose_rows_stand_under_a_key(key: str | None, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    data: Any = json_rows(shop, 20)
    for step in reversed(key.split(".")) if key else ():
        data = {"version": 3, step: data, "links": [{"rel": "next"}]}
    put(shop / "export.json", json.dumps(data, indent=1).encode())
    journey = travel(shop / "export.json", tmp_path / "out")
    assert journey.recipe.source.options == ({"records": key} if key else {})
    assert journey.built.ledger.rows_used == 20


def test_parquet_that_holds_its_images(tmp_path: Path) -> None:
    rows = [
        {"code": product(n)["sku"], "caption": product(n)["text"], "photo": {"bytes": picture(n), "path": f"{n}.jpg"}}
        for n in range(25)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shop.parquet")
    journey = travel(tmp_path / "shop.parquet", tmp_path / "out")
    assert journey.recipe.source.type == "parquet"
    assert journey.image_columns == [("photo", None)]
    assert "root:" not in journey.draft.text
    assert journey.images == [picture(n) for n in range(25)] or sorted(journey.images) == sorted(
        picture(n) for n in range(25)
    )


def test_json_lists_in_the_cells_of_a_csv_file(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 24)
    rows[0].append("specs")
    for number, row in enumerate(rows[1:]):
        put(shop / f"more/{number}, back.jpg", picture(number))
        row[4] = json.dumps([row[4], f"more/{number}, back.jpg"])
        row.append(
            json.dumps({"weight": number, "care": "Wash by hand, dry with a cloth, and keep it out of the sun."})
        )
    Written(delimiter=";").write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.source.options["json"] == ["photo", "specs"]
    assert journey.image_columns == [("photo", None)]
    assert journey.built.ledger.images_references == 48
    assert journey.recipe.conversations[0].assistant in ("{{ description }}", "{{ specs.care }}")


def test_names_that_differ_in_what_a_recipe_can_accept(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 40)
    for number, row in enumerate(rows[1:]):
        if number < 30:
            row[4] = row[4].replace("/", "\\")
        elif number < 35:
            row[4] = row[4].replace("photo", "Photo")
        elif number < 38:
            row[4] = row[4].replace(".jpg", ".png")
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert set(journey.recipe.images.accept) == {"backslash", "case", "extension"}
    assert "backslash 30, case 5, extension 3" in journey.draft.text
    assert journey.built.ledger.rows_used == 40


def test_photos_of_two_columns_under_two_roots(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 20)
    rows[0].append("detail_photo")
    for number, row in enumerate(rows[1:]):
        (shop / row[4]).unlink()
        put(shop / f"front/{row[4]}", picture(number))
        put(shop / f"details/d{number}.jpg", picture(number + 1))
        row.append(f"d{number}.jpg")
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert set(journey.recipe.images.roots) == {shop / "front", shop / "details"}
    assert journey.built.ledger.images_references == 40


def test_photos_in_a_zip_beside_the_table(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(tmp_path / "drawn", 20)
    Written().write(shop / "products.csv", rows)
    with zipfile.ZipFile(shop / "photos.zip", "w") as archive:
        for row in rows[1:]:
            archive.write(tmp_path / "drawn" / row[4], row[4])
    journey = travel(shop, tmp_path / "out")
    assert journey.recipe.images.roots == (shop / "photos.zip",)
    assert journey.built.ledger.rows_used == 20


def without_photo_column(shop: Path, count: int) -> list[list[str]]:
    rows = [[*row[:4], row[5]] for row in simple_rows(shop.parent / "drawn", count)]
    Written().write(shop / "products.csv", rows)
    return rows


def test_photos_in_folders_that_are_named_after_a_column(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    for number, row in enumerate(without_photo_column(shop, 20)[1:]):
        for name in ("10.jpg", "2.jpg")[: 1 + number % 2]:
            put(shop / "media" / row[0] / name, picture(number))
    journey = travel(shop, tmp_path / "out")
    (place,) = journey.recipe.images.places
    assert (journey.recipe.images.roots, place.folder) == ((shop / "media",), "{{ sku }}")
    assert journey.built.ledger.images_references == 30
    assert journey.recipe.id == "sku"


def test_photos_whose_names_begin_with_a_column(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    for number, row in enumerate(without_photo_column(shop, 30)[1:]):
        put(shop / "img" / f"{row[0]}.jpg", picture(number))
        if number % 2:
            put(shop / "img" / "more" / f"{row[0]}_side.jpg", picture(number + 1))
    put(shop / "img" / "logo.png", picture(1, "PNG"))
    journey = travel(shop, tmp_path / "out")
    assert [place.glob for place in journey.recipe.images.places] == ["**/{{ sku }}.*", "**/{{ sku }}_*"]
    assert journey.built.ledger.images_references == 45


def test_names_that_could_be_of_two_products_are_not_taken(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = without_photo_column(shop, 20)
    for number, row in enumerate(rows[1:]):
        row[0] = f"A{number // 2}" if number % 2 == 0 else f"A{number // 2}-1"
        put(shop / "img" / f"{row[0]}-1.jpg", picture(number))
    Written().write(shop / "products.csv", rows)
    assert travel(shop, tmp_path / "out").recipe.images.places == ()


def test_addresses_give_lines_to_uncomment_and_a_draft_of_text(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 20)
    for number, row in enumerate(rows[1:]):
        host = "cdn.shop.example" if number % 4 else "img.shop.example:8080"
        row[4] = f"https://{host}/{number}a.jpg|https://{host}/{number}b.jpg"
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert journey.image_columns == []
    assert '# network: [cdn.shop.example, "img.shop.example:8080"]' in journey.draft.text
    assert any("unless `network` names their hosts" in note for note in journey.draft.notes)
    text = journey.draft.text.replace("network: none", "# none", 1).replace("# network:", "network:")
    text = text.replace("# images:", "images:").replace("#   from:", "  from:").replace("# - images", "- images")
    (shop / "asked.yaml").write_text(text, encoding="utf-8")
    asked = vlmdata.load_recipe(shop / "asked.yaml")
    assert asked.network == ("cdn.shop.example", "img.shop.example:8080")
    assert [(place.column, place.separator) for place in asked.images.places] == [("photo", "|")]


def test_texts_that_could_be_tidied_give_lines_to_uncomment(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    rows = simple_rows(shop, 20)
    for number, row in enumerate(rows[1:]):
        row[5] = f"<p>{row[5]}</p><p>Cafe\u0301\u00a0 style</p>"
        if number == 7:
            row[1] = "GrÃ¶ÃŸe und SchÃ¶nheit"
    Written().write(shop / "products.csv", rows)
    journey = travel(shop, tmp_path / "out")
    assert "HTML in 20, accents as signs of their own in 20, odd white space in 20 of 20 texts" in journey.draft.text
    assert "garbled letters in 1 of 20 texts" in journey.draft.text
    assert journey.recipe.clean == {}
    text = journey.draft.text.replace("# clean:", "clean:").replace("#   description:", "  description:")
    text = text.replace("#   title:", "  title:")
    (shop / "asked.yaml").write_text(text, encoding="utf-8")
    built = vlmdata.build(vlmdata.load_recipe(shop / "asked.yaml"), tmp_path / "clean")
    assert built.ledger.changed["clean.html_to_text"] == 20
    answers = [
        row["messages"][-1]["content"][0]["text"] for split in vlmdata.open(built.path).values() for row in split
    ]
    assert all(answer.endswith("\nCafé style") for answer in answers)


def test_folders_by_label(tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    for number in range(24):
        put(pets / ["cat", "dog", "guinea pig"][number % 3] / f"{number}.jpg", picture(number))
    journey = travel(pets, tmp_path / "out")
    assert journey.recipe.source.type == "image_folder"
    assert journey.recipe.conversations[0].assistant == "{{ label }}"
    assert journey.recipe.conversations[0].user[1] == "What does this show?\n"
    assert (journey.built.ledger.rows_used, journey.recipe.images.roots) == (24, (pets,))
    assert journey.recipe.id == "file_name"
    assert "Drafted from pets (24 rows, 3 columns)" in journey.draft.text


def test_captions_beside_images(tmp_path: Path) -> None:
    folder = tmp_path / "captions"
    for number in range(20):
        put(folder / f"{number % 2}/{number}.png", picture(number, "PNG"))
        if number % 10:
            put(folder / f"{number % 2}/{number}.txt", f"{product(number)['text']}\nde.utf8=Ein Ding.".encode())
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.source.options == {"captions": ".txt"}
    assert journey.recipe.conversations[0].assistant == "{{ caption }}"
    assert journey.built.ledger.rejected_by_rule == {"caption.missing": 2}
    assert journey.recipe.max_rejected == "15%"


@pytest.mark.parametrize("folder", ["", "train/"])
def test_a_folder_of_images_with_metadata(folder: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    rows = []
    for number in range(20):
        put(root / folder / "a" / f"{number}.jpg", picture(number))
        rows.append(
            {"file_name": f"a/{number}.jpg", "text": product(number)["text"], "maker": product(number)["brand"]}
        )
    put(root / folder / "metadata.jsonl", lines(rows))
    journey = travel(root, tmp_path / "out")
    assert journey.recipe.source.type == "image_folder"
    assert journey.recipe.fields == ("maker",)
    assert journey.built.ledger.rows_used == 20


def llava(folder: Path, count: int) -> list[dict[str, Any]]:
    rows = []
    for number in range(count):
        put(folder / "images" / f"{number}.jpg", picture(number))
        turns = [
            {"from": "human", "value": "<image>\nWhat is it?"},
            {"from": "gpt", "value": product(number)["text"]},
        ]
        rows.append({"id": str(number), "image": f"images/{number}.jpg", "conversations": turns})
    return rows


def test_conversations_whose_images_are_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    rows = llava(folder / "data" / "photos", 12)
    put(folder / "labels" / "chat.json", json.dumps(rows).encode())
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.images.roots == (folder / "data" / "photos",)
    assert journey.recipe.source.options == {"format": "llava"}
    assert journey.built.ledger.rows_used == 12


def test_conversations_of_which_none_could_be_used_are_refused_in_words(tmp_path: Path) -> None:
    put(tmp_path / "set" / "chat.json", json.dumps(llava(tmp_path / "set" / "elsewhere", 12)).encode())
    for file in (tmp_path / "set" / "elsewhere" / "images").iterdir():
        file.write_bytes(b"<html>")
    with pytest.raises(SourceError, match=r"chat\.json: not one of 12 rows could be used \(images\.not_an_image 12\)"):
        vlmdata.draft_recipe(tmp_path / "set" / "chat.json")


@pytest.mark.parametrize("name", ["chat.json", "chat.jsonl"])
def test_conversations_of_another_format(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "llava"
    rows = llava(folder, 20)
    put(folder / name, lines(rows) if name.endswith("l") else json.dumps(rows).encode())
    journey = travel(folder, tmp_path / "out")
    assert journey.recipe.source.type == "conversations"
    assert journey.built.ledger.rows_used == 20
    assert len(journey.images) == 20


def test_a_folder_with_a_dataset_info(tmp_path: Path) -> None:
    folder = tmp_path / "factory"
    rows = [{**row, "images": [row.pop("image")]} for row in llava(folder, 12)]
    put(folder / "mine.json", json.dumps(rows).encode())
    info = {"mine": {"file_name": "mine.json", "formatting": "sharegpt", "columns": {"images": "images"}}}
    put(folder / "dataset_info.json", json.dumps(info).encode())
    assert travel(folder, tmp_path / "out").built.ledger.rows_used == 12


def test_tars_of_samples(tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    folder.mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"shard-{shard}.tar", "w") as tar:
            for number in range(6):
                turns = llava(tmp_path / "drawn", 1)[0]["conversations"]
                for name, data in (
                    (f"{number}.jpg", picture(number)),
                    (f"{number}.json", json.dumps({"conversations": turns}).encode()),
                ):
                    member = tarfile.TarInfo(f"{shard}{name}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    journey = travel(folder, tmp_path / "out")
    assert (journey.recipe.source.type, journey.built.ledger.rows_used) == ("conversations", 12)


def test_mmiu_as_it_is_published(tmp_path: Path) -> None:
    folder = tmp_path / "mmiu"
    folder.mkdir()
    rows = []
    with zipfile.ZipFile(folder / "2D-spatial.zip", "w") as archive:
        for number in range(12):
            names = [f"2D-spatial/task_a/{number}_{place}.jpg" for place in range(2)]
            for place, name in enumerate(names):
                archive.writestr(name, picture(number + place))
            rows.append(
                {
                    "task": "task_a",
                    "visual_input_component": "natural image",
                    "source": "drawn",
                    "options": "A: yes\nB: no",
                    "question": "Are both alike?",
                    "context": "Select from the following choices.\nA: yes\nB: no",
                    "input_image_path": [f"./{name}" for name in names],
                    "output": "AB"[number % 2],
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "all.parquet")
    journey = travel(folder, tmp_path / "out")
    assert (journey.recipe.source.type, journey.built.ledger.rows_used) == ("mmiu", 12)


@pytest.mark.parametrize("name", ["bench.parquet", "bench.jsonl", "bench.csv"])
def test_a_benchmark_of_ones_own(name: str, tmp_path: Path) -> None:
    folder, rows = tmp_path / "bench", []
    for number in range(20):
        images = [f"shots/{number}-{place}.png" for place in range(2)]
        for place, image in enumerate(images):
            put(folder / image, picture(number + place, "PNG"))
        row: dict[str, Any] = {
            "qid": f"q{number}",
            "level": ["easy", "hard"][number % 2],
            "question": "Which is larger?",
        }
        rows.append(row | {"choices": ["the first", "the second"], "answer": "AB"[number % 2], "frames": images})
    if name.endswith("parquet"):
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / name)
    elif name.endswith("jsonl"):
        put(folder / name, lines(rows))
    else:
        table = [
            [row["qid"], row["question"], "A: one\nB: two", row["answer"], ";".join(row["frames"])] for row in rows
        ]
        Written().write(folder / name, [["qid", "question", "options", "answer", "frames"], *table])
    journey = travel(folder, tmp_path / "out")
    assert (journey.recipe.source.type, journey.recipe.id) == ("multi_image", "qid")
    assert journey.recipe.tags == (() if name.endswith("csv") else ("level",))
    assert (journey.built.ledger.rows_used, journey.built.ledger.images_references) == (20, 40)


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    shop = tmp_path / "shop"
    book = openpyxl.Workbook()
    for row in simple_rows(shop, 20):
        book.active.append(row)
    book.save(shop / "products.xlsx")
    journey = travel(shop, tmp_path / "out")
    assert (journey.recipe.source.type, journey.recipe.id) == ("excel", "sku")
    assert journey.built.ledger.rows_used == 20


def test_images_as_data_addresses(tmp_path: Path) -> None:
    rows = [["nr", "description", "image"]]
    for number in range(20):
        data = f"data:image/jpeg;base64,{b64encode(picture(number)).decode()}"
        rows.append([f"N{number}", product(number)["text"], data])
    Written().write(tmp_path / "shop" / "p.csv", rows)
    journey = travel(tmp_path / "shop", tmp_path / "out")
    assert journey.image_columns == [("image", None)]
    assert journey.built.ledger.images_references == 20


def zipped(*names: str) -> bytes:
    """A zip file with members of these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else b"x")
    return buffer.getvalue()


REFUSED: dict[str, tuple[dict[str, bytes], str, str]] = {
    "an empty zip": (
        {"p.zip": b"PK\x05\x06" + b"\0" * 18},
        "p.zip",
        "neither a table nor photos in it (0 other files)",
    ),
    "no zip": ({"p.zip": b"PK"}, "p.zip", "can't be read as one"),
    "a zip of photos": (
        {"p.zip": zipped("a/1.jpg", "a/2.JPG", "__MACOSX/a/._1.jpg")},
        "p.zip",
        "2 photos and no table",
    ),
    "a zip of all": (
        {"p.zip": zipped("shop/", "shop/b.csv", "shop/a.jsonl", "shop/1.jpg")},
        "p.zip",
        "'shop/a.jsonl' and 1 more such file and 1 photo: unpack it, and run vlmdata init on the folder",
    ),
    "rejected rows": ({"rejected.jsonl": b"{}\n"}, "rejected.jsonl", "type: rejected, path: rejected.jsonl"),
    "a refused build": ({"rejected.jsonl": b"{}\n", "report.json": b"{}"}, "", "take its recipe"),
    "a built dataset": ({"manifest.json": b"{}", "dataset_dict.json": b"{}"}, "", "this is a built dataset"),
    "nothing": ({"notes.md": b"x"}, "", "no table"),
    "images without a word": ({"1.jpg": b"\xff\xd8\xff", "2.jpg": b"\xff\xd8\xff"}, "", "in folders by label"),
    "two kinds": (
        {
            "a.csv": b"sku,text\n1,A mug for you\n",
            "b.jsonl": b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}\n',
        },
        "",
        "tables and conversations stand side by side: 'a.csv', 'b.jsonl'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_recipe_is_drafted_for_is_said(name: str, tmp_path: Path) -> None:
    files, start, words = REFUSED[name]
    for file, data in files.items():
        put(tmp_path / file, data)
    with pytest.raises(ConfigError) as caught:
        vlmdata.draft_recipe(tmp_path / start if start else tmp_path)
    assert words in str(caught.value)


KEYS = st.text("ab.{}'\"\\ :é\n%#_", min_size=1, max_size=5) | st.sampled_from(["items", "get", "id", "image", "None"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
PHOTOS = st.sampled_from(
    ["p/1.jpg", "p/2.jpg", "P\\1.JPG", "gone.jpg", "../1.jpg", "https://a.example/1.jpg", "data:image/png,x"]
)
VALUES = st.recursive(
    SCALARS | PHOTOS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(rows=st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=4, max_size=8))
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rows_of_any_json_give_a_recipe_that_builds(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    for number in (1, 2):
        put(shop / f"p/{number}.jpg", picture(number))
    written = [{**row, "sku": f"S{n}", "description": product(n)["text"]} for n, row in enumerate(rows)]
    put(shop / "rows.jsonl", lines(written))
    draft = vlmdata.draft_recipe(shop)
    (shop / "recipe.yaml").write_text(draft.text, encoding="utf-8")
    try:
        built = vlmdata.build(vlmdata.load_recipe(shop / "recipe.yaml"), tmp_path / "out", workers=1)
    finally:
        shutil.rmtree(tmp_path / "out.rejected", ignore_errors=True)
    assert built.ledger.rows_read == len(rows)
