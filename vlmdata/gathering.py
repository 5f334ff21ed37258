"""The blocks of a scan, gathered in order into one index: numbers for images, ids that are unique, the recipe's limit.

What spans blocks is decided here, on what their files hold, so that it is the same whoever scanned them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.blocks import BlockResult, ShardEnd, notes_of
from vlmdata.index import Index, TableWriter, index_schema, index_writers
from vlmdata.ledger import Ledger
from vlmdata.record import Change, Problem

LIMIT = "limit"
MOST_LINES = 1 << 40
"""More lines than a file has, so that one number can stand for a source and a line of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A row of the source, by which it is found again."""

    source: str
    row: int


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What the gathering found out that the index does not hold.

    `repeated_ids` are rows whose id an earlier row has, with the source and line of that row; they are in the index, at
    `positions_of_repeated`, until their rejection is written.
    """

    repeated_ids: dict[Place, tuple[str, str, int]] = field(default_factory=dict)
    positions_of_repeated: dict[int, Place] = field(default_factory=dict)
    rows_with_rejection: set[Place] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Gathering:
    """The state of one gathering."""

    limit: int | None
    ledger: Ledger
    reject: Callable[[Mapping[str, Any]], None]
    warn: Callable[[Problem], None]
    changed: Callable[[Change], None]
    gathered: Gathered = field(default_factory=Gathered)
    _passed: int = 0
    _position: int = 0
    _lines: dict[bytes, int] = field(default_factory=dict)
    _sources: dict[str, int] = field(default_factory=dict)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def run(self, results: Iterable[BlockResult | ShardEnd], folder: Path) -> Index:
        """Write the index of these blocks into a folder."""
        conversations, images = index_writers(folder)
        with conversations, images:
            for result in results:
                if isinstance(result, ShardEnd):
                    self.ledger.lines_read += result.lines_read
                    self.ledger.lines_of_header += result.lines_of_header
                    self.ledger.changed.update(result.changes)
                else:
                    self._block(result, conversations, images)
        return Index.open(folder)

    def _block(self, block: BlockResult, conversations: TableWriter, images: TableWriter) -> None:
        left_out = self._beyond_limit(block.rows)
        self._count_rows(block.rows, left_out)
        table = block.conversations
        if left_out is not None:
            kept = pa.array(~left_out[table.column("entry").to_numpy()]) if table.num_rows else pa.array([], pa.bool_())
            table = table.filter(kept)
        renamed = self._settle_ids(block.rows, table, left_out)
        used = self._number_images(block.images, table, images)
        several = block.rows.column("made").to_numpy() > 1
        conversations.write(_index_batch(table, used, list(_ids(table, renamed, several))))
        self._position += table.num_rows

    def _beyond_limit(self, rows: pa.RecordBatch) -> Any:
        """Which rows the recipe's limit leaves out, as a mask; None where it leaves out none of them."""
        if self.limit is None:
            return None
        passed = rows.column("passed").to_numpy(zero_copy_only=False)
        readable = rows.column("readable").to_numpy(zero_copy_only=False)
        before = self._passed + np.cumsum(passed) - passed
        self._passed += int(passed.sum())
        mask = (before >= self.limit) & readable
        return mask if mask.any() else None

    def _count_rows(self, rows: pa.RecordBatch, left_out: Any) -> None:
        """Count every row once: used, skipped or rejected; and hand on what was said of it."""
        ledger = self.ledger
        ledger.rows_read += rows.num_rows
        last, first = rows.column("last_line").to_numpy(), rows.column("line").to_numpy()
        ledger.lines_of_rows += int(np.maximum(last - first + 1, 1).sum())
        if left_out is not None:
            ledger.skipped[LIMIT] += int(left_out.sum())
            rows = rows.filter(pa.array(~left_out))
        ledger.skipped.update(text for text in rows.column("skip").to_pylist() if text is not None)
        rows = rows.filter(pc.is_null(rows.column("skip")))
        accepted = rows.column("accepted").to_numpy()
        ledger.conversations_made += int(rows.column("made").to_numpy().sum())
        ledger.conversations_accepted += int(accepted.sum())
        ledger.rows_used += int((accepted > 0).sum())
        ledger.rows_rejected += int((accepted == 0).sum())
        self._say(rows)

    def _say(self, rows: pa.RecordBatch) -> None:
        spoken = rows.filter(pc.or_(pc.is_valid(rows.column("rejections")), pc.is_valid(rows.column("notes"))))
        for row in spoken.select(["source", "row", "rejections", "notes"]).to_pylist():
            warnings, changes = notes_of(row["notes"])
            for problem in warnings:
                self.warn(problem)
            for change in changes:
                self.changed(change)
            rejections = json.loads(row["rejections"] or "[]")
            self.ledger.conversations_rejected += sum("conversation" in rejection for rejection in rejections)
            if rejections:
                self.ledger.rows_with_rejection += 1
                if any("conversation" in rejection for rejection in rejections):
                    self.gathered.rows_with_rejection.add(Place(source=row["source"], row=row["row"]))
            for rejection in rejections:
                self.reject(rejection)

    def _settle_ids(self, rows: pa.RecordBatch, table: pa.RecordBatch, left_out: Any) -> dict[int, str]:
        """Note each row's id; the new ids, by entry, of rows whose id an earlier row has too and may have."""
        renamed: dict[int, str] = {}
        names, sources, lines, naming = (rows.column(name).to_pylist() for name in ("id", "source", "line", "naming"))
        repeated = []
        for entry, name in enumerate(names):
            if name is None or (left_out is not None and left_out[entry]):
                continue
            key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if key not in self._lines:
                number = self._sources.setdefault(sources[entry], len(self._sources))
                self._lines[key] = number * MOST_LINES + lines[entry]
            elif naming[entry] == "column":
                repeated.append(entry)
            else:
                renamed[entry] = self._next_name(name, key)
                if naming[entry] == "own":
                    self.changed(Change(rule="id.numbered", field="id", before=name, after=renamed[entry]))
        if repeated:
            self._note_repeated(rows, table, repeated)
        return renamed

    def _next_name(self, name: str, key: bytes) -> str:
        """`name-2`, `name-3` … for the second and third row of a name, but for those that other rows have before it.
        The count stands below zero, as no line does."""
        while True:
            count = self._lines[key] = min(self._lines[key], -1) - 1
            taken = blake2b(f"{name}-{-count}".encode(), digest_size=16).digest()
            if taken not in self._lines:
                self._lines[taken] = -1
                return f"{name}-{-count}"

    def _note_repeated(self, rows: pa.RecordBatch, table: pa.RecordBatch, repeated: list[int]) -> None:
        known = list(self._sources)
        found: dict[int, list[int]] = {}
        for position, entry in enumerate(table.column("entry").to_pylist(), start=self._position):
            found.setdefault(entry, []).append(position)
        for entry, row in zip(repeated, rows.take(pa.array(repeated)).to_pylist(), strict=True):
            positions = found.get(entry)
            if not positions:
                continue
            place = Place(source=row["source"], row=row["row"])
            key = blake2b(row["id"].encode("utf-8", "surrogatepass"), digest_size=16).digest()
            source, line = divmod(self._lines[key], MOST_LINES)
            self.gathered.repeated_ids[place] = (row["id"], known[source], line)
            self.gathered.positions_of_repeated.update(dict.fromkeys(positions, place))

    def _number_images(self, found: pa.RecordBatch, table: pa.RecordBatch, images: TableWriter) -> list[int]:
        """The numbers of the images that the conversations name, in their order; new images get the next ones."""
        keys = table.column("image_keys").flatten().to_pylist()
        rows = {key: row for row, key in enumerate(found.column("key").to_pylist())}
        new = [key for key in dict.fromkeys(keys) if key not in self._numbers]
        for key in new:
            self._numbers[key] = len(self._numbers)
        if new:
            taken = found.take(pa.array([rows[key] for key in new], pa.int64()))
            images.write(taken)
            for text in taken.column("notes").to_pylist():
                warnings, changes = notes_of(text)
                for problem in warnings:
                    self.warn(problem)
                for change in changes:
                    self.changed(change)
        return [self._numbers[key] for key in keys]


def _index_batch(table: pa.RecordBatch, numbers: list[int], ids: list[str]) -> pa.RecordBatch:
    """A block's conversations as the index holds them."""
    lists = table.column("image_keys")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False) if table.num_rows else np.zeros(0, np.int64)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    images = pa.ListArray.from_arrays(offsets, pa.array(numbers, pa.int32()))
    columns = {name: table.column(name) for name in index_schema().names if name != "image_numbers"}
    columns["id"] = pa.array(ids, pa.string())
    return pa.RecordBatch.from_arrays(
        [images if name == "image_numbers" else columns[name] for name in index_schema().names], schema=index_schema()
    )


def _ids(table: pa.RecordBatch, renamed: Mapping[int, str], several: Any) -> Iterator[str]:
    """The ids of conversations, those of renamed rows with the row's new name, before the conversation's number where
    the row made several. Their groups stay: what has one id belongs together."""
    for name, entry in zip(table.column("id").to_pylist(), table.column("entry").to_pylist(), strict=True):
        if entry not in renamed:
            yield name
        else:
            yield f"{renamed[entry]}/{name.rpartition('/')[2]}" if several[entry] else renamed[entry]
