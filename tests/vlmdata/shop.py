"""A small shop in a folder: drawn photos, a CSV file and a recipe, for tests to break."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from vlmdata import BuildResult, Recipe, build
from vlmdata.recipe import recipe_from

COLUMNS = ("sku", "photo", "title", "description")
RECIPE: dict[str, Any] = {
    "source": {"type": "csv", "path": "products.csv"},
    "id": "sku",
    "images": {"root": "photos", "from": "photo"},
    "conversations": [{"user": "Describe: {{ title }}", "assistant": "{{ description }}"}],
    "max_rejected": "100%",
}


def drawn(number: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture that is like no other number's, and not the same when turned or mirrored."""
    image = Image.new("RGB", size, (240, 238, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 3, 20, 12), fill=(40 * number % 256, 90 + 31 * number % 160, 200 - 17 * number % 190))
    draw.ellipse((22, 14, 36, 28), fill=(200, 30 * number % 256, 60))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def csv_text(rows: Iterable[Sequence[str]], **dialect: Any) -> str:
    """Rows as csv.writer writes them."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, **dialect).writerows(rows)
    return buffer.getvalue()


def product(number: int, **changes: str) -> tuple[str, ...]:
    """One row of the shop."""
    row = {
        "sku": f"SKU-{number:03d}",
        "photo": f"{number % 4}.png",
        "title": f"Mug {number}",
        "description": f"Mug number {number} for tea.",
    }
    return tuple((row | changes)[column] for column in COLUMNS)


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder with photos and products."""

    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        photos = self.folder / "photos"
        photos.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            (photos / f"{number}.png").write_bytes(encoded(drawn(number)))

    @property
    def out(self) -> Path:
        """Where the dataset goes."""
        return self.folder / "dataset"

    def photo(self, name: str, data: bytes) -> None:
        """Add a photo."""
        path = self.folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def write(self, rows: Iterable[Sequence[str]], header: Sequence[str] = COLUMNS, **dialect: Any) -> None:
        """Write the products."""
        self.write_bytes(csv_text([header, *rows], **dialect).encode())

    def write_bytes(self, data: bytes) -> None:
        """Write the products' file as it is given."""
        (self.folder / "products.csv").write_bytes(data)

    def recipe(self, **changes: Any) -> Recipe:
        """The recipe, with some of its keys changed; a key set to None is left out."""
        data = {**RECIPE, **self.changes, **changes}
        return recipe_from({key: value for key, value in data.items() if value is not None}, self.folder)

    def build(self, *, out: Path | None = None, workers: int = 1, replace: bool = True, **changes: Any) -> BuildResult:
        """Build the dataset, over an earlier one."""
        return build(self.recipe(**changes), out or self.out, replace=replace, workers=workers)
