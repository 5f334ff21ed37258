"""Whether a source does what its Protocol says: no row lost, no line unaccounted for, the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError, VlmError
from vlmdata.protocols import Shard, Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.testing.conformance import RaisedError, attempted, refuse, shortened

Entry = RawRecord | Rejection | Skip
OpenSource = Callable[[SourceConfig], Source]
MEMBERS = ("columns", "files", "shards")


def conforms_source(
    open_source: OpenSource,
    config: SourceConfig,
    *,
    rows: int | None = None,
    rejected: int | None = None,
    keeps_rejected: bool = True,
) -> None:
    """Hold the source of a configuration to its Protocol. Raises ConformanceError with everything that does not hold.

    `rows` and `rejected` are how many rows it has and how many of its entries are rejections, where they are known. A
    configuration with a broken row in it shows more than one without. `keeps_rejected` is off for damaged parts of
    binary files alone: of all else a rejection keeps the row, or its text.
    """
    refuse(open_source, _faults(open_source, config, _Expected(rows, rejected, keeps_rejected)))


@dataclass(frozen=True, slots=True)
class _Expected:
    """What is known of the rows."""

    rows: int | None
    rejected: int | None
    keeps_rejected: bool


def _faults(open_source: OpenSource, config: SourceConfig, expected: _Expected) -> Iterator[str]:
    source = attempted(lambda: open_source(config), "when it is opened")
    missing = [member for member in MEMBERS if not hasattr(source, member)]
    if missing:
        yield f"the source has no {', '.join(missing)}"
        return
    files = attempted(lambda: list(map(Path, source.files)), "when its files are asked for")
    if gone := [file for file in files if not file.is_file()]:
        yield f"names the file {gone[0].name}, which is not there"
        return
    before = [_hash(file) for file in files]
    yield from _column_faults(source)
    entries = [_read(shard) for shard in _shards(source)]
    yield from _entry_faults([entry for shard in entries for entry in shard], expected)
    for number, shard in enumerate(_shards(source)):
        yield from (f"shard {number}: {fault}" for fault in _line_faults(shard))
    yield from _again_faults(open_source, config, entries)
    yield from _count_faults([entry for shard in entries for entry in shard], expected)
    if [_hash(file) for file in files] != before:
        yield "changes its files"
    yield from _missing_file_faults(open_source, config)


def _shards(source: Source) -> list[Shard]:
    return attempted(lambda: list(source.shards()), "when its shards are asked for")


def _read(shard: Shard) -> list[Entry]:
    entries = attempted(lambda: list(shard), "while rows are read; a bad row is a Rejection")
    for entry in entries:
        if not isinstance(entry, RawRecord | Rejection | Skip):
            raise RaisedError(f"gives {shortened(entry)}, expected a RawRecord, Rejection or Skip")
    return entries


def _column_faults(source: Source) -> Iterator[str]:
    columns: list[Any] = attempted(lambda: list(source.columns), "when its columns are asked for")
    if any(not isinstance(name, str) for name in columns):
        yield f"a column's name is no text: {shortened(columns)}"
    elif len(set(columns)) < len(columns):
        yield f"a column stands twice: {shortened(columns)}"
    if list(source.columns) != columns:
        yield "names other columns the second time"


def _entry_faults(entries: Sequence[Entry], expected: _Expected) -> Iterator[str]:
    """What is wrong with the rows, one by one and in their order."""
    last: dict[str, tuple[int, int]] = {}
    for entry in entries:
        yield from _value_faults(entry, expected)
        origin = entry.origin
        row, line = last.get(origin.source, (0, 0))
        if not origin.source or Path(origin.source).is_absolute():
            yield f"a row's origin names the source {origin.source!r}, expected the file's name"
        if origin.row <= row:
            yield f"{origin.source}: the row {origin.row} comes after the row {row}"
        if origin.line <= line:
            yield f"{origin.source}: row {origin.row} begins on line {origin.line}, and the row before ends on {line}"
        last[origin.source] = (origin.row, origin.line + origin.lines - 1)


def _value_faults(entry: Entry, expected: _Expected) -> Iterator[str]:
    place = f"{entry.origin.source}:{entry.origin.line}"
    if isinstance(entry, RawRecord):
        if any(not isinstance(name, str) for name in entry.values):
            yield f"{place}: a value's name is no text: {shortened(list(entry.values))}"
    elif isinstance(entry, Rejection):
        if not entry.problems:
            yield f"{place}: a rejection without a problem"
        if expected.keeps_rejected and entry.row is None and entry.raw is None:
            yield f"{place}: a rejection keeps nothing of the row: give its `row`, or its `raw` text"
        for problem in entry.problems:
            if "." not in problem.rule or not problem.message.strip():
                yield f"{place}: a rejection's problem has no rule such as shop.line, or no message"
    elif not entry.reason.strip():
        yield f"{place}: a skip without a reason"


def _line_faults(shard: Shard) -> Iterator[str]:
    """What does not add up, and where the progress runs backwards."""
    lines, share = 0, 0.0
    for entry in shard:
        lines += entry.origin.lines
        now = float(shard.share_read)
        if not share <= now <= 1:
            yield f"share_read goes from {share:g} to {now:g}; it rises from 0 to 1"
            return
        share = now
    if lines + shard.lines_of_header != shard.lines_read:
        yield (
            f"lines_read is {shard.lines_read:,}, and its rows have {lines:,} lines and its header "
            f"{shard.lines_of_header:,}"
        )


def _again_faults(open_source: OpenSource, config: SourceConfig, entries: Sequence[Sequence[Entry]]) -> Iterator[str]:
    """The same rows each time: opened again, read again, in another order, at once, and after stopping early."""
    source = open_source(config)
    shards = _shards(source)
    if len(shards) != len(entries):
        yield f"has {len(entries)} shards the first time and {len(shards)} the second"
        return
    backwards = [_read(shard) for shard in reversed(shards)][::-1]
    if backwards != list(entries):
        yield "gives other rows where it is opened again and its shards are read in another order"
    for shard in shards:
        attempted(lambda each=shard: list(islice(each, 1)), "where reading stops after a row")  # type: ignore[misc]
    if [_read(shard) for shard in shards] != list(entries):
        yield "a shard gives other rows where it is read again"
    if _in_turn(_shards(source)) != list(entries):
        yield "gives other rows where its shards are read at once"
    first, second = ([getattr(opened, "fingerprint", "")] for opened in (source, open_source(config)))
    if first != second or not isinstance(first[0], str):
        yield f"its fingerprint is {shortened(first[0])} and then {shortened(second[0])}"


def _in_turn(shards: Sequence[Shard]) -> list[list[Entry]]:
    """All shards read side by side, a row of each in turn."""
    found: list[list[Entry]] = [[] for _ in shards]
    waiting = dict(enumerate(map(iter, shards)))
    while waiting:
        for number, rows in list(waiting.items()):
            entry = next(rows, None)
            if entry is None:
                del waiting[number]
            else:
                found[number].append(entry)
    return found


def _count_faults(entries: Sequence[Entry], expected: _Expected) -> Iterator[str]:
    counted = sum(isinstance(entry, RawRecord) for entry in entries)
    refused = sum(isinstance(entry, Rejection) for entry in entries)
    if expected.rows not in {None, counted}:
        yield f"gives {counted:,} rows, expected {expected.rows:,}"
    if expected.rejected not in {None, refused}:
        yield f"rejects {refused:,} rows, expected {expected.rejected:,}"


def _missing_file_faults(open_source: OpenSource, config: SourceConfig) -> Iterator[str]:
    """A path where nothing is must be a SourceError, before any row, that says which file it is."""
    if config.path == Path():
        return
    gone = config.path.with_name(f"no-such-{config.path.name}")
    try:
        source = open_source(replace(config, path=gone))
        found = [source.columns, source.files, [list(shard) for shard in source.shards()]]
    except SourceError as error:
        if gone.name not in str(error):
            yield f"does not name the file that is missing: {error}"
    except VlmError as error:
        yield f"raises {type(error).__name__} for a file that is not there, expected SourceError: {error}"
    except Exception as error:  # noqa: BLE001  (whatever code from outside raises is its fault to be told)
        yield f"raises {type(error).__name__} for a file that is not there, expected SourceError: {error}"
    else:
        yield f"says nothing of a file that is not there, and gives {shortened(found)}"


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
