"""The plug-in points: what a source, a converter, a check and a reporter must be able to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vlmdata.record import Conversation, Problem, RawRecord, Rejection, Skip

if TYPE_CHECKING:
    import pyarrow as pa


class Shard(Protocol):
    """A part of a source that can be read by itself. The line counts are known once it has been iterated to its end."""

    lines_read: int
    lines_of_header: int

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        """Every row in order: as values, as a rejection where it can't be read, or skipped (a blank line)."""
        ...


class Source(Protocol):
    """Where raw rows come from."""

    @property
    def columns(self) -> Sequence[str]:
        """The names that every row's values have."""
        ...

    def shards(self) -> Sequence[Shard]:
        """The parts, in order."""
        ...


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


class Reporter(Protocol):
    """One rendering of a result."""

    def __call__(self, result: Any) -> str:
        """The result as text."""
        ...
