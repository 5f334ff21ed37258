"""What a format must be able to do: say what it holds, write the rows of a split, and say how they are opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import pyarrow as pa

from vlmdata.exports.row import Row
from vlmdata.record import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What a format has a place for. `reader` is who reads it.

    `kept` are kinds of LOSSES that it does not lose; `markers` texts that its reader takes for something else;
    `image_formats` those that its reader opens, all where there are none. Where a format has no place for a system's
    text, for several turns, or for a row without an image, a row that has them is not exported. `turns_images` says
    that the reader turns images as their EXIF orientation says; `anything` that every record of the contract can go;
    `splits_of_datasets` that the datasets library opens the splits by their names, of letters, digits and `_` alone,
    with single dots between them.
    """

    reader: str
    kept: frozenset[str] = frozenset()
    markers: tuple[str, ...] = ()
    image_formats: frozenset[str] = frozenset()
    system: bool = True
    several_turns: bool = True
    text_only: bool = True
    turns_images: bool = True
    anything: bool = False
    splits_of_datasets: bool = False
    uploaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of all rows before one is written: the names of their tags and fields, in the order in which they
    are met, and the schema of the dataset's files."""

    name: str
    splits: tuple[str, ...]
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    schema: pa.Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an exporter did for a split: how many rows it wrote, and the names of the files for its rows."""

    rows: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How an export is opened: a sentence, and a line to copy. Both name the folder as OUT."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may ask of one format alone. `image_uri_prefix`: where the images will lie, in place of the rows
    holding them."""

    image_uri_prefix: str = ""


class Exporter(Protocol):
    """One format, for one export into a folder that is there and empty."""

    holds: ClassVar[Holds]

    def __init__(self, folder: Path, survey: Survey, options: Options) -> None:
        """Nothing is written yet."""
        ...

    def refusals(self, row: Row) -> Iterator[Problem]:  # noqa: ARG002
        """Why a row can't go, beyond what `holds` says: nothing, unless a format says more."""
        return iter(())

    def losses(self, row: Row) -> Iterator[str]:  # noqa: ARG002
        """Kinds of LOSSES that the row suffers, beyond what `holds` says: none, unless a format says more."""
        return iter(())

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """Write all of these rows, in their order. They come one by one and are not kept."""
        ...

    def finish(self) -> Opening:
        """Write what belongs to the whole, and say how it is opened."""
        ...
