"""The on-disk index of a build: every conversation and every unique image, without pixels.

It is what the later phases work on: the sources' text is read once, and each output shard is a function of this index,
of the plan and of the image files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmdata.blocks import IMAGE_SCHEMA
from vlmdata.contract import arrow_type

CONVERSATIONS = "conversations.arrow"
IMAGES = "images.arrow"
BATCH_ROWS = 4_096
BATCH_BYTES = 64_000_000
BATCHES_KEPT = 8
"""Batches that stay opened, which takes longer than looking up a few rows; their bytes are mapped, not read."""

LONG_TEXT = 1_000_000


def index_schema() -> pa.Schema:
    """The record's columns without images and their info, with the images' numbers and a digest of the content."""
    kept = [column for column in arrow_type() if column.name not in {"images", "image_info"}]
    return pa.schema([*kept, ("image_numbers", pa.list_(pa.int32())), ("digest", pa.binary(16))])


class TableWriter:
    """Writes batches to an Arrow file in batches of a few thousand rows, so that any rows can be found quickly, and of
    so few bytes that the offsets of their texts, which have 31 bits, suffice."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)
        self._held: list[pa.RecordBatch] = []
        self._rows, self._bytes = 0, 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        if batch.num_rows:
            self._held.append(batch)
            self._rows += batch.num_rows
            self._bytes += batch.nbytes
        if self._rows >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_batch(pa.concat_batches(self._held))
            self._held, self._rows, self._bytes = [], 0, 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._writer.close()
            self._sink.close()


class StoredTable:
    """An Arrow file, memory-mapped: whole columns batch by batch, or any rows of it."""

    def __init__(self, path: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._batch = lru_cache(maxsize=BATCHES_KEPT)(self._reader.get_batch)
        lengths = [self._reader.get_batch(number).num_rows for number in range(self._reader.num_record_batches)]
        self._starts = [0, *np.cumsum(lengths).tolist()]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every batch, in order."""
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)

    def column(self, name: str) -> Iterator[Any]:
        """A column's values as Python has them, one by one."""
        for batch in self.batches():
            yield from batch.column(name).to_pylist()

    def rows(self, positions: Sequence[int]) -> pa.RecordBatch:
        """Rows by position, in the order asked for."""
        pieces = []
        for number, run in _runs(positions, self._starts):
            local = pa.array(np.asarray(run, dtype=np.int64) - self._starts[number])
            pieces.append(self._batch(number).take(local))
        if not pieces:
            return pa.RecordBatch.from_pylist([], schema=self._reader.schema)
        return pa.concat_batches(pieces)


def _runs(positions: Sequence[int], starts: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Neighbouring positions that lie in the same batch, with the batch's number."""
    run: list[int] = []
    current = -1
    for position in positions:
        number = bisect_right(starts, position) - 1
        if number != current and run:
            yield current, run
            run = []
        current = number
        run.append(position)
    if run:
        yield current, run


@dataclass(frozen=True, slots=True)
class Index:
    """A finished index."""

    conversations: StoredTable
    images: StoredTable

    @classmethod
    def open(cls, folder: Path) -> Index:
        """Open the index in a folder."""
        return cls(StoredTable(folder / CONVERSATIONS), StoredTable(folder / IMAGES))

    def __len__(self) -> int:
        return len(self.conversations)

    def strings(self, column: str) -> list[str]:
        """A text column, whole."""
        return list(self.conversations.column(column))

    def digests(self) -> Iterator[bytes]:
        """The content digest of each conversation, in order."""
        yield from self.conversations.column("digest")

    def described(self, positions: Mapping[str, Sequence[int]]) -> int:
        """How many of the conversations at these positions have a text that was written for them."""
        column = (batch.column("provenance").is_valid() for batch in self.conversations.batches())
        there = np.concatenate([np.zeros(0, bool), *(each.to_numpy(zero_copy_only=False) for each in column)])
        return sum(int(there[np.asarray(found, dtype=np.int64)].sum()) for found in positions.values())

    def image_bytes(self) -> npt.NDArray[np.int64]:
        """How many image bytes each conversation holds."""
        sizes = [batch.column("size").to_numpy() for batch in self.images.batches()]
        size = np.concatenate(sizes) if sizes else np.zeros(0, np.int64)
        totals = []
        for batch in self.conversations.batches():
            lists = batch.column("image_numbers")
            offsets = lists.offsets.to_numpy()
            running = np.concatenate([[0], np.cumsum(size[lists.values.to_numpy()])])
            totals.append(running[offsets[1:]] - running[offsets[:-1]])
        return np.concatenate(totals).astype(np.int64) if totals else np.zeros(0, np.int64)

    def batch_sizes(self) -> npt.NDArray[np.int64]:
        """How many bytes each conversation adds to a batch of the output: its images', and its text's where that is
        long, about, so that a batch of many holds no more text than the offsets of a column can count."""
        text = [np.full(batch.num_rows, batch.nbytes // batch.num_rows) for batch in self.conversations.batches()]
        held = np.concatenate(text).astype(np.int64) if text else np.zeros(0, np.int64)
        return self.image_bytes() + np.where(held >= LONG_TEXT, held, 0)


def index_writers(folder: Path) -> tuple[TableWriter, TableWriter]:
    """Writers of a new index: of its conversations and of its images."""
    return TableWriter(folder / CONVERSATIONS, index_schema()), TableWriter(folder / IMAGES, IMAGE_SCHEMA)
