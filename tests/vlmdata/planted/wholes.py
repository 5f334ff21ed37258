"""Mistakes of a catalog as a whole, of its file's bytes, of conversations, and of a built dataset changed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from PIL import Image, ImageEnhance

from tests.vlmdata.planted.catalog import Product, drawn, jpeg, product, saved

Catalog = list[Product]
Wholly = Callable[[Catalog], Catalog]

PLACEHOLDER = jpeg(drawn(77_777))


def twice(rows: Catalog) -> Catalog:
    """Three rows again, under other numbers and photo names, with the same bytes."""
    return [
        *rows,
        *(replace(row, sku=f"{row.sku}-B", family=f"{row.family}B", photo=f"b/{row.photo}") for row in rows[:3]),
    ]


def two_answers(rows: Catalog) -> Catalog:
    """Three rows again with another description."""
    again = (
        replace(row, sku=f"{row.sku}-B", description=f"Another text about it: {row.kind}, no. {row.sku}.")
        for row in rows[:3]
    )
    return [*rows, *again]


def one_answer(rows: Catalog) -> Catalog:
    """One description for thirty products."""
    text = "A nice product of good quality for your home."
    return [replace(row, description=text) if number < 30 else row for number, row in enumerate(rows)]


def placeholder(rows: Catalog) -> Catalog:
    """One picture for thirty products, each under its own name."""
    return [replace(row, data=PLACEHOLDER) if number < 30 else row for number, row in enumerate(rows)]


def shared_file(rows: Catalog) -> Catalog:
    """One file for thirty products."""
    return [replace(row, photo=rows[0].photo) if number < 30 else row for number, row in enumerate(rows)]


def of_another(rows: Catalog) -> Catalog:
    """Three products with a neighbour's photo."""
    return [replace(row, data=rows[number + 10].data) if number < 3 else row for number, row in enumerate(rows)]


def nearly_of_another(rows: Catalog) -> Catalog:
    """Three products with a neighbour's photo, smaller, brighter or as PNG."""

    def changed(number: int) -> bytes:
        image = drawn(int(rows[number + 10].sku.rpartition("-")[2]), _colour(rows[number + 10]))
        small = jpeg(image.resize((132, 108), Image.Resampling.LANCZOS))
        return (small, jpeg(ImageEnhance.Brightness(image).enhance(1.08)), saved(image, "PNG"))[number]

    return [replace(row, data=changed(number)) if number < 3 else row for number, row in enumerate(rows)]


def _colour(row: Product) -> tuple[int, int, int]:
    from tests.vlmdata.planted.catalog import COLOURS

    rng = Random(int(row.sku.rpartition("-")[2]))
    return list(COLOURS.values())[rng.randrange(len(COLOURS))]


def same_number(rows: Catalog) -> Catalog:
    """Three products under the number of another."""
    return [replace(row, sku=rows[number + 10].sku) if number < 3 else row for number, row in enumerate(rows)]


def same_number_but(change: Callable[[str], str]) -> Wholly:
    """Three products under the number of another, but for what nobody sees."""
    return lambda rows: [
        replace(row, sku=change(rows[number + 10].sku)) if number < 3 else row for number, row in enumerate(rows)
    ]


def other_numbers(change: Callable[[str], str]) -> Wholly:
    """Three products' numbers changed."""
    return lambda rows: [replace(row, sku=change(row.sku)) if number < 3 else row for number, row in enumerate(rows)]


def one_label(rows: Catalog) -> Catalog:
    """Nearly all answers the same word."""
    return [
        replace(row, question="Is it damaged?", description="no" if number % 9 else "yes")
        for number, row in enumerate(rows)
    ]


def bare_kind(rows: Catalog) -> Catalog:
    """One tag's value stands in one family, so that only one split has it."""
    return [replace(row, kind="sofa", family="SOFA") if number < 60 else row for number, row in enumerate(rows)]


