"""A dataset as `datasets.save_to_disk` writes it: Arrow files that a state.json lists, in one folder or one a split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlmdata.errors import SourceError
from vlmdata.record import Origin, Problem, RawRecord, Rejection
from vlmdata.source.arrow_offsets import is_valid, leads_inside
from vlmdata.source.arrow_values import ArrowValueError, RowReader

STATE = "state.json"
SPLITS = "dataset_dict.json"
ROWS_AT_ONCE = 32


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder is one that save_to_disk wrote, of one split or of several."""
    return (path / STATE).is_file() or (path / SPLITS).is_file()


class ArrowFolderSource:
    """A saved dataset. Raises SourceError where its files can't be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def files(self) -> Sequence[Path]:
        """The Arrow files, splits and files in their own order."""
        folders = [self._path]
        if (self._path / SPLITS).is_file():
            folders = [self._path / name for name in _splits_of(self._path)]
        found = [folder / entry["filename"] for folder in folders for entry in _files_of(folder, self._path)]
        outside = [file for file in found if not file.resolve().is_relative_to(self._path.resolve())]
        if outside:
            raise SourceError(f"{self._path.name}: {outside[0].name!r} leads out of the folder")
        return tuple(found)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns of the first file."""
        for file in self.files:
            with _opened(file, self._name(file)) as reader:
                return tuple(reader.schema.names)
        raise SourceError(f"{self._path.name}: the dataset has no files")

    def shards(self) -> Sequence[ArrowShard]:
        """One shard a file."""
        return [ArrowShard(file, self._name(file)) for file in self.files]

    def _name(self, file: Path) -> str:
        return file.relative_to(self._path).as_posix()


@dataclass(slots=True)
class ArrowShard:
    """One Arrow file. Each row counts as a line."""

    file: Path
    name: str
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[RawRecord | Rejection]:
        row = 0
        with _opened(self.file, self.name) as reader:
            try:
                for values in _rows(reader):
                    row += 1
                    self.lines_read = row
                    yield _entry(values, self.name, row)
            except (pa.ArrowInvalid, OSError) as error:
                message = f"{self.name}: can't be read behind row {row:,}: {error}"
                raise SourceError(message) from None


def _rows(reader: Any) -> Iterator[dict[str, Any] | ArrowValueError]:
    """Every row. Arrow follows the offsets of a damaged file to wherever they lead, so these are looked at first."""
    rows = RowReader(reader.schema)
    for batch in reader:
        sound = is_valid(batch)
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            part = batch.slice(start, ROWS_AT_ONCE)
            yield from rows.rows(part) if sound else _one_by_one(rows, part)


def _one_by_one(rows: RowReader, batch: pa.RecordBatch) -> Iterator[dict[str, Any] | ArrowValueError]:
    """The rows of a batch that is damaged somewhere: the others are read as ever."""
    for number in range(batch.num_rows):
        row = batch.slice(number, 1)
        damaged = next((name for name in row.schema.names if not leads_inside(row.column(name))), None)
        if damaged is None:
            yield from rows.rows(row)
        else:
            yield ArrowValueError(damaged, "the file is damaged: this value lies outside of its data")


def _entry(values: dict[str, Any] | ArrowValueError, name: str, row: int) -> RawRecord | Rejection:
    origin = Origin(source=name, row=row, line=row)
    if not isinstance(values, ArrowValueError):
        return RawRecord(origin=origin, values=values)
    problem = Problem(
        rule="arrow.value", message=values.message, source=name, line=row, field=values.column, hint="correct the value"
    )
    return Rejection(origin=origin, problems=(problem,), row=values.row)


def _opened(file: Path, name: str) -> Any:
    try:
        return pa.ipc.open_stream(pa.memory_map(str(file)))
    except FileNotFoundError:
        raise SourceError(f"{name}: there is no such file ({file})") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{name}: this is no Arrow file of datasets: {error}") from None


def _splits_of(folder: Path) -> list[str]:
    splits = _read_json(folder / SPLITS, folder).get("splits")
    if not isinstance(splits, list) or not all(map(_is_name, splits)):
        raise SourceError(f"{SPLITS}: lists no splits; write the dataset with save_to_disk again")
    return splits


def _is_name(value: Any) -> bool:
    """Whether a value can be the name of a file or folder."""
    return isinstance(value, str) and value.isprintable() and len(value.encode()) <= 255


def _files_of(folder: Path, root: Path) -> list[dict[str, str]]:
    state = _read_json(folder / STATE, root)
    files = state.get("_data_files")
    if not isinstance(files, list) or not all(
        isinstance(entry, dict) and _is_name(entry.get("filename")) for entry in files
    ):
        raise SourceError(f"{folder.name}/{STATE}: lists no data files; write the dataset with save_to_disk again")
    return files


def _read_json(file: Path, root: Path) -> dict[str, Any]:
    name = file.relative_to(root).as_posix()
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{name}: can't be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise SourceError(f"{name}: keys and values were expected")
    return data
