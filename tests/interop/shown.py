"""Rows that a format must show to its reader as they are, and what a reader should see of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from tests.vlmdata.exports.datasets import record, turn, write_dataset

MARK = "<image>"
TAGS = {"category": "mugs", "language": "de"}

ROWS: Sequence[dict[str, Any]] = (
    record(
        "2024-01-01",
        turn("user", None, "What is it?"),
        turn("assistant", "A mug."),
        images=["mug.png"],
        tags=TAGS,
        fields={"option.A": "a mug", "answer": "A"},
    ),
    record(
        "2024-01-02",
        turn("system", "Du bist höflich."),
        turn("user", "Is ", None, " like ", None, "?\nSay 是 or 不."),
        turn("assistant", '不, "never" \\ 100 % 🙂.'),
        images=["cup.jpg", "mug.png"],
        group="pair",
    ),
    record(
        "2024-01-03",
        turn("user", "Hello,\n\n  what do you see?", None),
        turn("assistant", "A pot."),
        turn("user", None, "And now?"),
        turn("assistant", "2024-05-06"),
        images=["pot.webp", "jug 7.PNG"],
        fields={"brand": "Nöld & Søn"},
    ),
    record("2024-01-04", turn("user", "No picture here."), turn("assistant", "2024-05-06")),
    record(
        "2024-01-05",
        turn("user", None, None, None, "How many?"),
        turn("assistant", "Three."),
        images=["mug.png", "mug.png", "phone.jpg"],
        tags={"category": "counting"},
    ),
)
WITH_IMAGES = tuple(row for row in ROWS if row["images"])
SINGLE = tuple(row for row in WITH_IMAGES if len(row["messages"]) == 2)


def dataset(folder: Path, rows: Sequence[Mapping[str, Any]] = ROWS) -> Path:
    """A dataset of these rows."""
    return write_dataset(folder / "dataset", train=rows)


def turns(row: Mapping[str, Any]) -> list[list[str]]:
    """Roles and texts, images as markers."""
    return [
        [message["role"], "".join(MARK if part["text"] is None else part["text"] for part in message["content"])]
        for message in row["messages"]
    ]


def expected(rows: Iterable[Mapping[str, Any]], *, turned: bool = False) -> list[dict[str, Any]]:
    """What a reader should see; `turned`, where it turns images as their EXIF orientation says."""
    return [
        {"turns": turns(row), "images": [pixels(opened(image["bytes"], turned)) for image in row["images"]]}
        for row in rows
    ]


def opened(data: bytes, turned: bool) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    return ImageOps.exif_transpose(image) if turned else image


def pixels(image: Image.Image) -> str:
    """The size and the sha256 of a picture's pixels in RGB."""
    shown = image.convert("RGB")
    return f"{shown.width}x{shown.height}:{hashlib.sha256(shown.tobytes()).hexdigest()}"
