"""A CSV or TSV file, row by row: what is malformed is rejected by itself, and no neighbour goes with it.

The csv module in strict mode reads the records; this file adds what it does not do: undecodable bytes and NULs are
found in the row that holds them, a quote that never closes costs the line that it opened on and not the rest of the
file, and every physical line is accounted for.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TextIO

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.settings import to_dataclass
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.physical_lines import MAX_LINE, Line, PhysicalLines, original_bytes, undecoded, undecoded_words

ROWS_BETWEEN_LOOKS = 256
SHAPE = str.maketrans(dict.fromkeys("0123456789", "0"))


@dataclass(frozen=True, slots=True)
class Taken:
    """The physical lines that one record was read from, its cells, and what is wrong with it, if anything."""

    lines: list[Line]
    cells: list[str] | None
    rule: str = ""
    message: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        return "".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """How the text of a CSV file is read. `json` names columns whose cells hold JSON."""

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    max_record_lines: int = 200
    json: tuple[str, ...] = ()


def open_csv(config: SourceConfig) -> Source:
    """The CSV file that a recipe names."""
    options = to_dataclass(CsvOptions, config.options)
    return with_json_cells(CsvSource(config.path, options), options.json, config.nulls)


class CsvSource:
    """One CSV file. Raises SourceError where the file is missing, empty, or its header can't be used."""

    def __init__(self, path: Path, options: CsvOptions | None = None) -> None:
        self._path = path
        self._options = options or CsvOptions()
        self._name = path.name

    @property
    def files(self) -> Sequence[Path]:
        """The file."""
        return (self._path,)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The header's names; an empty one is called `column_3`, after its place."""
        with self._opened() as file:
            return self._header(_Records(PhysicalLines(file), self._options))

    def shards(self) -> Sequence[CsvShard]:
        """The file is one shard: where a record starts is known only after reading all that stands before it."""
        return (CsvShard(self),)

    def rows(self, shard: CsvShard) -> Iterator[RawRecord | Rejection | Skip]:
        """Every row, in order, and the line counts noted in the shard."""
        width = len(self.columns)
        with self._opened() as file:
            lines = PhysicalLines(file)
            records = _Records(lines, self._options)
            self._header(records)
            shard.lines_of_header = lines.count - lines.waiting
            records.width = width
            size = max(self._path.stat().st_size, 1)
            for row, taken in enumerate(records.rows(), start=1):
                yield self._row(taken, row)
                if row % ROWS_BETWEEN_LOOKS == 0:
                    shard.share_read = min(file.buffer.tell() / size, 1.0)
            shard.lines_read = lines.count

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        path = self._path
        try:
            with path.open(encoding=self._options.encoding, errors="vlmdata-mark", newline="") as file:
                yield file
        except FileNotFoundError:
            raise SourceError(f"{self._name}: there is no such file ({path})") from None
        except OSError as error:
            raise SourceError(f"{self._name}: can't be read: {error.strerror}") from None
        except LookupError:
            raise SourceError(f"{self._name}: unknown encoding {self._options.encoding!r}") from None
        except UnicodeError as error:
            raise SourceError(f"{self._name}: can't be read as {self._options.encoding}: {error}") from None

    def _header(self, records: _Records) -> tuple[str, ...]:
        taken = records.next()
        while taken is not None and not taken.text.strip():
            taken = records.next()
        if taken is None:
            raise SourceError(f"{self._name}: the file is empty; a header line with the columns' names was expected")
        problems = list(self._header_problems(taken))
        if problems:
            raise SourceError(f"{self._name}: the header can't be used", problems)
        return header_names(taken.cells or [])

    def _header_problems(self, taken: Taken) -> Iterator[Problem]:
        line = taken.lines[0].number

        def problem(message: str, hint: str) -> Problem:
            return Problem(rule="csv.header", message=message, source=self._name, line=line, hint=hint)

        if undecoded(taken.text) or "\0" in taken.text:
            wanted = f"the header is not {self._options.encoding}"
            yield problem(wanted, "`vlmdata init` finds the encoding; set source.encoding")
            return
        if taken.cells is None:
            yield problem(taken.message, taken.hint)
            return
        names = header_names(taken.cells)
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield problem(f"the column {name!r} stands {names.count(name)} times", "rename one of them")

    def _row(self, taken: Taken, row: int) -> RawRecord | Rejection | Skip:
        origin = Origin(source=self._name, row=row, line=taken.lines[0].number, last_line=taken.lines[-1].number)
        if _is_blank(taken):
            return Skip(origin=origin, reason="empty row")
        rule, message, hint = self._fault(taken)
        if rule:
            problem = Problem(rule=rule, message=message, source=self._name, line=origin.line, hint=hint)
            raw = original_bytes(taken.text, self._options.encoding) if undecoded(taken.text) else taken.text
            return Rejection(origin=origin, problems=(problem,), raw=raw)
        values: dict[str, Any] = dict(zip(self.columns, taken.cells or (), strict=True))
        return RawRecord(origin=origin, values=values)

    def _fault(self, taken: Taken) -> tuple[str, str, str]:
        if undecoded(taken.text):
            message = f"{undecoded_words(taken.text)} is not {self._options.encoding}"
            return "csv.encoding", message, "save the file in one encoding, or set source.encoding"
        if "\0" in taken.text:
            return "csv.nul", "the row holds a NUL character", "remove it; a UTF-16 file needs source.encoding: utf-16"
        return taken.rule, taken.message, taken.hint


