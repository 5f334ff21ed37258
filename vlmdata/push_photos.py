"""Photos that say where they were taken, found before a dataset leaves the machine; and who wrote its texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from vlmdata.dataset import DataFile
from vlmdata.generated import writers
from vlmdata.image.places import tells_place
from vlmdata.image.traits import has_position
from vlmdata.pixels import PIXEL_LIMIT, PixelError, open_image, pillow_errors
from vlmdata.record import Problem

MOST_NAMED = 1_000
"""So many rows are named; the others are counted."""

BEHIND_PIXELS = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile type")
"""Where a PNG may have its metadata behind its pixels, these words stand in it."""


@dataclass(slots=True)
class Look:
    """What is known of a dataset's rows after each was looked at.

    `faults` counts rows with photos that say where they were taken, or can't be opened; `problems` has one for each
    such photo of the first of these rows, `named` of them; without `photos` none is opened. `generated` counts rows by
    (model, provider) of a text that a model wrote.
    """

    photos: bool = True
    rows: int = 0
    faults: int = 0
    named: int = 0
    problems: list[Problem] = field(default_factory=list)
    generated: Counter[tuple[str, str]] = field(default_factory=Counter)
    _known: dict[bytes, str] = field(default_factory=dict)

    def at(self, files: Sequence[DataFile]) -> Look:
        """Look at every row, and once at every unique image."""
        for file in files:
            for batch in file.batches():
                self._see(batch)
        return self

    def _see(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.generated.update(writers(batch))
        for row, found in self._faults(batch) if self.photos else ():
            self.faults += 1
            if self.named < MOST_NAMED:
                self.named += 1
                self.problems += [_problem(batch, row, place, fault) for place, fault in found]

    def _faults(self, batch: pa.RecordBatch) -> Iterator[tuple[int, list[tuple[int, str]]]]:
        """Each row that has images with a fault, with the place of each of them and what is wrong with it."""
        images, infos = batch.column("images"), batch.column("image_info")
        held = images.flatten().field("bytes")
        digests = infos.flatten().field("sha256").to_pylist()
        at = 0
        for row, count in enumerate(images.value_lengths().to_pylist()):
            faults = ((place, self._fault(digests[at + place], held[at + place])) for place in range(count or 0))
            found = [(place, fault) for place, fault in faults if fault]
            at += count or 0
            if found:
                yield row, found

    def _fault(self, sha256: str, held: pa.BinaryScalar) -> str:
        key = bytes.fromhex(sha256)
        if key not in self._known:
            self._known[key] = fault_of(held.as_buffer().to_pybytes())
        return self._known[key]


LOCATED = "push.location"
UNREADABLE = "push.unreadable"


def fault_of(data: bytes) -> str:
    """The rule that an image's metadata break, or nothing."""
    try:
        image = open_image(data, pixel_limit=PIXEL_LIMIT)
        with pillow_errors(len(data)):
            if image.format == "PNG" and any(word in data for word in BEHIND_PIXELS):
                image.load()
            return LOCATED if has_position(image) or tells_place(data) else ""
    except PixelError:
        return UNREADABLE


def may_tell_place(data: bytes) -> bool:
    """Whether a picture says where it was taken, or can't be looked at for it."""
    return bool(fault_of(data))


WORDS = {
    LOCATED: ("says where it was taken (GPS in its metadata)", "build with images.metadata: strip_location"),
    UNREADABLE: (
        "can't be opened here, so that nobody knows whether it says where it was taken",
        "install what opens it (pip install 'vlmdata[heic]'), or leave the row out",
    ),
}


def _problem(batch: pa.RecordBatch, row: int, place: int, fault: str) -> Problem:
    values: dict[str, Any] = batch.select(["id", "origin"]).slice(row, 1).to_pylist()[0]
    name = batch.column("images")[row].as_py()[place]["path"]
    message, hint = WORDS[fault]
    return Problem(
        rule=fault,
        message=f"{name!r} {message}",
        source=values["origin"]["source"] or "",
        line=values["origin"]["line"] or 0,
        field=f"images[{place}]",
        hint=hint,
        id=values["id"] or "",
    )
