"""The projects that are damaged: one for each type of source, with images in folders, zips, tars and in the rows."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tests.vlmdata.one_row import shared, turns
from tests.vlmdata.shop import csv_text, drawn, encoded

SAMPLES = Path(__file__).parents[3] / "samples"
LEFT_OUT = frozenset({"expected.txt", "command.txt", "LICENSE", "README.md", "make.py", "draw.py"})
"""What stands beside a sample and is no part of its input."""

CATALOG_ROWS = 12
PLAIN: dict[str, Any] = {
    "id": "sku",
    "images": {"root": "photos", "from": "photo"},
    "conversations": [{"user": "Describe: {{ title }}", "assistant": "{{ text }}"}],
}
KINDS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif", "BMP": "bmp"}
WHEN = (2024, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A way to write a project into a folder. `table` is its file of rows, where each physical line is counted."""

    name: str
    write: Callable[[Path], None]
    table: str = ""


def picture(number: int, kind: str = "PNG") -> bytes:
    """A drawn picture in a format; every other JPEG has EXIF, with an orientation and a place."""
    image = drawn(number)
    if kind == "JPEG" and number % 2:
        exif = image.getexif()
        exif[0x0112], exif[0x010F] = 6, "Maker"
        exif.get_ifd(0x8825)[1] = "N"
        return encoded(image, kind, exif=exif.tobytes(), quality=60, progressive=number % 4 == 1)
    if kind == "GIF":
        return encoded(image, kind, save_all=True, append_images=[drawn(number + 1)])
    if kind == "TIFF":
        return encoded(image, kind, compression=("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")[number % 4])
    return encoded(image, kind, **({"quality": 40} if kind in {"JPEG", "WEBP", "AVIF"} else {}))


def product(number: int, photo: Any) -> dict[str, Any]:
    """A row of a shop."""
    return {"sku": f"S-{number:02d}", "photo": photo, "title": f"Mug {number}", "text": f"Mug number {number}, for tea."}


