"""The export of a till: `key: value` a line, a blank line between products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.plugins import own_options
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection

Entry = RawRecord | Rejection


@dataclass(frozen=True, kw_only=True)
class TillOptions:
    """The keys that a recipe's `source` may have beside `path`, `where`, `limit` and `nulls`."""

    encoding: str = "utf-8"


def open_till(config: SourceConfig) -> Source:
    """The source that a recipe names as `type: shop_plugins.till:open_till`."""
    return TillExport(config.path, own_options(TillOptions, config).encoding)


@dataclass(frozen=True)
class TillExport:
    """One file. Nothing is read before columns or rows are asked for."""

    path: Path
    encoding: str

    @property
    def files(self) -> Sequence[Path]:
        return (self.path,)

    @property
    def columns(self) -> Sequence[str]:
        """Every key of the file, in the order in which they are met."""
        rows = (entry.values for entry in TillShard(self) if isinstance(entry, RawRecord))
        return tuple(dict.fromkeys(key for values in rows for key in values))

    def shards(self) -> Sequence[TillShard]:
        return (TillShard(self),)

    def lines(self) -> list[str]:
        """The lines, without their ends. What makes the whole file unreadable is a SourceError."""
        try:
            return self.path.read_text(encoding=self.encoding).removesuffix("\n").split("\n")
        except FileNotFoundError:
            raise SourceError(f"{self.path.name}: there is no such file ({self.path})") from None
        except UnicodeDecodeError as error:
            raise SourceError(f"{self.path.name}: is not {self.encoding} at byte {error.start:,}") from None


@dataclass
class TillShard:
    """The whole file: a till's export is small. Each physical line is counted: as a row's, or as the header's."""

    source: TillExport
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Entry]:
        lines = self.source.lines()
        self.lines_read, self.share_read = 0, 0.0
        starts = [at for at, line in enumerate(lines) if line.strip() and (at == 0 or not lines[at - 1].strip())]
        self.lines_of_header = starts[0] if starts else len(lines)
        self.lines_read = self.lines_of_header
        ends = [*starts[1:], len(lines)]
        for number, (start, end) in enumerate(zip(starts, ends, strict=False), start=1):
            self.lines_read, self.share_read = end, end / len(lines)
            origin = Origin(source=self.source.path.name, row=number, line=start + 1, last_line=end)
            yield _entry(origin, lines[start:end])
        self.share_read = 1.0


def _entry(origin: Origin, lines: Sequence[str]) -> Entry:
    """A product's lines as its row. A line without a colon is no reason to stop: it is a rejection, with the text."""
    values = {}
    for at, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if line.strip() and not colon:
            message, hint = f"found {line.strip()!r}, expected `key: value`", "put the key before it"
            problem = Problem(rule="shop.line", message=message, source=origin.source, line=origin.line + at, hint=hint)
            return Rejection(origin=origin, problems=(problem,), raw="\n".join(lines).strip())
        if colon:
            values[key.strip()] = value.strip()
    return RawRecord(origin=origin, values=values)
