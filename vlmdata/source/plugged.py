"""A source from outside, as if it were ours: what it raises is named as its own, and what it gives is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.errors import PluginError
from vlmdata.plugins import blamed, imported_function
from vlmdata.protocols import Shard, Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip

MEMBERS = ("columns", "files", "shards")


def open_plugged(config: SourceConfig) -> Source:
    """The source that a plug-in's function makes of a configuration. Raises PluginError, and what it raises itself."""
    name, make = config.type, imported_function(config.type)
    with blamed(name, lambda: "while the source was opened"):
        source = make(config)
        missing = [member for member in MEMBERS if not hasattr(source, member)]
    if missing:
        raise PluginError(f"{name} made a {type(source).__name__}, which is no source: it has no {', '.join(missing)}")
    return PluggedSource(name, source)


@dataclass(frozen=True)
class PluggedSource:
    """A source of a plug-in."""

    name: str
    source: Source

    @property
    def columns(self) -> Sequence[str]:
        """Its columns."""
        with blamed(self.name, lambda: "while its columns were asked for"):
            return tuple(self.source.columns)

    @property
    def files(self) -> Sequence[Path]:
        """Its files."""
        with blamed(self.name, lambda: "while its files were asked for"):
            files = tuple(map(Path, self.source.files))
            missing = [file for file in files if not file.is_file()]
        if missing:
            raise PluginError(f"{self.name} names the file {missing[0].as_posix()!r}, which is not there")
        return files

    @property
    def fingerprint(self) -> str:
        """What tells its rows from others, where it says so."""
        with blamed(self.name, lambda: "while its fingerprint was asked for"):
            return str(getattr(self.source, "fingerprint", ""))

    @property
    def warnings(self) -> Sequence[Problem]:
        """What it has to say of itself."""
        with blamed(self.name, lambda: "while its warnings were asked for"):
            return tuple(getattr(self.source, "warnings", ()))

    def shards(self) -> Sequence[Shard]:
        """Its shards."""
        with blamed(self.name, lambda: "while its shards were asked for"):
            shards = tuple(self.source.shards())
        return tuple(PluggedShard(self.name, shard) for shard in shards)


@dataclass(frozen=True)
class PluggedShard:
    """A shard of a plug-in's source. Its counts are those of the plug-in's own."""

    name: str
    shard: Any

    @property
    def lines_read(self) -> int:
        """The physical lines read so far."""
        return self._count("lines_read")

    @property
    def lines_of_header(self) -> int:
        """Those of them that are no row's."""
        return self._count("lines_of_header")

    @property
    def share_read(self) -> float:
        """How much of it has been read."""
        return min(max(float(getattr(self.shard, "share_read", 0.0)), 0.0), 1.0)

    @property
    def changes(self) -> Mapping[str, int]:
        """What was left out of what was read, by rule."""
        return dict(getattr(self.shard, "changes", {}))

    def _count(self, member: str) -> int:
        found = getattr(self.shard, member, None)
        if not isinstance(found, int) or found < 0:
            raise PluginError(f"{self.name}: {member} of its shard is {found!r}, expected the number of lines")
        return found

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        last: Origin | None = None
        lines = 0

        def where() -> str:
            return "before its first row" if last is None else f"after {last.source}:{last.line}"

        with blamed(self.name, where):
            for entry in self.shard:
                if not isinstance(entry, RawRecord | Rejection | Skip):
                    expected = "expected a RawRecord, Rejection or Skip"
                    raise PluginError(f"{self.name} gave a {type(entry).__name__} {where()}, {expected}")
                last, lines = entry.origin, lines + entry.origin.lines
                yield entry
        self._refuse_lost_lines(lines)

    def _refuse_lost_lines(self, lines: int) -> None:
        """Raise PluginError where the lines of the rows and the header are not those that were read."""
        if lines + self.lines_of_header != self.lines_read:
            raise PluginError(
                f"{self.name}: its shard read {self.lines_read:,} lines, and its rows and header have "
                f"{lines + self.lines_of_header:,}; every line belongs to a row, a rejection, a skip or the header"
            )
