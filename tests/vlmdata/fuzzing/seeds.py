"""The projects that are damaged: one for each type of source, with images in folders, zips, tars and in the rows."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.vlmdata.fuzzing.projects import KINDS, Seed, lines, photos, picture, product, put, recipe, zipped
from tests.vlmdata.fuzzing.talks import conversations, dataset_info, formats, llava_json, saved, tables, tao_json, tars
from tests.vlmdata.shop import csv_text

SAMPLES = Path(__file__).parents[3] / "samples"
LEFT_OUT = frozenset({"expected.txt", "command.txt", "LICENSE", "README.md", "make.py", "draw.py"})
"""What stands beside a sample and is no part of its input."""

CATALOG_ROWS = 12
PLAIN: dict[str, Any] = {
    "id": "sku",
    "images": {"root": "photos", "from": "photo"},
    "conversations": [{"user": "Describe: {{ title }}", "assistant": "{{ text }}"}],
}


def csv_folder(folder: Path) -> None:
    """Every format of picture, several in a cell, splits and groups."""
    put(folder, pictures := photos(tuple(KINDS), 14))
    names = [name.removeprefix("photos/") for name in pictures]
    cells = [names[number] if number % 3 else f"{names[number]}|{names[-1 - number]}" for number in range(14)]
    rows = [product(number, cell) | {"kind": f"k{number % 5}"} for number, cell in enumerate(cells)]
    put(folder, {"rows.csv": csv_text([rows[0], *(row.values() for row in rows)], lineterminator="\n")})
    images = {"root": "photos", "from": [{"column": "photo", "separator": "|"}]}
    more = {"group": "kind", "fields": ["kind"], "tags": ["kind"], "split": {"train": 0.5, "test": 0.5, "seed": 1}}
    recipe(folder, {"type": "csv", "path": "rows.csv"}, **{**PLAIN, "images": images}, **more)


def csv_zip(folder: Path) -> None:
    """Pictures in a zip, their names a little different; cells in quotes that hold line breaks."""
    pictures = photos(("JPEG", "PNG", "WEBP"), 6, "Shop/")
    put(folder, {"photos.zip": zipped(pictures), "more/9.png": picture(9)})
    names = [name if number % 2 else name.lower() for number, name in enumerate(pictures)] + ["9.png"]
    rows = [
        product(n, name) | {"text": f'A "{n}"\nin two lines, or three' * (n % 2) or "One."}
        for n, name in enumerate(names)
    ]
    put(folder, {"rows.csv": csv_text([rows[0], *(row.values() for row in rows)])})
    images = {"root": ["photos.zip", "more"], "from": "photo", "accept": ["case", "extension", "unicode", "backslash"]}
    recipe(folder, {"type": "csv", "path": "rows.csv", "where": "sku"}, **{**PLAIN, "images": images})


def csv_treated(folder: Path) -> None:
    """Pictures that are encoded anew, found by a pattern of names; texts that are tidied."""
    put(folder, {name.replace("photos/", "photos/p-"): data for name, data in photos(tuple(KINDS), 7).items()})
    rows = [product(number, "") | {"title": f"<b>Mug</b>&nbsp;{number}"} for number in range(7)]
    put(folder, {"rows.csv": csv_text([rows[0], *(row.values() for row in rows)], lineterminator="\r\n")})
    images = {"root": "photos", "from": {"glob": "p-{{ sku[3:] }}.*"}, "metadata": "strip"}
    images |= {"resize": {"max_pixels": 600}, "convert": {"format": "JPEG"}}
    clean = {"title": ["html_to_text", "nfc", "whitespace", "mojibake"]}
    recipe(folder, {"type": "csv", "path": "rows.csv"}, **{**PLAIN, "images": images}, clean=clean)


def stripped(folder: Path) -> None:
    """Pictures whose metadata is taken out, in JSON Lines with cells that hold JSON."""
    put(folder, photos(("JPEG", "PNG", "WEBP", "TIFF"), 8))
    rows = [product(n, json.dumps([f"{n}.{('jpg', 'png', 'webp', 'tif')[n % 4]}"])) for n in range(8)]
    put(folder, {"rows.jsonl": lines(rows)})
    images = {"root": "photos", "from": "photo", "metadata": "strip_location"}
    recipe(folder, {"type": "jsonl", "path": "rows.jsonl", "json": ["photo"]}, **{**PLAIN, "images": images})


def inline(folder: Path) -> None:
    """Pictures as data URIs in JSON Lines, and others beside them."""
    put(folder, photos(("PNG", "JPEG")))
    address = [f"data:image/png;base64,{b64encode(picture(number)).decode()}" for number in range(3)]
    rows = [
        product(n, photo) for n, photo in enumerate([*address, "0.png", ["1.jpg", address[0]], "3.jpg", "Größe.png"])
    ]
    put(folder, {"rows.jsonl": lines(rows), "photos/Größe.png": picture(7)})
    recipe(folder, {"type": "jsonl", "path": "rows.jsonl"}, **PLAIN)


def nested(folder: Path) -> None:
    """A JSON file with its rows inside an object, and a folder of pictures for each."""
    put(
        folder,
        photos(("PNG",), 2, "photos/S-00/") | photos(("JPEG",), 2, "photos/S-01/") | {"photos/S-02/a.png": picture(4)},
    )
    rows = [product(number, None) | {"size": {"height": number, "unit": "cm"}} for number in range(3)]
    put(folder, {"rows.json": json.dumps({"about": {"a": [1, {"b": None}]}, "data": {"rows": rows}}, indent=1)})
    talk = [{"user": ["{{ title }} of {{ size.height }}", "images"], "assistant": "{{ text }}", "system": "Be brief."}]
    images = {"root": "photos", "from": {"folder": "{{ sku }}"}, "max": 2, "over": "first"}
    recipe(
        folder,
        {"type": "json", "path": "rows.json", "records": "data.rows"},
        id="sku",
        images=images,
        conversations=talk,
    )


def parquet(folder: Path) -> None:
    """Two Parquet files of several row groups, pictures as bytes in the rows."""
    for number, compression in enumerate(("snappy", "none")):
        rows = [product(n, {"bytes": picture(n), "path": f"{n}.png"}) for n in range(number * 4, number * 4 + 4)]
        rows = [row | {"price": 1.5, "since": datetime(2024, 1, 1), "many": [1, None]} for row in rows]
        (folder / "rows").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows" / f"{number}.parquet", 2, compression=compression)
    recipe(folder, {"type": "parquet", "path": "rows"}, **{**PLAIN, "images": {"from": "photo"}})


def folder_metadata(folder: Path) -> None:
    """A folder of pictures with metadata.jsonl."""
    put(folder, photos(("PNG", "JPEG", "WEBP"), 6) | photos(("PNG",), 2, "photos/sub/"))
    names = [name.removeprefix("photos/") for name in photos(("PNG", "JPEG", "WEBP"), 6)]
    put(
        folder, {"photos/metadata.jsonl": lines(product(n, None) | {"file_name": name} for n, name in enumerate(names))}
    )
    put(
        folder,
        {"photos/sub/metadata.csv": "file_name,sku,title,text\n0.png,A,Lamp,A lamp.\n1.png,B,Lamp,A lamp too.\n"},
    )
    recipe(folder, {"type": "image_folder", "path": "photos"}, **{**PLAIN, "images": {"from": "file_name"}})


def captions(folder: Path) -> None:
    """Pictures with texts beside them."""
    put(folder, pictures := photos(("PNG", "JPEG", "GIF"), 6) | photos(("PNG",), 2, "photos/lamps/"))
    put(folder, {f"{name.rpartition('.')[0]}.txt": f"What is to be seen: {name}." for name in pictures})
    put(folder, {"photos/0.de.txt": "Was zu sehen ist."})
    talk = [{"user": "Describe it.", "assistant": "{{ caption }}"}]
    images = {"from": "file_name"}
    recipe(folder, {"type": "image_folder", "path": "photos", "captions": ".txt"}, images=images, conversations=talk)


def questions(folder: Path) -> None:
    """Questions over several pictures, in JSON Lines, options as text, list and mapping."""
    choices = ["A: one\nB: two", ["one", "two"], {"A": "one", "B": "two"}, "['one', 'two']"]
    rows = [
        {"id": n, "q": "Which of <image> and <image>?", "pics": ["0.png", "1.png"], "choices": choices[n % 4], "a": "B"}
        for n in range(8)
    ]
    put(folder, photos(folder="pictures/") | {"rows.jsonl": lines(rows).encode()})
    columns = {"question": "q", "images": "pics", "options": "choices", "answer": "a"}
    recipe(
        folder,
        {"type": "multi_image", "path": "rows.jsonl", "columns": columns, "marker": "<image>"},
        id="id",
        images={"root": "pictures"},
    )


def mmiu(folder: Path) -> None:
    """A benchmark as it is published: a table and zips."""
    names = [f"./Zip-{number % 2}/task/{number}.png" for number in range(4)]
    row = {"task": "t", "visual_input_component": "x", "source": "drawn", "input_image_path": names, "output": "B"}
    row |= {"options": "A: one\nB: two", "context": "Look.\nA: one\nB: two\n", "question": "Which?"}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row | {"question": f"Which? {n}"} for n in range(4)]), folder / "all.parquet")
    for number in range(2):
        inside = {f"task/{n}.png": picture(n) for n in (number, number + 2)}
        put(folder, {f"Zip-{number}.zip": zipped(inside, zipfile.ZIP_STORED if number else zipfile.ZIP_DEFLATED)})
    recipe(folder, {"type": "mmiu", "path": "."}, tags=["task"])


def rejected(folder: Path) -> None:
    """Rows that an earlier build rejected."""
    problems = [{"rule": "images.missing", "message": "gone"}]
    origins = [{"source": "rows.csv", "row": n, "line": n + 1, "last_line": n + 1} for n in range(5)]
    rows: list[Any] = [
        {"origin": origin, "problems": problems, "row": product(n, f"{n % 4}.png")} for n, origin in enumerate(origins)
    ]
    put(
        folder,
        photos()
        | {"rejected.jsonl": lines([*rows, {"origin": rows[0]["origin"], "problems": [], "raw": "a,b"}]).encode()},
    )
    recipe(folder, {"type": "rejected", "path": "rejected.jsonl"}, **PLAIN)


def sample(name: str) -> Callable[[Path], None]:
    """A folder of samples/, as it is."""
    return lambda folder: _copied(SAMPLES / name, folder)


def _copied(start: Path, folder: Path) -> None:
    shutil.copytree(
        start, folder, dirs_exist_ok=True, ignore=lambda _, names: [name for name in names if name in LEFT_OUT]
    )


def catalog(folder: Path) -> None:
    """The first rows of the sample catalog, with their photos."""
    start = SAMPLES / "catalog"
    put(folder, {"recipe.yaml": (start / "recipe.yaml").read_bytes()})
    text = (start / "products.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))[: CATALOG_ROWS + 1]
    put(folder, {"products.csv": csv_text(rows, lineterminator="\n")})
    named = {name for row in rows[1:] for name in row[rows[0].index("photos")].split("|") if name}
    put(folder, {name: (start / name).read_bytes() for name in named if (start / name).is_file()})


OWN = (
    (csv_folder, "rows.csv"),
    (csv_zip, "rows.csv"),
    (csv_treated, "rows.csv"),
    (stripped, "rows.jsonl"),
    (inline, "rows.jsonl"),
    (nested, ""),
    (parquet, ""),
    (folder_metadata, "photos/metadata.jsonl"),
    (captions, ""),
    (llava_json, ""),
    (tao_json, ""),
    (dataset_info, ""),
    (tars, ""),
    (tables, ""),
    (saved, ""),
    (questions, "rows.jsonl"),
    (mmiu, ""),
    (rejected, "rejected.jsonl"),
    (catalog, "products.csv"),
)


def all_seeds() -> list[Seed]:
    """Every seed, in a fixed order."""
    own = [Seed(name=write.__name__.replace("_", "-"), write=write, table=table) for write, table in OWN]
    talks = [conversations(name) for name in ("auto", *formats())]
    good = [path.parent.name for path in sorted(SAMPLES.glob("good/*/recipe.yaml")) if _stays_here(path)]
    return [*own, *talks, *(_of_sample(f"good/{name}") for name in good), _of_sample("benchmark")]


def _stays_here(recipe: Path) -> bool:
    """Whether a build of a sample asks nobody over the network."""
    found = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    return "network" not in found and found.get("describe", {}).get("provider", "file") == "file"


def _of_sample(name: str) -> Seed:
    source = yaml.safe_load((SAMPLES / name / "recipe.yaml").read_text(encoding="utf-8"))["source"]
    table = str(source.get("path", ""))
    return Seed(name=name, write=sample(name), table=table if table.endswith((".jsonl", ".csv")) else "")
