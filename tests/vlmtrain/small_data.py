"""Rows of the record contract with drawn images, and small datasets on disk."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "yellow")
KINDS = ("mug", "lamp", "kettle", "box")


def picture(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG of one colour."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def text(value: str) -> dict[str, str | None]:
    return {"type": "text", "text": value}


def image() -> dict[str, str | None]:
    return {"type": "image", "text": None}


def row(
    name: str, turns: Sequence[tuple[str, Sequence[Any]]], images: Sequence[bytes] = (), **more: Any
) -> dict[str, Any]:
    """A row of the record contract. A string among a turn's parts is a text part."""
    from PIL import Image

    infos = []
    for data in images:
        width, height = Image.open(io.BytesIO(data)).size
        digest = hashlib.sha256(data).hexdigest()
        infos.append({"sha256": digest, "width": width, "height": height, "format": "PNG", "dhash": "0" * 16})
    messages = [
        {"role": role, "content": [text(part) if isinstance(part, str) else part for part in parts]}
        for role, parts in turns
    ]
    return {
        "id": name,
        "messages": messages,
        "images": [{"bytes": data, "path": f"{index}.png"} for index, data in enumerate(images)],
        "image_info": infos,
        "origin": {"source": "test", "row": 1, "line": 1},
        "group": name,
        "tags": [],
        "fields": [],
        "provenance": None,
        **more,
    }


def product_rows(count: int, *, start: int = 0, size: tuple[int, int] = (40, 30)) -> list[dict[str, Any]]:
    """Rows that ask for a product's description and answer with the colour of its picture."""
    rows = []
    for number in range(start, start + count):
        colour, kind = COLOURS[number % 4], KINDS[number // 4 % 4]
        turns = [("user", [image(), "Describe the product."]), ("assistant", [f"A {colour} {kind}."])]
        fields = [{"name": "colour", "value": colour}, {"name": "kind", "value": kind}]
        rows.append(row(f"p{number}", turns, [picture(colour, size)], fields=fields))
    return rows


def save_dataset(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """A dataset folder as `vlmdata build` leaves one, with the rows of each split."""
    import datasets

    from vlmdata.contract import features

    made = {name: datasets.Dataset.from_list(list(rows), features=features()) for name, rows in splits.items()}
    datasets.DatasetDict(made).save_to_disk(str(folder))
    names = json.dumps({name: [each["id"] for each in rows] for name, rows in splits.items()})
    manifest = {"contract": "record.v1", "fingerprint": hashlib.sha256(names.encode()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