WHOLE: Sequence[tuple[str, str, Wholly]] = (
    ("products twice", "dataset.duplicate", twice),
    ("two answers to one question", "dataset.conflict", two_answers),
    ("one answer for many", "dataset.one_answer", one_answer),
    ("one picture under many names", "dataset.shared_image", placeholder),
    ("one file for many", "dataset.shared_image", shared_file),
    ("photo of another product", "dataset.reused_image", of_another),
    ("nearly the photo of another product", "dataset.near_duplicate", nearly_of_another),
    ("one number for two", "id.duplicate", same_number),
    ("no number", "id.empty", other_numbers(lambda _: "")),
    ("a number of spaces", "id.empty", other_numbers(lambda _: "  ")),
    ("nan for a number", "id.empty id.duplicate", other_numbers(lambda _: "nan")),
    ("numbers that differ in case", "id.near_miss", same_number_but(str.lower)),
    ("numbers that differ in a space", "id.duplicate", same_number_but(lambda sku: f"{sku} ")),
    ("numbers that differ in what nobody sees", "id.near_miss id.control", same_number_but(lambda sku: f"{sku}\u200b")),
    ("a control character in a number", "id.control", other_numbers(lambda sku: f"{sku}\x07")),
    ("the end of a line in a number", "id.control", other_numbers(lambda sku: f"{sku}\nx")),
    ("one label", "dataset.label_balance", one_label),
    ("a tag of one split", "dataset.tag_coverage", bare_kind),
)

BYTES: Sequence[tuple[str, str, Callable[[bytes], bytes]]] = (
    ("a quote that never closes", "csv.quote", lambda data: data.replace(b"SKU-00040,F00040,", b'SKU-00040,F00040,"')),
    ("a row with too few cells", "csv.ragged", lambda data: data.replace(b"SKU-00040,F00040,", b"SKU-00040 F00040 ")),
    ("a row with too many cells", "csv.ragged", lambda data: data.replace(b"SKU-00040,", b"SKU-00040,,")),
    (
        "a byte of another encoding",
        "csv.encoding",
        lambda data: data.replace(b"SKU-00040,F00040,", b"SKU-00040,F00040,\xfc"),
    ),
    ("a NUL", "csv.nul", lambda data: data.replace(b"SKU-00040,F00040,", b"SKU-00040,F00040,\0")),
    ("a name twice in the header", "csv.header", lambda data: data.replace(b"family", b"sku", 1)),
    (
        "half of a pair",
        "csv.encoding",
        lambda data: data.replace(b"SKU-00040,F00040,", b"SKU-00040,F00040,\xed\xa0\x80"),
    ),
    ("cut in a row", "csv.quote csv.ragged", lambda data: data[: data.index(b"SKU-00040") + 20]),
)


def turn(role: str, *parts: str) -> dict[str, Any]:
    """A turn in a format that many trainers read."""
    return {
        "role": role,
        "content": [{"type": "image"} if part == "<i>" else {"type": "text", "text": part} for part in parts],
    }


def fine(**changed: Any) -> dict[str, Any]:
    """A conversation with a picture, some of its keys changed."""
    messages = [turn("user", "<i>", "What is in the picture?"), turn("assistant", "A blue mug on a table.")]
    return {"id": "c-1", "images": ["0.jpg"], "messages": messages, **changed}


def turns(*said: dict[str, Any]) -> dict[str, Any]:
    """The conversation with other turns."""
    return fine(messages=list(said))