def put(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files and the folders they need."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def recipe(folder: Path, source: Mapping[str, Any], **keys: Any) -> None:
    """Write a recipe."""
    put(folder, {"recipe.yaml": yaml.safe_dump({"source": dict(source), **keys}, sort_keys=False)})


def lines(rows: Iterable[Any]) -> str:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, WHEN), data, method)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes | str]) -> bytes:
    """A tar, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, value in files.items():
            data = value.encode() if isinstance(value, str) else value
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def photos(kinds: Sequence[str] = ("PNG",), count: int = 4, folder: str = "photos/") -> dict[str, bytes]:
    """Pictures by file name."""
    made = [(number, kinds[number % len(kinds)]) for number in range(count)]
    return {f"{folder}{number}.{KINDS[kind]}": picture(number, kind) for number, kind in made}


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
    rows = [product(n, name) | {"text": f'A "{n}"\nin two lines, or three' * (n % 2) or "One."} for n, name in enumerate(names)]
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
    rows = [product(n, photo) for n, photo in enumerate([*address, "0.png", ["1.jpg", address[0]], "3.jpg", "Größe.png"])]
    put(folder, {"rows.jsonl": lines(rows), "photos/Größe.png": picture(7)})
    recipe(folder, {"type": "jsonl", "path": "rows.jsonl"}, **PLAIN)


def nested(folder: Path) -> None:
    """A JSON file with its rows inside an object, and a folder of pictures for each."""
    put(folder, photos(("PNG",), 2, "photos/S-00/") | photos(("JPEG",), 2, "photos/S-01/") | {"photos/S-02/a.png": picture(4)})
    rows = [product(number, None) | {"size": {"height": number, "unit": "cm"}} for number in range(3)]
    put(folder, {"rows.json": json.dumps({"about": {"a": [1, {"b": None}]}, "data": {"rows": rows}}, indent=1)})
    talk = [{"user": ["{{ title }} of {{ size.height }}", "images"], "assistant": "{{ text }}", "system": "Be brief."}]
    images = {"root": "photos", "from": {"folder": "{{ sku }}"}, "max": 2, "over": "first"}
    recipe(folder, {"type": "json", "path": "rows.json", "records": "data.rows"}, id="sku", images=images, conversations=talk)


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
    put(folder, {"photos/metadata.jsonl": lines(product(n, None) | {"file_name": name} for n, name in enumerate(names))})
    put(folder, {"photos/sub/metadata.csv": "file_name,sku,title,text\n0.png,A,Lamp,A lamp.\n1.png,B,Lamp,A lamp too.\n"})
    recipe(folder, {"type": "image_folder", "path": "photos"}, **{**PLAIN, "images": {"from": "file_name"}})


def captions(folder: Path) -> None:
    """Pictures with texts beside them."""
    put(folder, pictures := photos(("PNG", "JPEG", "GIF"), 6) | photos(("PNG",), 2, "photos/lamps/"))
    put(folder, {f"{name.rpartition('.')[0]}.txt": f"What is to be seen: {name}." for name in pictures})
    put(folder, {"photos/0.de.txt": "Was zu sehen ist."})
    talk = [{"user": "Describe it.", "assistant": "{{ caption }}"}]
    images = {"from": "file_name"}
    recipe(folder, {"type": "image_folder", "path": "photos", "captions": ".txt"}, images=images, conversations=talk)


TALK = shared("<image>\nWhat is it?", "A mug.")
PARTS = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
URI = {"url": f"data:image/png;base64,{b64encode(picture(1)).decode()}"}


def formats() -> dict[str, list[dict[str, Any]]]:
    """Rows of every conversation format that is read from JSON Lines."""
    chat, answer = turns("<image>What is it?", "A mug."), {"role": "assistant", "content": "A mug."}
    source = {"type": "base64", "media_type": "image/png", "data": b64encode(picture(2)).decode()}
    text = {"type": "text", "text": "What is it?"}
    oumi = [{"type": "image_path", "content": "0.png"}, {"type": "text", "content": "What is it?"}]
    gemini = [{"inlineData": {"mimeType": "image/png", "data": source["data"]}}, {"text": "What is it?"}]
    rows = {
        "llava": [{"image": "0.png", "conversations": TALK}, {"conversations": shared("Hi", "Hello")}],
        "sharegpt": [{"messages": chat, "images": ["0.png"]}, {"instruction": "<image>What", "input": "", "output": "A mug.", "images": ["1.png"]}],
        "swift": [{"messages": chat, "images": ["1.png"]}, {"query": "<img>0.png</img>What?", "response": "A mug.", "history": [["a", "b"]]}],
        "openai": [{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": URI}, text]}, answer]}],
        "anthropic": [{"system": "Be brief.", "messages": [{"role": "user", "content": [{"type": "image", "source": source}, text]}, answer]}],
        "oumi": [{"messages": [{"role": "user", "content": oumi}, answer]}],
        "gemini": [{"contents": [{"role": "user", "parts": gemini}, {"role": "model", "parts": [{"text": "A mug."}]}]}],
        "trl": [{"messages": [{"role": "user", "content": PARTS}, answer], "images": ["2.png"]}, {"prompt": "What?", "completion": "A mug.", "image": "3.png"}],
        "tao_vl_reason": [{"image_id": "0.png", "question": "What?", "answer": "A mug.", "item_index": "0"}],
    }  # fmt: skip
    rows["tao_vl_reason"] = [rows["tao_vl_reason"][0] | {"image_id": f"{number}.png"} for number in range(3)]
    return {name: [row | {"id": f"{name}-{n}-{m}"} for m in range(1 if name == "tao_vl_reason" else 3) for n, row in enumerate(found)] for name, found in rows.items()}


def conversations(name: str) -> Seed:
    """A seed of one format; `auto` has them all in one file."""

    def write(folder: Path) -> None:
        rows = formats()
        found = rows[name] if name != "auto" else [row for rows_of_one in rows.values() for row in rows_of_one]
        put(folder, photos(folder="pictures/") | {"rows.jsonl": lines(found).encode()})
        recipe(folder, {"type": "conversations", "path": "rows.jsonl", "format": name}, images={"root": "pictures"})

    return Seed(name=f"conversations-{name}", write=write, table="rows.jsonl")


def llava_json(folder: Path) -> None:
    """One list over many lines."""
    put(folder, photos(folder="pictures/") | {"rows.json": json.dumps(formats()["llava"], indent=2).encode()})
    recipe(folder, {"type": "conversations", "path": "rows.json"}, images={"root": "pictures"})


def tao_json(folder: Path) -> None:
    """Items below a media root."""
    data = {"format": "tao-vl-reason-v1.0", "media_root": "pictures", "items": formats()["tao_vl_reason"]}
    put(folder, photos(folder="pictures/") | {"rows.json": json.dumps(data, indent=1).encode()})
    recipe(folder, {"type": "conversations", "path": "rows.json"})


def dataset_info(folder: Path) -> None:
    """A dataset_info.json that names the file and its keys."""
    rows = [{"talk": [{"who": "a", "said": "<image>What?"}, {"who": "b", "said": "A mug."}], "pics": [f"{n}.png"], "id": n} for n in range(4)]
    tags = {"role_tag": "who", "content_tag": "said", "user_tag": "a", "assistant_tag": "b"}
    entry = {"file_name": "mugs.json", "formatting": "sharegpt", "columns": {"messages": "talk", "images": "pics"}, "tags": tags}
    put(folder, photos(folder="data/") | {"data/mugs.json": json.dumps(rows).encode(), "data/dataset_info.json": json.dumps({"mugs": entry}).encode()})
    recipe(folder, {"type": "conversations", "path": "data", "format": "sharegpt"}, images={"root": "data"})


def tars(folder: Path) -> None:
    """Two tars of samples, pictures read in their place."""
    for number in range(2):
        files: dict[str, bytes | str] = {}
        for sample in range(3):
            kind = ("PNG", "JPEG", "WEBP")[sample]
            files[f"d/{number}{sample}.{KINDS[kind]}"] = picture(number * 3 + sample, kind)
            files[f"d/{number}{sample}.json"] = json.dumps({"conversations": TALK})
        files[f"{number}.jpg"], files[f"{number}.txt"] = picture(number + 8, "JPEG"), "A caption."
        put(folder, {f"tars/{number}.tar": tarred(files)})
    recipe(folder, {"type": "conversations", "path": "tars", "format": "webdataset", "prompt": "What is it?"})


def tables(folder: Path) -> None:
    """Conversations in Parquet, with pictures as bytes."""
    answer = [{"index": None, "text": "A mug.", "type": "text"}]
    parts = [{"index": 0, "text": None, "type": "image"}, {"index": None, "text": "What?", "type": "text"}]
    talk = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    rows = [{"messages": talk, "images": [{"bytes": picture(n), "path": None}]} for n in range(4)]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", 2)
    recipe(folder, {"type": "conversations", "path": "rows.parquet", "format": "trl"})


def saved(folder: Path) -> None:
    """A dataset that `datasets` saved."""
    import datasets

    rows = [{"messages": turns("<image>What?", "A mug."), "images": [{"bytes": picture(n), "path": None}]} for n in range(4)]
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows, split="train").save_to_disk(str(folder / "rows"))
    datasets.enable_progress_bars()
    for path in (folder / "rows").glob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace(str(folder), "."), encoding="utf-8")
    state = folder / "rows" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text(encoding="utf-8")), "_fingerprint": "0"}), encoding="utf-8")
    recipe(folder, {"type": "conversations", "path": "rows", "format": "sharegpt"})


def questions(folder: Path) -> None:
    """Questions over several pictures, in JSON Lines, options as text, list and mapping."""
    choices = ["A: one\nB: two", ["one", "two"], {"A": "one", "B": "two"}, "['one', 'two']"]
    rows = [{"id": n, "q": "Which of <image> and <image>?", "pics": ["0.png", "1.png"], "choices": choices[n % 4], "a": "B"} for n in range(8)]
    put(folder, photos(folder="pictures/") | {"rows.jsonl": lines(rows).encode()})
    columns = {"question": "q", "images": "pics", "options": "choices", "answer": "a"}
    recipe(folder, {"type": "multi_image", "path": "rows.jsonl", "columns": columns, "marker": "<image>"}, id="id", images={"root": "pictures"})


def mmiu(folder: Path) -> None:
    """A benchmark as it is published: a table and zips."""
    names = [f"./Zip-{number % 2}/task/{number}.png" for number in range(4)]
    row = {"task": "t", "visual_input_component": "x", "source": "drawn", "options": "A: one\nB: two", "question": "Which?",
           "context": "Look.\nA: one\nB: two\n", "input_image_path": names, "output": "B"}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row | {"question": f"Which? {n}"} for n in range(4)]), folder / "all.parquet")
    for number in range(2):
        inside = {f"task/{n}.png": picture(n) for n in (number, number + 2)}
        put(folder, {f"Zip-{number}.zip": zipped(inside, zipfile.ZIP_STORED if number else zipfile.ZIP_DEFLATED)})
    recipe(folder, {"type": "mmiu", "path": "."}, tags=["task"])


def rejected(folder: Path) -> None:
    """Rows that an earlier build rejected."""
    rows = [{"origin": {"source": "rows.csv", "row": n, "line": n + 1, "last_line": n + 1},
             "problems": [{"rule": "images.missing", "message": "gone"}], "row": product(n, f"{n % 4}.png")} for n in range(5)]  # fmt: skip
    put(folder, photos() | {"rejected.jsonl": lines([*rows, {"origin": rows[0]["origin"], "problems": [], "raw": "a,b"}]).encode()})
    recipe(folder, {"type": "rejected", "path": "rejected.jsonl"}, **PLAIN)


def sample(name: str) -> Callable[[Path], None]:
    """A folder of samples/, as it is."""
    return lambda folder: _copied(SAMPLES / name, folder)


def _copied(start: Path, folder: Path) -> None:
    shutil.copytree(start, folder, dirs_exist_ok=True, ignore=lambda _, names: [name for name in names if name in LEFT_OUT])


def catalog(folder: Path) -> None:
    """The first rows of the sample catalog, with their photos."""
    start = SAMPLES / "catalog"
    put(folder, {"recipe.yaml": (start / "recipe.yaml").read_bytes()})
    text = (start / "products.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.reader(io.StringIO(text, newline=""))][: CATALOG_ROWS + 1]
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
    good = [path.parent.name for path in sorted(SAMPLES.glob("good/*/recipe.yaml"))]
    return [*own, *talks, *(_of_sample(f"good/{name}") for name in good), _of_sample("benchmark")]


def _of_sample(name: str) -> Seed:
    table = next((path.name for path in sorted((SAMPLES / name).glob("*.jsonl"))), "")
    table = table or next((path.name for path in sorted((SAMPLES / name).glob("*.csv"))), "")
    return Seed(name=name, write=sample(name), table=table)
