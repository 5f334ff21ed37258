"""The rows and images of a build's index, numbered so that what belongs together can be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmdata.confirming import Confirmation, Likeness, usual_distance
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.verifying import Reader
from vlmdata.index import Index
from vlmdata.linking import Incidence, Pictures, numbered, pictures_of, shared_by_several

Numbers = npt.NDArray[np.int64]
FEW_BITS = 4
AT_ONCE = 512
ReadStored = Callable[[Mapping[str, Any], memoryview], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRows:
    """Rows of the index at `positions`: what they hold, the names of their units, and the index's row of each image."""

    positions: Numbers
    incidence: Incidence
    units: Sequence[str]
    pictures: Pictures
    stored: Numbers

    @classmethod
    def of(cls, index: Index, positions: Sequence[int], *, by_group: bool) -> IndexRows:
        """Number these rows. Their units are the groups, or the rows themselves."""
        kept = np.asarray(positions, np.int64)
        names = index.strings("group" if by_group else "id")
        units, unit = numbered([names[position] for position in kept])
        pictures, image_of, stored = pictures_of(*_columns(index))
        offsets, images = _held(index, kept)
        incidence = Incidence(
            units=unit,
            offsets=offsets,
            images=image_of[images],
            unit_count=len(units),
            image_count=len(pictures.shas),
        )
        return cls(positions=kept, incidence=incidence, units=units, pictures=pictures, stored=stored)

    def sample(self, index: Index, image: int) -> dict[str, str]:
        """The id of the first row by id that holds an image, and the image's name and sha256."""
        held = np.repeat(np.arange(len(self.positions)), np.diff(self.incidence.offsets))
        rows = np.unique(held[self.incidence.images == image])
        ids = index.conversations.rows(self.positions[rows].tolist()).column("id").to_pylist()
        return {
            "id": min(ids, default=""),
            "image": self.name(index, image),
            "sha256": self.pictures.sha256(image),
        }

    def name(self, index: Index, image: int) -> str:
        """An image's file name."""
        return str(index.images.rows([int(self.stored[image])]).column("name")[0].as_py())


def _columns(index: Index) -> tuple[list[str], list[str | None]]:
    return list(index.images.column("sha256")), list(index.images.column("dhash"))


def _held(index: Index, kept: Numbers) -> tuple[Numbers, Numbers]:
    """Offsets and index rows of the images of the rows that are kept."""
    lengths, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for batch in index.conversations.batches():
        lists = batch.column("image_numbers")
        lengths.append(np.diff(lists.offsets.to_numpy()).astype(np.int64))
        numbers.append(lists.flatten().to_numpy().astype(np.int64))
    length, number = np.concatenate(lengths), np.concatenate(numbers)
    starts = np.cumsum(length) - length
    mine = length[kept]
    offsets = np.concatenate([[0], np.cumsum(mine)]).astype(np.int64)
    places = np.repeat(starts[kept] - offsets[:-1], mine) + np.arange(int(offsets[-1]))
    return offsets, number[places]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """With how many threads pictures are looked at, where small ones are put meanwhile, and the most pixels of one."""

    workers: int
    folder: Path
    pixel_limit: int


def find_likeness(
    rows: IndexRows,
    index: Index,
    opened: AbstractContextManager[Reader],
    read_with: Callable[[Reader], ReadStored],
    look: Look,
) -> Likeness:
    """The near-duplicates among the images of the rows, each read once more from where it was found.

    An image that can't be read any more is left out here; a build notices it when it writes.
    """
    used = np.zeros(rows.incidence.image_count, bool)
    used[rows.incidence.images] = True
    pictures = rows.pictures
    with opened as reader:
        read = read_with(reader)

        def images(wanted: Sequence[int]) -> Iterator[tuple[int, bytes]]:
            for start in range(0, len(wanted), AT_ONCE):
                numbers = sorted(wanted[start : start + AT_ONCE], key=lambda image: int(rows.stored[image]))
                stored = index.images.rows([int(rows.stored[image]) for image in numbers]).to_pylist()
                for number, image in zip(numbers, stored, strict=True):
                    data = bytearray(image["size"])
                    try:
                        read(image, memoryview(data))
                    except (ImageReferenceError, OSError):
                        continue
                    yield number, bytes(data)

        return Confirmation(
            hashes=pictures.hashes,
            known=pictures.known & used,
            read=images,
            distance=usual_distance(),
            workers=look.workers,
            folder=look.folder,
            pixel_limit=look.pixel_limit,
            suspects=suspects_of(rows.incidence, pictures),
        ).run()


def suspects_of(incidence: Incidence, pictures: Pictures) -> list[int]:
    """Images in several units that may be of one colour: nearly no pixel is darker than the one beside it."""
    shared = shared_by_several(incidence)
    few = pictures.known[shared] & (np.bitwise_count(pictures.hashes[shared]) <= FEW_BITS)
    return [int(image) for image in shared[few]]
