"""Datasets of the contract straight from plain rows, without a build, so that a row may hold anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from tests.vlmdata.shop import drawn, encoded
from vlmdata.contract import stored_schema
from vlmdata.dataset import data_files
from vlmdata.write.arrow_files import WrittenFile, write_split_metadata, write_splits_file

TURNED = Image.Exif()
TURNED[0x0112] = 6
PLACED = Image.Exif()
PLACED.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 0.0), 3: "E", 4: (0.0, 7.0, 0.0)})
PICTURES = {
    "mug.png": encoded(drawn(0)),
    "cup.jpg": encoded(drawn(1), "JPEG"),
    "pot.webp": encoded(drawn(2), "WEBP"),
    "jug 7.PNG": encoded(drawn(3)),
    "phone.jpg": encoded(drawn(4), "JPEG", exif=TURNED),
    "home.jpg": encoded(drawn(5), "JPEG", exif=PLACED),
}
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}


def turn(role: str, *parts: str | None) -> dict[str, Any]:
    """A message; None stands for an image."""
    content = [{"type": "image" if part is None else "text", "text": part} for part in parts]
    return {"role": role, "content": content}


def record(id: str, *messages: Mapping[str, Any], images: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """A record with the contract's columns; images by their name in PICTURES."""
    return {
        "id": id,
        "messages": list(messages),
        "images": [{"bytes": PICTURES[name], "path": name} for name in images],
        "image_info": [
            {
                "sha256": hashlib.sha256(PICTURES[name]).hexdigest(),
                "width": 40,
                "height": 30,
                "format": FORMATS[name[-4:].strip(".").lower()],
                "dhash": None,
            }
            for name in images
        ],
        "origin": {"source": "rows.jsonl", "row": 1, "line": 1},
        "group": more.get("group", id),
        "tags": [{"name": name, "value": value} for name, value in more.get("tags", {}).items()],
        "fields": [{"name": name, "value": value} for name, value in more.get("fields", {}).items()],
        "provenance": more.get("provenance"),
    }


def asked(id: str = "row-1", **more: Any) -> dict[str, Any]:
    """A question about an image, and its answer."""
    question = turn("user", None, more.pop("question", "What is it?"))
    return record(id, question, turn("assistant", more.pop("answer", "A mug.")), images=["mug.png"], **more)


def write_dataset(folder: Path, **splits: Sequence[Mapping[str, Any]]) -> Path:
    """A dataset folder that holds these rows in their splits; `train` where a split is given none."""
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        (folder / split).mkdir()
        name = "data-00000-of-00001.arrow"
        batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], stored_schema())
        with pa.ipc.new_stream(str(folder / split / name), stored_schema()) as writer:
            for start in range(0, batch.num_rows, 3):
                writer.write_batch(batch.slice(start, 3))
        path = folder / split / name
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        file = WrittenFile(name=f"{split}/{name}", rows=len(rows), bytes=path.stat().st_size, xxh3=digest)
        write_split_metadata(folder, split, [file])
    write_splits_file(folder, list(splits))
    return folder


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """The rows of a built dataset as plain data, images as the bytes that they are."""
    return [row for file in data_files(folder) for batch in file.batches() for row in batch.to_pylist()]
