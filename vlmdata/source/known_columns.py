"""The columns of rows that name their own: the union of the keys of the first rows, or those that the recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.record import Problem, RawRecord, Rejection, Skip

FIRST_ROWS = 10_000
FIRST_BYTES = 200_000_000
"""How much is read to find the columns: so many rows, and no more once they were so many bytes."""

Entry = RawRecord | Rejection | Skip


def columns_of(name: str, entries: Iterable[Entry], bytes_read: Callable[[], int]) -> tuple[str, ...]:
    """The keys of the first rows, in the order in which they come. `bytes_read` says how much was read so far.

    Raises SourceError where there are no rows, and with the first problems where not one of them can be read.
    """
    found: dict[str, None] = {}
    problems: list[Problem] = []
    rows = readable = 0
    for entry in entries:
        rows += not isinstance(entry, Skip)
        if isinstance(entry, RawRecord):
            readable += 1
            found.update(dict.fromkeys(entry.values))
        elif isinstance(entry, Rejection) and len(problems) < 5:
            problems += entry.problems
        if rows >= FIRST_ROWS or bytes_read() >= FIRST_BYTES:
            break
    if not rows:
        raise SourceError(f"{name}: there is no row in it")
    if not readable:
        raise SourceError(f"{name}: none of the first {rows:,} rows can be read", problems)
    return tuple(found)


def with_columns(entry: Entry, columns: Sequence[str]) -> Entry:
    """A row with each of the columns: None where it has no such key; keys beyond the columns stay behind them."""
    if not isinstance(entry, RawRecord) or all(name in entry.values for name in columns):
        return entry
    values: dict[str, Any] = {**dict.fromkeys(columns), **entry.values}
    return replace(entry, values=values)
