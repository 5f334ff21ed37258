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

    Where rows are not lines, each row counts as one line. `share_read` is for the progress alone. A shard may have
    `changes`, a Counter of what was left out of what it read, by rule.
    """

    @property
    def lines_read(self) -> int:
        """The physical lines that were read: those of the rows, each counted once, and those of the header."""
        ...

    @property
    def lines_of_header(self) -> int:
        """Those of them that belong to no row."""
        ...

    @property
    def share_read(self) -> float:
        """How much has been read, from 0 to 1."""
        ...

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        """Every row in order: as values, as a rejection where it can't be read, or skipped (a blank line).

        Read again from the start each time, with the same rows. Each has an `Origin`: its file's name, its number from
        1 in order, and the physical lines it covers. Nothing is raised for a bad row.
        """
        ...


class Source(Protocol):
    """Where raw rows come from: made by a function from `recipe.SourceConfig`, which reads nothing yet.

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
        """The parts, in order, each of which can be read without the others; fresh ones each time it is asked.

        Raises SourceError where the source can't be read at all: a missing file, another kind of file.
        """
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
    """A raw row to conversations: what a recipe's templates do.

    What it makes depends on the row alone. It never raises for a bad row: it gives a Rejection.
    """

    def __call__(self, raw: RawRecord) -> Iterable[Conversation | Rejection | Skip]:
        """One Skip, one Rejection of the row, or its conversations and rejections of some of them."""
        ...


class Check(Protocol):
    """A look at records. Columns are screened with pyarrow.compute; Python objects are made for suspects only.

    It is shown batches of any number of rows, none too, which may be slices of larger ones; what it finds about a row
    depends on that row alone, and it keeps nothing from one batch to the next, since a build has several threads. The
    batch stays as it is. Every batch has the columns `id`, `messages`, `origin`, `group`, `tags`, `fields` and
    `provenance` of the record contract, and one that has an entry for each image; images' bytes it has not.
    """

    def __call__(self, batch: pa.RecordBatch) -> Iterable[Problem]:
        """The problems of a batch, each with the `id` that the record has in this batch, in the order of the rows.

        In a build that id is a stand-in for the record's own: it is given back as it stands, and never shown.
        """
        ...


class DatasetCheck(Protocol):
    """A look at a whole dataset. It is shown every batch once, in order, and says at the end what it found.

    What it keeps of each row must be small (a few numbers or a hash), since a dataset may have a hundred million.
    """

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Look at a batch of a split, in the columns of `corpus.corpus_schema`."""
        ...

    def findings(self) -> Iterable[Problem]:
        """What was found, once all has been seen."""
        ...


class Reporter(Protocol):
    """One rendering of a result, such as a `ValidationResult` as SARIF."""

    def __call__(self, result: Any) -> str:
        """The result as text: the same for the same result, with nothing of the data that could be taken for markup."""
        ...
