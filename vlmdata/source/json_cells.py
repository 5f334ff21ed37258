"""Columns whose cells hold JSON, read as the lists and mappings that they are, over rows of any source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.protocols import Shard, Source
from vlmdata.record import Problem, RawRecord, Rejection, Skip
from vlmdata.settings import nearest
from vlmdata.source.json_text import JsonTextError, value_of


def with_json_cells(source: Source, names: Sequence[str], nulls: Collection[str]) -> Source:
    """A source whose cells in these columns are read as JSON; the source itself where there are none.

    `nulls` are cell texts that stand for a missing value: they stay as they are.
    """
    return JsonCellsSource(source=source, names=tuple(names), nulls=frozenset(nulls)) if names else source


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCellsSource:
    """Another source, some cells of which are read as JSON."""

    source: Source
    names: tuple[str, ...]
    nulls: frozenset[str]

    @property
    def columns(self) -> Sequence[str]:
        """The other source's. Raises SourceError where a column that is to hold JSON is not among them."""
        columns = self.source.columns
        problems = [
            Problem(
                rule="source.unknown_column",
                message=f"there is no column {name!r}",
                hint=nearest(name, columns) or f"the columns are {', '.join(columns[:20])}",
            )
            for name in self.names
            if name not in columns
        ]
        if problems:
            name = f"{self.source.files[0].name}: " if self.source.files else ""
            raise SourceError(f"{name}source.json names columns that are not there", problems)
        return columns

    @property
    def files(self) -> Sequence[Path]:
        """The other source's."""
        return self.source.files

    @property
    def fingerprint(self) -> str:
        """The other source's, where it has one."""
        return str(getattr(self.source, "fingerprint", ""))

    @property
    def commit(self) -> str | None:
        """The other source's, where it is of the Hub."""
        return getattr(self.source, "commit", None)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the other source warns of, where it warns."""
        found: tuple[Problem, ...] = getattr(self.source, "warnings", ())
        return found

    def shards(self) -> Sequence[Shard]:
        """The other source's, each read anew."""
        return [JsonCellsShard(shard, self) for shard in self.source.shards()]

    def read(self, entry: RawRecord | Rejection | Skip) -> RawRecord | Rejection | Skip:
        """A row with its JSON read; rejected, its cells as they are, where one of them is no JSON."""
        if not isinstance(entry, RawRecord):
            return entry
        values, problems = dict(entry.values), []
        for name in self.names:
            cell = values.get(name)
            if isinstance(cell, str) and cell.strip() not in self.nulls:
                try:
                    values[name] = value_of(cell)
                except JsonTextError as fault:
                    problems.append(_problem(entry, name, cell, fault))
        if problems:
            return Rejection(origin=entry.origin, problems=tuple(problems), row=entry.values)
        return replace(entry, values=values)


@dataclass(slots=True)
class JsonCellsShard:
    """Another source's shard, with the JSON of its rows read; the counts are that shard's."""

    shard: Shard
    source: JsonCellsSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        for entry in self.shard:
            self.share_read = self.shard.share_read
            yield self.source.read(entry)
        self.lines_read, self.lines_of_header = self.shard.lines_read, self.shard.lines_of_header
        self.share_read = self.shard.share_read


def _problem(raw: RawRecord, name: str, cell: str, fault: JsonTextError) -> Problem:
    shown = cell if len(cell) <= 60 else f"{cell[:57]}..."
    at = f" at character {fault.position + 1:,}" if fault.position is not None else ""
    message = f"the cell {shown!r} is no JSON{at}: {fault.message}"
    origin = raw.origin
    return Problem(
        rule="json.cell", message=message, source=origin.source, line=origin.line, field=name, hint=fault.hint
    )
