"""The plug-in points: what a source, a converter, a check and a reporter must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vlmdata.record import Change, Conversation, ImageReference, Origin, Problem, Provenance, RawRecord, Rejection, Skip

if TYPE_CHECKING:
    import pyarrow as pa


class Shard(Protocol):
    """A part of a source that can be read by itself. The line counts are known once it has been iterated to its end.

    Where rows are not lines, each row counts as one line. `share_read`, between 0 and 1, is how much of the shard has
    been read so far, for the progress alone. A shard may have `changes`, a Counter of what was left out of what it
    read, by rule.
    """

    lines_read: int
    lines_of_header: int
    share_read: float

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        """Every row in order: as values, as a rejection where it can't be read, or skipped (a blank line)."""
        ...


class Source(Protocol):
    """Where raw rows come from.

    A source whose rows are not in `files` alone, such as the images of a folder, may have a `fingerprint`: a text that
    is another where the rows would be. One that has something to say of itself may have `warnings`.
    """

    @property
    def columns(self) -> Sequence[str]:
        """The names of the rows' values, as far as they are known before reading all rows. A row may lack some."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The files that the rows stand in, which the manifest names with their hashes; none where there are none."""
        ...

    def shards(self) -> Sequence[Shard]:
        """The parts, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """A row on its way through a recipe with `describe:`: its values after cleaning, and the images it names."""

    id: str
    origin: Origin
    values: Mapping[str, Any]
    images: tuple[ImageReference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The text that was written for a row, and who wrote it."""

    text: str
    provenance: Provenance


Describe = Callable[[CatalogRow], Described | tuple[Problem, ...] | None]
"""From a row to the text that was written for it, or why there is none; None where the row has a text of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a build lends a converter: where warnings and changes go, the image names that a glob finds, and the texts
    that were written for rows that have none."""

    warn: Callable[[Problem], None]
    changed: Callable[[Change], None]
    matching: Callable[[str], Sequence[str]]
    describe: Describe | None = None


class Converter(Protocol):
    """A raw row to conversations."""

    def __call__(self, raw: RawRecord) -> Iterable[Conversation | Rejection | Skip]:
        """One Skip, one Rejection of the row, or its conversations and rejections of some of them."""
        ...


class Check(Protocol):
    """A look at records. Columns are screened with pyarrow.compute; Python objects are made for suspects only."""

    def __call__(self, batch: pa.RecordBatch) -> Iterable[Problem]:
        """The problems of a batch in the record contract's columns, each with its record's id."""
        ...


class DatasetCheck(Protocol):
    """A look at a whole dataset. It is shown every batch and says at the end what it found.

    What it keeps of each row must be small (a few numbers or a hash), since a dataset may have a hundred million.
    """

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Look at a batch of a split, in the columns of `corpus.corpus_schema`."""
        ...

    def findings(self) -> Iterable[Problem]:
        """What was found, once all has been seen."""
        ...


class Reporter(Protocol):
    """One rendering of a result."""

    def __call__(self, result: Any) -> str:
        """The result as text."""
        ...
