"""Parquet files, a batch of rows at a time: what can't be read is named, and costs no other row group its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection
from vlmdata.settings import to_dataclass
from vlmdata.source.arrow_values import ArrowValueError, RowReader, first_line, names_twice
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.known_columns import Entry, with_columns

BATCH_BYTES = 8_000_000
MOST_ROWS = 1_000
BUFFER_BYTES = 1 << 20
"""A row group is read through buffers of this size, and not as a whole: some hold gigabytes of images."""

MOST_MISSING = 1_000_000
"""The most rows of a damaged row group that are rejected one by one."""

READING = {"buffer_size": BUFFER_BYTES, "pre_buffer": False, "page_checksum_verification": True}

UNREADABLE = (pa.ArrowException, OSError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetOptions:
    """`json` names columns whose cells hold JSON."""

    json: tuple[str, ...] = ()


def open_parquet(config: SourceConfig) -> Source:
    """The Parquet file, or the folder of files, that a recipe names."""
    options = to_dataclass(ParquetOptions, config.options)
    return with_json_cells(ParquetSource(config.path), options.json, config.nulls)


class ParquetSource:
    """Parquet files in the order of their names, a shard each. Raises SourceError where one of them is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def files(self) -> Sequence[Path]:
        """The file, or all of the folder and the folders in it, apart from hidden ones."""
        if not self._path.is_dir():
            return (self._path,)
        found = [path for path in self._path.rglob("*.parquet") if self._is_plain(path)]
        if not found:
            raise SourceError(f"{self._path.name}: there is no file *.parquet in this folder")
        return tuple(sorted(found, key=lambda path: path.relative_to(self._path).parts))

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns of all files, in order. Raises SourceError with every file that is damaged."""
        found: dict[str, None] = {}
        problems: list[Problem] = []
        for path in self.files:
            try:
                found.update(dict.fromkeys(_schema(path, self.name(path)).names))
            except SourceError as error:
                problems += error.problems
                if len(self.files) == 1:
                    raise
        if problems:
            raise SourceError(f"{self._path.name}: {len(problems)} of {len(self.files)} files can't be used", problems)
        return tuple(found)

    def shards(self) -> Sequence[ParquetShard]:
        """The files."""
        return tuple(ParquetShard(self, path) for path in self.files)

    def name(self, path: Path) -> str:
        """A file's name, below the folder where there is one."""
        return path.relative_to(self._path).as_posix() if path != self._path else path.name

    def _is_plain(self, path: Path) -> bool:
        steps = path.relative_to(self._path).parts
        return path.is_file() and not any(step.startswith((".", "_")) for step in steps)


@dataclass(slots=True)
class ParquetShard:
    """One file. Each row counts as one line."""

    source: ParquetSource
    path: Path
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Entry]:
        name, columns = self.source.name(self.path), self.source.columns
        _schema(self.path, name)
        self.lines_read = 0
        with pq.ParquetFile(self.path, **READING) as file:
            for values in _rows(file, name):
                self.lines_read += 1
                self.share_read = min(self.lines_read / max(file.metadata.num_rows, 1), 1.0)
                yield with_columns(_entry(values, name, self.lines_read), columns)


def _rows(file: pq.ParquetFile, name: str) -> Iterator[dict[str, Any] | ArrowValueError]:
    """Every row of a file. Where a row group breaks off, each of its rows that are left is an error.

    Raises SourceError where more are left than can be believed of a damaged file.
    """
    reader = RowReader(file.schema_arrow)
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        left = group.num_rows
        size = max(1, min(MOST_ROWS, BATCH_BYTES * left // max(group.total_byte_size, 1)))
        try:
            for batch in file.iter_batches(batch_size=size, row_groups=[number], use_threads=False):
                for row in reader.rows(batch):
                    left -= 1
                    yield row
            reason = f"it has {left:,} rows less than it claims"
        except UNREADABLE as error:
            reason = first_line(error)
        if left > MOST_MISSING:
            raise SourceError(f"{name}: row group {number + 1} is damaged: {reason}")
        yield from repeat(ArrowValueError("", f"row group {number + 1} is damaged: {reason}"), max(left, 0))


def _entry(values: dict[str, Any] | ArrowValueError, name: str, row: int) -> RawRecord | Rejection:
    origin = Origin(source=name, row=row, line=row, last_line=row)
    if not isinstance(values, ArrowValueError):
        return RawRecord(origin=origin, values=values)
    rule, hint = ("parquet.value", "correct the value") if values.column else ("parquet.damaged", "get the file again")
    problem = Problem(rule=rule, message=values.message, source=name, line=row, field=values.column, hint=hint)
    return Rejection(origin=origin, problems=(problem,), row=values.row)


def _schema(path: Path, name: str) -> pa.Schema:
    """A file's columns. Raises SourceError, with one problem, where it is missing, damaged, or no Parquet file."""
    try:
        schema = pq.read_schema(path)
    except FileNotFoundError:
        raise _refused(name, f"there is no such file ({path})", "") from None
    except UNREADABLE as error:
        raise _refused(name, *_why(path, error)) from None
    twice = names_twice(schema)
    if twice:
        raise _refused(name, f"the column {twice[0]!r} stands twice", "rename one of them")
    return schema


def _why(path: Path, error: Exception) -> tuple[str, str]:
    """What is wrong with a file that has no readable footer, and what to do."""
    try:
        with path.open("rb") as file:
            start, size = file.read(200), path.stat().st_size
    except OSError as denied:
        return f"can't be read: {denied.strerror}", ""
    if start.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`"
    if start[:4] != b"PAR1":
        return f"this is no Parquet file (it begins with {start[:4]!r})", "name another file, or another source.type"
    return f"the file is damaged or cut short at {size:,} bytes ({first_line(error)})", "get it again"


def _refused(name: str, message: str, hint: str) -> SourceError:
    problem = Problem(rule="parquet.file", message=message, source=name, hint=hint)
    return SourceError(f"{name}: can't be used as a Parquet file", [problem])
