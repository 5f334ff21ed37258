"""How a CSV file is written: encoding, delimiter and quote, found by reading it with the reader that will build it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source.csv_file import CsvOptions, CsvSource
from vlmdata.source.encoding import find_encoding

DELIMITERS = (",", ";", "\t", "|")
QUOTES = ('"', "", "'")
SAMPLE_ROWS = 2_000
HOPELESS_ROWS = 100
MAX_RECORD_LINES = 60
MAX_LINE = 100_000
QUOTE_MARGIN = 0.02
"""How much better another quote than `"` must read: one damaged row is no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV file is written, and why each was chosen, in a few words."""

    encoding: str
    delimiter: str
    quote: str
    encoding_reason: str
    delimiter_reason: str


@dataclass(slots=True, kw_only=True)
class _Trial:
    """How well a file reads with one delimiter and one quote."""

    options: CsvOptions
    width: int = 0
    rows: int = 0
    good_rows: int = 0
    lines: int = 0
    good_lines: int = 0
    double_quoted: int = 0
    single_quoted: int = 0

    def add(self, row: RawRecord | Rejection) -> None:
        """Count one row."""
        self.rows, self.lines = self.rows + 1, self.lines + row.origin.lines
        if isinstance(row, RawRecord):
            self.good_rows, self.good_lines = self.good_rows + 1, self.good_lines + row.origin.lines
            self.double_quoted += any(_stands_in(cell, '"') for cell in row.values.values())
            self.single_quoted += any(_stands_in(cell, "'") for cell in row.values.values())

    @property
    def hopeless(self) -> bool:
        """Whether reading on would change nothing."""
        return self.rows >= HOPELESS_ROWS and self.good_rows < 0.1 * self.rows

    @property
    def score(self) -> float:
        """The share of lines that read as rows of the header's width, more for a wide header, less for quotes that
        stay in the cells: at most 1. Single quotes round a few cells are taken for a part of the text."""
        if self.width < 2 or not self.good_rows:
            return 0.0
        left = self.double_quoted + (self.single_quoted if 2 * self.single_quoted > self.good_rows else 0)
        return self.good_lines / self.lines * (1 - 1 / self.width) - left / self.good_rows


def find_dialect(path: Path) -> Dialect:
    """Encoding, delimiter and quote of a CSV file. Raises SourceError where it is no such file, or has no header."""
    encoding = find_encoding(path)
    plain = CsvOptions(encoding=encoding.name)
    refuse_separator_line(path, plain)
    trials = [_best_quote(path, plain, delimiter) for delimiter in DELIMITERS]
    best = max(trials, key=lambda trial: trial.score)
    if best.score <= 0:
        best = _by_header(path, plain, trials)
    reason = f"{best.good_rows:,} of {best.rows:,} rows have the header's {best.width} cells"
    return Dialect(
        encoding=encoding.name,
        delimiter=best.options.delimiter,
        quote=best.options.quote,
        encoding_reason=encoding.reason,
        delimiter_reason=reason if best.width > 1 else "there is one column",
    )


def _best_quote(path: Path, plain: CsvOptions, delimiter: str) -> _Trial:
    usual, *others = (_try(path, plain, delimiter, quote) for quote in QUOTES)
    best = max(others, key=lambda trial: trial.score)
    return best if best.score > usual.score + QUOTE_MARGIN else usual


def _try(path: Path, plain: CsvOptions, delimiter: str, quote: str) -> _Trial:
    options = replace(plain, delimiter=delimiter, quote=quote, max_record_lines=MAX_RECORD_LINES)
    source = CsvSource(path, options)
    try:
        trial = _Trial(options=options, width=len(source.columns))
    except SourceError:
        return _Trial(options=options)
    if trial.width > 1:
        with rows_of(source) as rows:
            for row in islice(rows, SAMPLE_ROWS):
                if not isinstance(row, Skip):
                    trial.add(row)
                if trial.hopeless:
                    break
    return trial


@contextmanager
def rows_of(source: CsvSource) -> Iterator[Iterator[RawRecord | Rejection | Skip]]:
    """The rows of a CSV file, which is closed even where not all of them are read."""
    (shard,) = source.shards()
    rows = source.rows(shard)
    try:
        yield rows
    finally:
        if isinstance(rows, Generator):
            rows.close()


def _stands_in(cell: str, quote: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == quote


def _by_header(path: Path, plain: CsvOptions, trials: list[_Trial]) -> _Trial:
    """Where no row fits any header: the delimiter that the header itself has most of, so that its faults are named."""
    wide = max(trials, key=lambda trial: trial.width)
    if wide.width > 1:
        return wide
    line = _first_line(path, plain)
    delimiter = max(DELIMITERS, key=line.count)
    options = replace(plain, delimiter=delimiter)
    return _Trial(options=options, width=len(CsvSource(path, options).columns))


def refuse_separator_line(path: Path, plain: CsvOptions) -> None:
    """Raise SourceError for Excel's line `sep=;` above the header, which is no row of the table."""
    line = _first_line(path, plain).strip().strip('"')
    if line.lower().startswith("sep=") and len(line) <= 5:
        message = f"{path.name}:1: {line!r} is a note to Excel, the columns' names were expected"
        raise SourceError(f"{message}; delete this line")


def _first_line(path: Path, plain: CsvOptions) -> str:
    with path.open(encoding=plain.encoding, errors="replace", newline="") as file:
        for _ in range(1_000):
            line = file.readline(MAX_LINE)
            if not line or line.strip():
                return line.removeprefix("\ufeff")
    return ""
