"""A JSON Lines file: a row a line. A broken line is rejected by itself, and every physical line is accounted for."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.settings import to_dataclass
from vlmdata.source.encoding import BYTE_ORDER_MARKS, OTHER_FILES
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.json_text import JsonTextError, row_of
from vlmdata.source.known_columns import Entry, columns_of, with_columns

MAX_LINE_BYTES = 64_000_000
"""The longest line that is read as a row. Of a longer one the first `KEPT_BYTES` stand in the rejection."""

KEPT_BYTES = 10_000
START_BYTES = 4_096
ROWS_A_LINE = "one JSON object a line"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesOptions:
    """`columns` are the columns, where the first rows do not show them all; `json` those whose cells hold JSON."""

    columns: tuple[str, ...] | None = None
    json: tuple[str, ...] = ()


def open_json_lines(config: SourceConfig) -> Source:
    """The JSON Lines file that a recipe names."""
    options = to_dataclass(JsonLinesOptions, config.options)
    return with_json_cells(JsonLinesSource(config.path, options.columns), options.json, config.nulls)


class JsonLinesSource:
    """One JSON Lines file. Raises SourceError where the file is missing, empty, or of another kind."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self._path = path
        self._named = tuple(columns) if columns else None

    @property
    def files(self) -> Sequence[Path]:
        """The file."""
        return (self._path,)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The recipe's columns, else the keys of the first rows."""
        if self._named is not None:
            return self._named
        shard = JsonLinesShard(self)
        return columns_of(self._path.name, self.entries(shard), lambda: shard.bytes_read)

    def shards(self) -> Sequence[JsonLinesShard]:
        """The file is one shard."""
        return (JsonLinesShard(self),)

    def rows(self, shard: JsonLinesShard) -> Iterator[Entry]:
        """Every row with all of the columns, in order, and the counts noted in the shard."""
        columns = self.columns
        for entry in self.entries(shard):
            yield with_columns(entry, columns)

    def entries(self, shard: JsonLinesShard) -> Iterator[Entry]:
        """Every line as its row, with the keys that stand in it."""
        size = 0
        with opened(self._path) as file:
            refuse_other_file(self._path.name, file.read(START_BYTES))
            file.seek(0)
            total = self._path.stat().st_size
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
                size += len(line) + (_pass_over(file) if _is_cut(line) else 0)
                shard.bytes_read, shard.lines_read, shard.share_read = size, number, size / total
                yield self._entry(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, number)

    def _entry(self, line: bytes, number: int) -> Entry:
        origin = Origin(source=self._path.name, row=number, line=number, last_line=number)
        if not line.strip():
            return Skip(origin=origin, reason="empty row")
        try:
            if _is_cut(line):
                message = f"the line is longer than {MAX_LINE_BYTES:,} bytes; its first {KEPT_BYTES:,} are kept"
                raise JsonTextError("json.long_line", message, "keep images in files, and name them in the row")
            return RawRecord(origin=origin, values=row_of(line.rstrip(b"\r\n").decode("utf-8", "vlmdata-mark")))
        except JsonTextError as fault:
            return rejected_line(origin, line, fault)


@dataclass(slots=True)
class JsonLinesShard:
    """The whole file."""

    source: JsonLinesSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0
    bytes_read: int = 0

    def __iter__(self) -> Iterator[Entry]:
        return self.source.rows(self)


def rejected_line(origin: Origin, line: bytes, fault: JsonTextError) -> Rejection:
    """A line that is no row: the column of what is wrong with it, and its text, or its bytes where they are no text."""
    message = fault.message
    if fault.position is not None:
        at = f"column {fault.position + 1:,}"
        message = f"not JSON at {at}: {message}" if fault.rule == "json.syntax" else f"{message} ({at})"
    problem = Problem(rule=fault.rule, message=message, source=origin.source, line=origin.line, hint=fault.hint)
    kept = line[:KEPT_BYTES] if _is_cut(line) else line.rstrip(b"\r\n")
    try:
        return Rejection(origin=origin, problems=(problem,), raw=kept.decode("utf-8"))
    except UnicodeDecodeError:
        return Rejection(origin=origin, problems=(problem,), raw=kept)


def opened(path: Path) -> BinaryIO:
    """A file to read from. Raises SourceError where it can't be opened."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise SourceError(f"{path.name}: there is no such file ({path})") from None
    except OSError as error:
        raise SourceError(f"{path.name}: can't be read: {error.strerror}") from None


def refuse_other_file(name: str, start: bytes, wanted: str = ROWS_A_LINE) -> None:
    """Raise SourceError where a file's first bytes are not those of JSON text in UTF-8."""
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        raise SourceError(f"{name}: the file is empty; {wanted} was expected")
    encoding = next((found for mark, found in BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and start[:100].count(0) > len(start[:100]) // 4:
        encoding = "utf-16"
    if encoding != "utf-8-sig":
        raise SourceError(f"{name}: the file is in {encoding.upper()}, UTF-8 was expected; save it as UTF-8")
    for magic, kind, _ in OTHER_FILES:
        if start.startswith(magic):
            raise SourceError(f"{name}: this is {kind}, {wanted} was expected")
    first = start.removeprefix(codecs.BOM_UTF8).lstrip().split(b"\n")[0].strip()
    if wanted == ROWS_A_LINE and (first in (b"[", b"{") or (first[:2] == b"[{" and first[-1:] != b"]")):
        kind = "a list of rows" if first[:1] == b"[" else "one object over several lines"
        raise SourceError(f"{name}: this is {kind}, {wanted} was expected; set source.type: json")


def _is_cut(line: bytes) -> bool:
    return len(line) > MAX_LINE_BYTES


def _pass_over(file: BinaryIO) -> int:
    """Read to the end of a line that is too long, and give the number of bytes."""
    size = 0
    while part := file.readline(MAX_LINE_BYTES):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size
