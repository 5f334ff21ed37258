"""A sheet of an Excel file, its cells as texts: what Excel would write into a CSV file, with dates in ISO form."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmdata.errors import MissingPackageError, SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.settings import nearest, to_dataclass
from vlmdata.source.csv_file import header_names
from vlmdata.source.excel_faults import NO_RESULT, column_letters, faulty_cells
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.known_columns import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcelOptions:
    """Which sheet is read, the first by default, and the row of it that names the columns.

    `json` names columns whose cells hold JSON.
    """

    sheet: str | None = None
    header_row: int = 1
    json: tuple[str, ...] = ()


def open_excel(config: SourceConfig) -> Source:
    """The Excel sheet that a recipe names."""
    options = to_dataclass(ExcelOptions, config.options)
    return with_json_cells(ExcelSource(config.path, options, config.nulls), options.json, config.nulls)


class ExcelSource:
    """One sheet. Raises SourceError where the file is none, or has no such sheet or header.

    `nulls` are texts of missing values: an error that is one of them, such as `#N/A`, rejects no row.
    """

    def __init__(self, path: Path, options: ExcelOptions | None = None, nulls: Sequence[str] = ("",)) -> None:
        self._path = path
        self._name = path.name
        self._options = options or ExcelOptions()
        self._nulls = frozenset(nulls)

    @property
    def files(self) -> Sequence[Path]:
        """The file."""
        return (self._path,)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The texts of the header row; an empty one is called `column_3`, after its place."""
        cells, row = self._cells(), self._options.header_row
        return self._header(cells[row - 1] if row <= len(cells) else [])

    def shards(self) -> Sequence[ExcelShard]:
        """The sheet is one shard."""
        return (ExcelShard(self),)

    def rows(self, shard: ExcelShard) -> Iterator[Entry]:
        """Every row below the header, in order. Rows of the sheet stand for lines."""
        first = self._options.header_row
        columns, faults = self.columns, faulty_cells(self._path, self._sheet)
        shard.lines_read = shard.lines_of_header = first
        rows = self._cells()
        for row, cells in enumerate(rows[first:], start=1):
            shard.lines_read = line = first + row
            shard.share_read = line / len(rows)
            yield self._row(cells, Origin(source=self._name, row=row, line=line, last_line=line), columns, faults)

    def _row(
        self, cells: list[Any], origin: Origin, columns: Sequence[str], faults: Mapping[int, Mapping[int, str]]
    ) -> Entry:
        found = faults.get(origin.line, {})
        texts = [found.get(place, as_shown(cell)) for place, cell in enumerate(cells)]
        if not any(texts):
            return Skip(origin=origin, reason="empty row")
        values = {name: text or None for name, text in zip(columns, texts, strict=True)}
        problems = tuple(
            _fault_problem(origin, columns[place], place, fault)
            for place, fault in found.items()
            if fault not in self._nulls and place < len(columns)
        )
        if problems:
            return Rejection(origin=origin, problems=problems, row=values)
        return RawRecord(origin=origin, values=values)

    def _header(self, cells: list[Any]) -> tuple[str, ...]:
        texts = [as_shown(cell) for cell in cells]
        row = self._options.header_row
        if not any(text.strip() for text in texts):
            message = f"{self._name}: row {row} of the sheet {self._sheet!r} is empty, the columns' names were expected"
            raise SourceError(f"{message}; set source.header_row")
        names = header_names(texts)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            problems = [
                Problem(
                    rule="excel.header",
                    message=f"the column {name!r} stands {names.count(name)} times",
                    source=self._name,
                    line=row,
                    hint="rename one of them",
                )
                for name in twice
            ]
            raise SourceError(f"{self._name}: the header can't be used", problems)
        return names

    @cached_property
    def _sheet(self) -> str:
        """The sheet's name."""
        names = self._book.sheet_names
        wanted = self._options.sheet
        if wanted is None and names:
            return str(names[0])
        if wanted not in names:
            hint = nearest(str(wanted), names) or f"its sheets are {', '.join(map(repr, names[:20]))}"
            raise SourceError(f"{self._name}: there is no sheet {wanted!r}; {hint}")
        return str(wanted)

    @cached_property
    def _table(self) -> Any:
        book, sheet = self._book, self._sheet
        from python_calamine import CalamineError

        try:
            return book.get_sheet_by_name(sheet)
        except CalamineError as error:
            raise SourceError(f"{self._name}: the sheet {self._sheet!r} can't be read: {error}") from None

    def _cells(self) -> list[list[Any]]:
        """All rows of the sheet, its first row first; a sheet is in memory as a whole."""
        rows: list[list[Any]] = self._table.to_python(skip_empty_area=False)
        return rows

    @cached_property
    def _book(self) -> Any:
        try:
            from python_calamine import CalamineError, CalamineWorkbook, PasswordError
        except ImportError:
            raise MissingPackageError("Excel files need python-calamine: pip install 'vlmdata[excel]'") from None
        if not self._path.exists():
            raise SourceError(f"{self._name}: there is no such file ({self._path})")
        try:
            return CalamineWorkbook.from_path(str(self._path))
        except PasswordError:
            raise SourceError(f"{self._name}: the file has a password; save it without one") from None
        except (CalamineError, OSError) as error:
            hint = "save it as .xlsx, or as CSV and set source.type: csv"
            raise SourceError(f"{self._name}: this is no Excel file that can be read ({error}); {hint}") from None


@dataclass(slots=True)
class ExcelShard:
    """The whole sheet."""

    source: ExcelSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Entry]:
        return self.source.rows(self)


def as_shown(cell: Any) -> str:
    """A cell's value as text: 3.0 is `3`, true is `TRUE`, a date is `2026-03-01`; an empty cell is an empty text.

    Numbers have 15 digits, as in Excel itself; their format (currency, percent) is no part of them.
    """
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int | float):
        return _number(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, datetime.timedelta):
        return _hours(cell)
    return str(cell)


def _number(cell: float) -> str:
    text = format(Decimal(f"{cell:.15g}"), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _hours(span: datetime.timedelta) -> str:
    """A span of time as Excel shows it: `30:00:00`."""
    seconds = round(span.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _fault_problem(origin: Origin, column: str, place: int, fault: str) -> Problem:
    cell = f"{column_letters(place)}{origin.line}"
    if fault == NO_RESULT:
        message = f"the cell {cell} holds a formula, and the file has no result of it"
        rule, hint = "excel.no_result", "open the file in Excel or LibreOffice and save it"
    else:
        message = f"the cell {cell} shows the error {fault}"
        rule, hint = "excel.error_value", "correct the formula, or list the error in source.nulls"
    return Problem(rule=rule, message=message, source=origin.source, line=origin.line, field=column, hint=hint)