ASK, SAY = turn("user", "<i>", "What is in the picture?"), turn("assistant", "A blue mug on a table.")
CONVERSATIONS: Sequence[tuple[str, str, dict[str, Any] | str]] = (
    ("two turns of the user", "messages.roles", turns(ASK, turn("user", "And where?"), SAY)),
    ("two turns of the assistant", "messages.roles", turns(ASK, SAY, SAY)),
    ("the user last", "messages.roles", turns(ASK, SAY, turn("user", "Thanks!"))),
    ("the assistant first", "messages.roles", turns(SAY, ASK, SAY)),
    ("no assistant", "messages.roles", turns(ASK)),
    (
        "a system turn in the middle",
        "messages.roles",
        turns(ASK, SAY, turn("system", "Be brief."), turn("user", "And where?"), SAY),
    ),
    ("an unknown role", "messages.unknown_role", turns(ASK, {"role": "narrator", "content": "x"}, SAY)),
    ("no messages", "messages.none", fine(messages=[])),
    ("an empty system turn", "text.empty", turns(turn("system", ""), ASK, SAY)),
    ("an empty answer", "text.empty", turns(ASK, turn("assistant", " "))),
    ("more images than places", "messages.images", fine(images=["0.jpg", "1.jpg"])),
    ("more places than images", "messages.images", fine(images=[])),
    ("an image in the answer", "messages.image_role", turns(ASK, turn("assistant", "<i>", "A mug."))),
    ("content that is a number", "messages.content", turns(ASK, {"role": "assistant", "content": 5})),
    ("a tool call", "unsupported.tools", turns(ASK, {**SAY, "tool_calls": [{"id": "1"}]})),
    ("a video", "unsupported.video", turns({"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}, SAY)),
    ("no such image", "images.missing", fine(images=["9.jpg"])),
    ("an image out of the folder", "images.outside", fine(images=["../../x.jpg"])),
    ("broken JSON", "json.syntax", '{"id": "c-1", "messages": [}'),
    ("a key twice", "json.duplicate_key", json.dumps(fine())[:-1] + ', "id": "c-2"}'),
    ("no object", "json.not_an_object", "[1, 2]"),
    ("half of a pair", "json.surrogate", json.dumps(turns(ASK, turn("assistant", "A \ud83d mug.")))),
    ("infinity", "json.number", json.dumps(fine(score=float("inf")))),
)


def built_rows(path: Path) -> tuple[pa.Table, Path]:
    """The rows of a dataset's first file, and where it is."""
    file = sorted(path.glob("train/*.arrow"))[0]
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).read_all(), file


def rewritten(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change a dataset's rows by hand and write them back in the same schema."""
    table, file = built_rows(path)
    rows, schema = table.to_pylist(), table.schema
    del table
    change(rows)
    store(file, pa.Table.from_pylist(rows, schema=schema))


def store(file: Path, table: pa.Table) -> None:
    """Write a table where another was."""
    file.unlink()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def first(*keys: str | int, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    """Another value at a place of the first row."""

    def change(rows: list[dict[str, Any]]) -> None:
        at: Any = rows[0]
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


def same_id(rows: list[dict[str, Any]]) -> None:
    """The second row has the first one's id."""
    rows[1]["id"] = rows[0]["id"]


def second_image(rows: list[dict[str, Any]]) -> None:
    """The first row has an image more, and no place for it."""
    rows[0]["images"].append(rows[1]["images"][0])
    rows[0]["image_info"].append(rows[1]["image_info"][0])


def exchanged(rows: list[dict[str, Any]]) -> None:
    """Two rows have each other's bytes."""
    rows[0]["images"], rows[1]["images"] = rows[1]["images"], rows[0]["images"]


CHANGED: Sequence[tuple[str, str, Callable[[list[dict[str, Any]]], None]]] = (
    ("one id for two", "contract.unique_id", same_id),
    ("an empty id", "contract.id", first("id", value="")),
    ("no id", "contract.id", first("id", value=None)),
    ("no bytes", "contract.null_bytes", first("images", 0, "bytes", value=None)),
    ("a path", "contract.path", first("images", 0, "path", value="../x.jpg")),
    ("an absolute path", "contract.path", first("images", 0, "path", value="/etc/passwd")),
    ("another size", "contract.image_info", first("image_info", 0, "width", value=9)),
    ("another hash", "contract.image_info", first("image_info", 0, "sha256", value="0" * 64)),
    ("another format", "contract.image_info", first("image_info", 0, "format", value="PNG")),
    ("no image_info", "contract.image_info messages.images", first("image_info", value=[])),
    ("exchanged images", "contract.image_info", exchanged),
    ("an image more", "messages.images", second_image),
    ("an image less", "messages.images", first("images", value=[])),
    ("text on an image part", "messages.part", first("messages", 0, "content", 0, "text", value="x")),
    ("no text on a text part", "text.empty messages.part", first("messages", 1, "content", 0, "text", value=None)),
    ("an unknown part", "messages.part", first("messages", 1, "content", 0, "type", value="audio")),
    ("an unknown role", "messages.unknown_role", first("messages", 0, "role", value="human")),
    ("no turn", "messages.roles", first("messages", value=[])),
    ("bytes that are no image", "images.not_an_image", first("images", 0, "bytes", value=b"<html></html>")),
    ("bytes cut short", "images.truncated", first("images", 0, "bytes", value=PLACEHOLDER[:-900])),
    ("zero bytes", "images.empty", first("images", 0, "bytes", value=b"")),
    ("an answer of nan", "text.null", first("messages", 1, "content", 0, "text", value="nan")),
)
__all__ = ["product"]