@dataclass(slots=True)
class CsvShard:
    """The whole file. The counts are known once it has been iterated."""

    source: CsvSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        return self.source.rows(self)


def header_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names as a header gives them: trimmed, an empty one named after its place."""
    return tuple(cell.strip().removeprefix("\ufeff").strip() or f"column_{i}" for i, cell in enumerate(cells, start=1))


@dataclass(slots=True)
class _Records:
    """The csv module over physical lines, started anew behind each line that it can't read."""

    lines: PhysicalLines
    config: CsvOptions
    width: int = 0
    _taken: list[Line] = field(default_factory=list)
    _reader: Any = None
    _usual: str = ""

    def next(self) -> Taken | None:
        """The next record with the lines it covers, or None at the end."""
        self._taken.clear()
        if self._reader is None:
            self._reader = self._csv_reader(self._feed())
        try:
            cells = next(self._reader)
            return Taken(list(self._taken), cells)
        except StopIteration:
            return None
        except csv.Error as error:
            self._reader = None
            return self._resync(str(error))

    def rows(self) -> Iterator[Taken]:
        """Every record after the header, those of another width than the header's rejected."""
        while (taken := self.next()) is not None:
            if taken.cells is None or _is_blank(taken):
                yield taken
            elif len(taken.cells) != self.width:
                yield self._ragged(taken)
            elif len(taken.lines) > 1 and self._swallowed(taken.lines):
                yield self._resync("the lines after it read as rows of their own", taken.lines)
            else:
                self._usual = taken.cells[0]
                yield taken

    def _feed(self) -> Iterator[str]:
        """Physical lines for the csv module; a record that grows too long is ended, which strict mode reports."""
        while len(self._taken) < self.config.max_record_lines:
            line = self.lines.next()
            if line is None:
                return
            self._taken.append(line)
            yield line.text

    def _resync(self, reason: str, lines: list[Line] | None = None) -> Taken:
        """Give up on a record: reject the lines up to where the faulty quote opened, and read on at the next line."""
        lines = lines or list(self._taken)
        if "field larger than" in reason:
            reason = f"a cell is longer than {csv.field_size_limit():,} characters"
        opened = faulty_quotes([line.text for line in lines], self.config)
        index, column = opened[-1] if opened else (0, 0)
        if opened and any(self._is_row(line) for line in lines[1 : index + 1]):
            index, column = opened[0]
        bad = lines[: index + 1]
        self._reader = None
        self.lines.give_back(lines[index + 1 :])
        if not column:
            return Taken(bad, None, "csv.quote", f"can't be read as a row: {reason}", QUOTE_HINT)
        message = f"the quote that opens at line {bad[-1].number}, column {column} never closes as it should: {reason}"
        return Taken(bad, None, "csv.quote", message, QUOTE_HINT)

    def _ragged(self, taken: Taken) -> Taken:
        """A row of another width. Where a later line of it reads as a whole row, an open quote swallowed that line."""
        if any(self._is_row(line) for line in taken.lines[1:]):
            return self._resync("the lines after it read as rows of their own", taken.lines)
        found = len(taken.cells or ())
        message = f"{found} cell{'s' if found != 1 else ''}, expected {self.width} as in the header"
        return Taken(taken.lines, None, "csv.ragged", message, RAGGED_HINT)

    def _swallowed(self, lines: list[Line]) -> bool:
        """Whether lines inside a record look like rows: the header's width, and a first cell shaped like a row's.

        One such line is enough where that shape is as telling as the one of `SKU-17`, else all of them must look so.
        """
        shapes = {self._shape_of_row(lines[0].text), _shape(self._usual)}
        alike = [
            shape
            for line in lines[1:]
            if line.text.count(self.config.delimiter) == self.width - 1
            and (shape := self._shape_of_row(line.text)) in shapes
        ]
        telling = self.width > 1 and any(len(shape) > 2 for shape in alike)
        return telling or (self.width > 2 and len(alike) == len(lines) - 1)

    def _shape_of_row(self, text: str) -> str:
        return _shape(text.rstrip("\r\n").split(self.config.delimiter)[0].strip(self.config.quote or None))

    def _is_row(self, line: Line) -> bool:
        """Whether a physical line by itself reads as a row of the header's width, more than one cell wide."""
        try:
            cells: list[str] = next(self._csv_reader([line.text]), [])
        except csv.Error:
            return False
        return len(cells) == self.width > 1

    def _csv_reader(self, lines: Iterable[str]) -> Any:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.config.quote else csv.QUOTE_NONE
        quote = self.config.quote or None
        return csv.reader(lines, delimiter=self.config.delimiter, quotechar=quote, quoting=quoting, strict=True)


