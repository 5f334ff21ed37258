"""Catalogs in many shapes, written by the tests that draft recipes for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import vlmdata

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 200), "yellow": (230, 210, 40)}
KINDS = ("mug", "lamp", "chair", "clock", "vase")
MAKERS = ("Brackwell", "Corvane", "Fennick", "Tormley", "Ashby")


def picture(number: int, kind: str = "JPEG") -> bytes:
    """A small drawn picture, each number another one; a PNG has an alpha channel."""
    colour = list(COLOURS.values())[number % 4]
    size = (24 + number % 7, 16 + number // 7 % 9)
    image = Image.new("RGBA", size, (*colour, 120)) if kind == "PNG" else Image.new("RGB", size, colour)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def put(path: Path, data: bytes) -> None:
    """Write a file and the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def product(number: int) -> dict[str, str]:
    """The texts of one product."""
    colour, kind = list(COLOURS)[number % 4], KINDS[number // 4 % 5]
    maker = MAKERS[number // 3 % 5]
    text = f"A {colour} {kind} by {maker}, made with care for quiet mornings; piece number {number}."
    return {
        "sku": f"P-{1000 + number}",
        "title": f"{maker} {kind} {number}",
        "brand": maker,
        "kind": kind,
        "text": text,
    }


COLUMNS = ("sku", "title", "brand", "kind", "photo", "description")


def simple_rows(folder: Path, count: int, *, suffix: str = ".jpg", prefix: str = "img/") -> list[list[str]]:
    """Products with one photo each, written below a folder, the header first."""
    rows = [list(COLUMNS)]
    for number in range(count):
        made = product(number)
        name = f"{prefix}{number % 4}/photo {number}{suffix}"
        put(folder / name, picture(number, "PNG" if suffix.lower() == ".png" else "JPEG"))
        rows.append([made["sku"], made["title"], made["brand"], made["kind"], name, made["text"]])
    return rows


@dataclass(kw_only=True)
class Written:
    """How a table is written: `mark` puts a byte order mark before it."""

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    quoting: int = csv.QUOTE_MINIMAL
    line_end: str = "\r\n"
    mark: bool = False

    def line(self, row: Sequence[str]) -> bytes:
        """One row as bytes."""
        file = io.StringIO()
        quoting = self.quoting if self.quote else csv.QUOTE_NONE
        writer = csv.writer(
            file, delimiter=self.delimiter, lineterminator=self.line_end, quotechar=self.quote or None, quoting=quoting
        )
        writer.writerow(row)
        return file.getvalue().encode(self.encoding)

    def write(self, path: Path, rows: Sequence[Sequence[str] | bytes]) -> None:
        """Write rows, the header first; bytes go in as they are."""
        mark = "\ufeff".encode(self.encoding) if self.mark else b""
        put(path, mark + b"".join(row if isinstance(row, bytes) else self.line(row) for row in rows))


@dataclass(kw_only=True)
class Journey:
    """A draft, the recipe read from it, and what was built."""

    draft: vlmdata.Draft
    recipe: vlmdata.Recipe
    built: vlmdata.BuildResult
    images: list[bytes]

    @property
    def image_columns(self) -> list[tuple[str, str | None]]:
        """The columns that images come from, each with its separator."""
        return [(column.column, column.separator) for column in self.recipe.images.places]


def travel(source: Path, out: Path, *, recipe_folder: Path | None = None) -> Journey:
    """Draft, load, build, validate, with nothing edited."""
    home = recipe_folder or (source if source.is_dir() else source.parent)
    draft = vlmdata.draft_recipe(source, recipe_folder=recipe_folder)
    path = home / "recipe.yaml"
    path.write_text(draft.text, encoding="utf-8")
    recipe = vlmdata.load_recipe(path)
    built = vlmdata.build(recipe, out, workers=2)
    assert vlmdata.validate(out).errors == 0
    return Journey(draft=draft, recipe=recipe, built=built, images=stored_images(out))


def stored_images(path: Path) -> list[bytes]:
    """The bytes of every image of a dataset."""
    opened = vlmdata.open(path)
    return [
        image["bytes"]
        for split in opened.values()
        for images in split.with_format("arrow")["images"].to_pylist()
        for image in images
    ]
