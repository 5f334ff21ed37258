"""The rows that a page shows: chosen in the pass that counts, fetched with their images' bytes, laid out as cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.arrow_bytes import bytes_at
from vlmdata.dataset import DataFile
from vlmdata.page.gallery import Card, Picture, conversation, pairs, thumbnail
from vlmdata.reports.html_statistics import Choice, Statistics

PICTURES_OF_ROW = 6
FEWEST_PICTURES, MOST_PICTURES = 60, 120
FEWEST_PIXELS, MOST_PIXELS = 40_000_000, 250_000_000
"""A page shows no more pictures than these, and decodes no more than 2% of the dataset's pixels within these."""

SCALED = 16
"""A JPEG is decoded at a fraction of its size, in about a sixteenth of the time."""

LANGUAGE_TAGS = ("language", "lang")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it is stored, its number in the whole dataset, its split, and why it is shown."""

    number: int
    split: str
    record: Mapping[str, Any]
    kinds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def reasons(choice: Choice, rules: Mapping[str, Sequence[str]]) -> dict[int, tuple[str, ...]]:
    """Why each chosen row is shown, the most telling rows first, taken in turn from every kind."""
    found = [choice.named[name] for name in rules if name in choice.named]
    random = [best.listed() for best in choice.random.values()]
    queues: list[tuple[str, list[int]]] = [
        ("finding", found),
        ("longest text", choice.longest.listed()),
        ("shortest answer", choice.shortest.listed()),
        ("smallest image", choice.smallest.listed()),
        ("written by a model", choice.written.listed()),
        *(("random", rows) for rows in random),
    ]
    chosen: dict[int, list[str]] = {}
    for turn in range(max((len(rows) for _, rows in queues), default=0)):
        for kind, rows in queues:
            if turn < len(rows):
                chosen.setdefault(rows[turn], []).append(kind)
    return {row: tuple(dict.fromkeys(kinds)) for row, kinds in chosen.items()}


def fetch(files: Iterable[DataFile], wanted: Iterable[int]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The wanted rows of a dataset, by their numbers, in order: number, split and record.

    An image's bytes stay in the file, which is mapped into memory, until somebody reads them.
    """
    numbers = np.array(sorted(set(wanted)), np.int64)
    start = 0
    for file in files:
        if start > (numbers[-1] if len(numbers) else -1):
            return
        for batch in file.batches():
            inside = numbers[(numbers >= start) & (numbers < start + batch.num_rows)]
            for number in inside.tolist():
                yield number, file.split, _record(batch.slice(number - start, 1))
            start += batch.num_rows


def _record(row: pa.RecordBatch) -> dict[str, Any]:
    """A batch of one row as plain data, its images' bytes as buffers."""
    record: dict[str, Any] = row.select([name for name in row.schema.names if name != "images"]).to_pylist()[0]
    images = row.column("images").flatten()
    data, names = (pc.struct_field(images, name) for name in ("bytes", "path"))
    record["images"] = [
        {"bytes": bytes_at(data, place), "path": names[place].as_py() or ""} for place in range(len(images))
    ]
    return record


def rows_to_show(files: Sequence[DataFile], made: Statistics, rules: Mapping[str, Sequence[str]]) -> list[Row]:
    """The chosen rows, those first that tell most; `rules` are those that warned of a row, by its id."""
    kinds = reasons(made.choice, rules)
    held = {number: (split, record) for number, split, record in fetch(files, kinds)}
    return [
        Row(
            number=number,
            split=held[number][0],
            record=held[number][1],
            kinds=why,
            rules=tuple(rules.get(held[number][1].get("id") or "", ())),
        )
        for number, why in kinds.items()
        if number in held
    ]


class Album:
    """Makes thumbnails within what a page may cost: so many pictures, and so many pixels decoded.

    What it shows does not depend on the time it takes.
    """

    def __init__(self, made: Statistics) -> None:
        self._pictures = min(max(FEWEST_PICTURES, made.pixels.count // 100), MOST_PICTURES)
        self._pixels = min(max(FEWEST_PIXELS, made.pixels.total // 50), MOST_PIXELS)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="thumbnail")

    def pictures(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Picture]]:
        """The thumbnails of each record's images, as far as the album has room; equal bytes are decoded once."""
        made: dict[tuple[str, str], Any] = {}
        asked = [[self._ask(made, *image) for image in _images(record)] for record in rows]
        return [[one if isinstance(one, Picture) else one.result() for one in row] for row in asked]

    def _ask(self, made: dict[tuple[str, str], Any], data: Any, name: str, info: Mapping[str, Any]) -> Any:
        key = (str(info.get("sha256")), name)
        if key in made:
            return made[key]
        pixels = max((info.get("width") or 0) * (info.get("height") or 0), 1)
        cost = pixels // SCALED if info.get("format") == "JPEG" else pixels
        if data is None:
            return Picture(name=name, missing="has no bytes")
        if not self._pictures or cost > self._pixels:
            return Picture(name=name, missing="left out, to keep this page small")
        self._pictures -= 1
        self._pixels -= cost
        made[key] = self._pool.submit(_thumbnail, data, name)
        return made[key]

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()


def _thumbnail(data: pa.Buffer, name: str) -> Picture:
    return thumbnail(data.to_pybytes(), name)


def _images(record: Mapping[str, Any]) -> Iterator[tuple[Any, str, Mapping[str, Any]]]:
    infos = record.get("image_info") or []
    for place, image in enumerate(record["images"][:PICTURES_OF_ROW]):
        info = infos[place] if place < len(infos) and infos[place] else {}
        yield image["bytes"], image["path"], info


def named(values: Any) -> dict[str, str]:
    """Tags or fields as a mapping."""
    return {str(each["name"]): str(each["value"]) for each in values or [] if each}


def card(row: Row, pictures: Sequence[Picture]) -> Card:
    """A row as a card: its conversation with its pictures, its fields, where it came from."""
    record = row.record
    tags = named(record.get("tags"))
    language = next((tags[name] for name in LANGUAGE_TAGS if name in tags), "")
    body = conversation(record.get("messages") or [], pictures, language)
    fields = pairs("Fields", named(record.get("fields"))) + written_by(record)
    return Card(
        title=record.get("id") or f"row {row.number + 1}",
        where=place(record),
        kinds=row.kinds,
        split=row.split,
        rules=row.rules,
        tags=tags,
        body=body + fields,
    )


def written_by(record: Mapping[str, Any]) -> str:
    """Which model wrote a record's text, where one did."""
    provenance = record.get("provenance")
    if not provenance:
        return ""
    said = {"by": provenance.get("description"), "model": provenance.get("model")}
    said["prompt"] = (provenance.get("prompt_sha256") or "")[:12]
    return pairs("Written by a model", {name: value for name, value in said.items() if value})


def place(record: Mapping[str, Any]) -> str:
    """`products.csv:37`, where a record came from."""
    origin = record.get("origin") or {}
    source, line = origin.get("source") or "", origin.get("line") or 0
    return f"{source}:{line}" if line else source