QUOTE_HINT = 'close the quote, or write a quote inside a cell twice (""); the next line is read as a row of its own'
RAGGED_HINT = "a cell that holds the delimiter or a line break must stand in quotes"


def _shape(cell: str) -> str:
    """A cell's shape: runs of digits and of letters as one sign each, so that `SKU-17` and `SKU-204` are alike."""
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[^\W\d_]", "a", cell.strip().translate(SHAPE)))


def _is_blank(taken: Taken) -> bool:
    return taken.cells is not None and not any(cell.strip() for cell in taken.cells)


def faulty_quotes(lines: Sequence[str], config: CsvOptions) -> list[tuple[int, int]]:
    """Where quoted cells open that reach over a line's end, up to the first that closes wrongly or not at all.

    Each is the index of its line and the column, from 1.
    """
    text = "".join(lines)
    starts = list(accumulate((len(line) for line in lines), initial=0))
    found: list[tuple[int, int]] = []
    for start, end in _quoted_cells(text, config):
        index = bisect_right(starts, start) - 1
        closes_well = end is not None and text[end + 1 : end + 2] in ("", "\r", "\n", config.delimiter)
        if end is None or end >= starts[index + 1] or not closes_well:
            found.append((index, start - starts[index] + 1))
        if not closes_well:
            break
    return found


def _quoted_cells(text: str, config: CsvOptions) -> Iterator[tuple[int, int | None]]:
    """The positions of the opening and the closing quote of each quoted cell; None for one that never closes."""
    if not config.quote:
        return
    opening = re.compile(rf"(?:\A|[\r\n]|{re.escape(config.delimiter)}){re.escape(config.quote)}")
    position = 0
    while (opened := opening.search(text, max(position - 1, 0))) is not None:
        start = opened.end() - 1
        end = _closing(text, start + 1, config.quote)
        yield start, end
        if end is None:
            return
        position = end + 1


def _closing(text: str, position: int, quote: str) -> int | None:
    """The first quote at or after a position that is not one of a doubled pair."""
    while (found := text.find(quote, position)) >= 0:
        if text[found + 1 : found + 2] != quote:
            return found
        position = found + 2
    return None


def set_cell_limit() -> None:
    """Let the csv module read cells as long as a physical line may be; its own bound is 131,072 characters."""
    csv.field_size_limit(MAX_LINE)


set_cell_limit()
