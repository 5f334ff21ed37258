"""Arrow's values as those of a row: text, numbers, true and false, bytes, lists and mappings; a missing value is None.

Dates and times become ISO text, decimals their digits. A float of 32 bits is written as short as it can be, so that 0.1
stays 0.1. Lists and mappings are followed to any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

Change = Callable[[Any], Any]


class ArrowValueError(ValueError):
    """A row's value that can't be read: the column, what was found, and the row without that value."""

    def __init__(self, column: str, message: str, row: dict[str, Any] | None = None) -> None:
        super().__init__(f"{column}: {message}")
        self.column = column
        self.message = message
        self.row = row


class RowReader:
    """The rows of record batches of one schema."""

    def __init__(self, schema: pa.Schema) -> None:
        self._changes: dict[str, Change] = {
            column.name: change for column in schema if (change := changing(column.type)) is not None
        }

    def rows(self, batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any] | ArrowValueError]:
        """Every row; as an error where a value of it can't be read."""
        try:
            rows = batch.to_pylist()
        except UNREADABLE:
            for number in range(batch.num_rows):
                yield self._alone(batch.slice(number, 1))
            return
        for number, row in enumerate(rows):
            try:
                for name, change in self._changes.items():
                    row[name] = change(row[name])
            except UNREADABLE:
                yield self._alone(batch.slice(number, 1))
                continue
            yield row

    def _alone(self, batch: pa.RecordBatch | pa.Table) -> dict[str, Any] | ArrowValueError:
        """One row, read column by column, so that the one which can't be read is known."""
        row: dict[str, Any] = {}
        fault: tuple[str, str] | None = None
        for name in batch.schema.names:
            try:
                value = batch.column(name)[0].as_py()
                row[name] = self._changes[name](value) if name in self._changes else value
            except UnicodeDecodeError as error:
                row[name] = error.object.decode("utf-8", errors="backslashreplace")
                fault = fault or (name, f"byte 0x{error.object[error.start]:02x} is not UTF-8")
            except UNREADABLE as error:
                row[name] = None
                fault = fault or (name, f"the value can't be read: {first_line(error)}")
        return row if fault is None else ArrowValueError(*fault, row)


def first_line(error: Exception) -> str:
    """What a library says of an error, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


UNREADABLE = (UnicodeDecodeError, ValueError, OverflowError, TypeError, pa.ArrowException)


def changing(kind: pa.DataType) -> Change | None:
    """What turns a Python value of this Arrow type into a row's; None where it is one already."""
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _in_list(changing(kind.value_type))
    if types.is_struct(kind):
        return _in_struct({field.name: change for field in kind if (change := changing(field.type)) is not None})
    if types.is_map(kind):
        return _map(changing(kind.item_type))
    if types.is_dictionary(kind):
        return changing(kind.value_type)
    if types.is_float16(kind) or types.is_float32(kind):
        return _shortest
    if types.is_temporal(kind) and not types.is_interval(kind) and not types.is_duration(kind):
        return lambda value: None if value is None else value.isoformat()
    if types.is_decimal(kind):
        return lambda value: None if value is None else format(value, "f")
    texts = types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)
    numbers = types.is_integer(kind) or types.is_float64(kind) or types.is_boolean(kind)
    if texts or numbers or types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return None
    return lambda value: None if value is None else str(value)


def _in_list(change: Change | None) -> Change | None:
    if change is None:
        return None
    return lambda value: None if value is None else [change(entry) for entry in value]


def _in_struct(changes: dict[str, Change]) -> Change | None:
    if not changes:
        return None

    def changed(value: Any) -> Any:
        if value is None:
            return None
        return {**value, **{name: change(value[name]) for name, change in changes.items()}}

    return changed


def _map(change: Change | None) -> Change:
    """A map comes as a list of pairs."""

    def changed(value: Any) -> Any:
        if value is None:
            return None
        return {str(key): change(entry) if change is not None else entry for key, entry in value}

    return changed


def _shortest(value: Any) -> Any:
    """The shortest number that is the same in 32 bits."""
    import numpy as np

    return None if value is None else float(str(np.float32(value)))


def names_twice(schema: pa.Schema) -> list[str]:
    """The columns that stand more than once."""
    return sorted({name for name in schema.names if schema.names.count(name) > 1})
