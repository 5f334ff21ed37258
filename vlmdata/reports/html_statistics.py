"""One pass over a dataset's columns, without its images' bytes: what its charts show and which rows are to be seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vlmdata.dataset import DataFile
from vlmdata.reports.html_counts import Best, Distribution, Numbers, Sizes, Tags, shared

SLICE_ROWS, SLICE_BYTES = 20_000, 32_000_000
"""Batches are looked at together, up to so many rows and bytes of text."""

COLUMNS = ("id", "messages", "image_info", "group", "tags", "provenance")
RANDOM_ROWS, EXTREME_ROWS, WRITTEN_ROWS = 21, 4, 24
MOST_HASHES = 40_000_000
"""From so many groups and images on, what splits share is not counted, so that memory stays bounded."""

SEED = 0


@dataclass(slots=True, kw_only=True)
class Choice:
    """Which rows are to be seen, by their number in the whole dataset, for one reason each.

    `written` are random ones whose text a model wrote, for a person to read. `named` are the rows of wanted ids;
    `images` say of wanted images in which row they first stand, and at which place.
    """

    random: dict[str, Best] = field(default_factory=dict)
    longest: Best = field(default_factory=lambda: Best(EXTREME_ROWS))
    shortest: Best = field(default_factory=lambda: Best(EXTREME_ROWS))
    smallest: Best = field(default_factory=lambda: Best(EXTREME_ROWS))
    written: Best = field(default_factory=lambda: Best(WRITTEN_ROWS))
    named: dict[str, int] = field(default_factory=dict)
    images: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Statistics:
    """Everything that was counted. Images are counted each time a row uses them."""

    splits: dict[str, int]
    wanted: frozenset[str] = frozenset()
    wanted_images: frozenset[str] = frozenset()
    sizes: Sizes = field(default_factory=Sizes)
    pixels: Distribution = field(default_factory=Distribution)
    image_bytes: Distribution = field(default_factory=Distribution)
    questions: Distribution = field(default_factory=Distribution)
    answers: Distribution = field(default_factory=Distribution)
    turns: Distribution = field(default_factory=Distribution)
    images: Distribution = field(default_factory=Distribution)
    tags: Tags = field(default_factory=Tags)
    choice: Choice = field(default_factory=Choice)
    groups: dict[str, list[npt.NDArray[np.uint64]]] = field(default_factory=dict)
    hashes: dict[str, list[npt.NDArray[np.uint64]]] = field(default_factory=dict)
    held: int = 0
    rows: int = 0
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))
    _random_written: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED + 1))

    def shared_groups(self) -> int | None:
        """How many groups stand in several splits; None where they are too many to count."""
        return shared(list(self.groups.values())) if self.held <= MOST_HASHES else None

    def shared_images(self) -> int | None:
        """How many different images stand in several splits; None where they are too many to count."""
        return shared(list(self.hashes.values())) if self.held <= MOST_HASHES else None

    def add(self, split: str, rows: pa.Table) -> None:
        """Count rows of a split."""
        column = {name: _whole(rows.column(name)) for name in rows.column_names}
        count, first = rows.num_rows, self.rows
        area = self._images(split, column["image_info"], column["image_bytes"])
        asked, answered = self._texts(column["messages"])
        self._tags(split, column["tags"])
        self._groups(split, column["group"])
        choice = self.choice
        share = max(RANDOM_ROWS // max(len(self.splits), 1), 2)
        choice.random.setdefault(split, Best(share)).add(self._random.random(count), first)
        choice.longest.add(-(asked + answered), first)
        choice.shortest.add(answered, first)
        choice.smallest.add(area, first)
        choice.written.add(self._written(column["provenance"]), first)
        self._named(column["id"], first)
        self.rows += count
        self.splits[split] += count

    def _images(self, split: str, infos: pa.Array, sizes: pa.Array) -> npt.NDArray[np.float64]:
        """Count images. The pixels of each row's smallest image; no number for a row without one."""
        per_row = _lengths(infos)
        flat = infos.flatten()
        width, height = (_integers(pc.struct_field(flat, name)) for name in ("width", "height"))
        self.sizes.add(width, height)
        self.pixels.add(np.maximum(width * height, 0))
        self.image_bytes.add(_integers(sizes.flatten()))
        self.images.add(per_row)
        hashes = pc.struct_field(flat, "sha256")
        self._hold(self.hashes, split, _sha_numbers(hashes))
        self._find_images(hashes, per_row)
        area = np.full(len(per_row), np.nan)
        has = per_row > 0
        if has.any():
            starts = (np.cumsum(per_row) - per_row)[has]
            area[has] = np.minimum.reduceat((width * height).astype(np.float64), starts)
        return area

    def _find_images(self, hashes: pa.Array, per_row: Numbers) -> None:
        if not self.wanted_images:
            return
        ends = np.cumsum(per_row)
        for position in np.flatnonzero(_flags(pc.is_in(hashes, pa.array(sorted(self.wanted_images), pa.string())))):
            row = int(np.searchsorted(ends, position, side="right"))
            place = int(position - (ends[row] - per_row[row]))
            self.choice.images.setdefault(hashes[int(position)].as_py(), (self.rows + row, place))

    def _texts(self, messages: pa.Array) -> tuple[Numbers, Numbers]:
        """Count characters and turns. The characters of each row's questions, and of its answers."""
        per_row = _lengths(messages)
        flat = messages.flatten()
        role, content = pc.struct_field(flat, "role"), pc.struct_field(flat, "content")
        parts = _integers(pc.utf8_length(pc.struct_field(content.flatten(), "text")))
        characters = _sums(parts, _lengths(content))
        asks, answers = (_flags(pc.equal(role, name)) for name in ("user", "assistant"))
        self.questions.add(characters[asks])
        self.answers.add(characters[answers])
        self.turns.add(_sums(answers.astype(np.int64), per_row))
        return _sums(characters * ~answers, per_row), _sums(characters * answers, per_row)

    def _tags(self, split: str, tags: pa.Array) -> None:
        flat = tags.flatten()
        if len(flat):
            self.tags.add(split, pc.struct_field(flat, "name"), pc.struct_field(flat, "value"))

    def _groups(self, split: str, groups: pa.Array) -> None:
        hashes = (xxhash.xxh3_64_intdigest(group or b"") for group in groups.cast(pa.binary()).to_pylist())
        self._hold(self.groups, split, np.fromiter(hashes, np.uint64, len(groups)))

    def _hold(self, held: dict[str, list[npt.NDArray[np.uint64]]], split: str, hashes: npt.NDArray[np.uint64]) -> None:
        self.held += len(hashes)
        if self.held <= MOST_HASHES:
            held.setdefault(split, []).append(np.unique(hashes))

    def _written(self, provenance: pa.Array) -> npt.NDArray[np.float64]:
        """A random number for each row whose text was written by a model, no number for others."""
        written = np.asarray(pc.is_valid(provenance).to_numpy(zero_copy_only=False), np.bool_)
        scores = np.full(len(written), np.nan)
        scores[written] = self._random_written.random(int(written.sum()))
        return scores

    def _named(self, ids: pa.Array, first: int) -> None:
        if self.wanted:
            for row in np.flatnonzero(_flags(pc.is_in(ids, pa.array(sorted(self.wanted), pa.string())))):
                self.choice.named.setdefault(ids[int(row)].as_py(), first + int(row))


def statistics(files: Iterable[DataFile], ids: Collection[str] = (), images: Collection[str] = ()) -> Statistics:
    """Count a whole dataset; `ids` and `images` (by sha256) are those whose rows are to be found.

    Raises ContractError for a damaged file.
    """
    files = list(files)
    splits = dict.fromkeys((file.split for file in files), 0)
    made = Statistics(splits=splits, wanted=frozenset(ids), wanted_images=frozenset(images))
    for split, of_split in groupby(files, lambda file: file.split):
        for rows in _slices(of_split):
            made.add(split, rows)
    return made


def _slices(files: Iterable[DataFile]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in (batch for file in files for batch in file.batches()):
        light = _light(batch)
        held.append(light)
        rows += light.num_rows
        size += light.nbytes
        if rows >= SLICE_ROWS or size >= SLICE_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if rows:
        yield pa.Table.from_batches(held)


def _light(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch without its images' bytes, with their number instead."""
    images = batch.column("images")
    sizes = pc.binary_length(pc.struct_field(images.flatten(), "bytes"))
    offsets = pa.array(np.concatenate([[0], np.cumsum(_lengths(images))]).astype(np.int32))
    columns = [batch.column(name) for name in COLUMNS]
    return pa.RecordBatch.from_arrays(
        [*columns, pa.ListArray.from_arrays(offsets, sizes)], names=[*COLUMNS, "image_bytes"]
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found


def _lengths(lists: pa.Array) -> Numbers:
    return _integers(pc.list_value_length(lists))


def _integers(values: pa.Array) -> Numbers:
    return np.asarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False), np.int64)


def _flags(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), np.bool_)


def _sums(values: Numbers, lengths: Numbers) -> Numbers:
    """The sum of each list's values, given flat, and the lists' lengths."""
    ends = np.cumsum(lengths)
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[ends] - total[ends - lengths], np.int64)


def _sha_numbers(hashes: pa.Array) -> npt.NDArray[np.uint64]:
    """The first 16 hex digits of each sha256 as a number; what is no sha256 is hashed."""
    data = pc.fill_null(hashes, "").cast(pa.binary())
    if len(data) and _flags(pc.match_substring_regex(data, "^[0-9a-f]{64}$")).all():
        return _hex_numbers(data)
    found = (xxhash.xxh3_64_intdigest(each) for each in data.to_pylist())
    return np.fromiter(found, np.uint64, len(data))


def _hex_numbers(data: Any) -> npt.NDArray[np.uint64]:
    offsets = np.frombuffer(data.buffers()[1], np.int32)[data.offset : data.offset + len(data) + 1]
    letters = np.frombuffer(data.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(-1, 64)[:, :16]
    digits = np.where(letters > 57, letters - 87, letters - 48).astype(np.uint64)
    powers = np.uint64(1) << np.arange(60, -4, -4, dtype=np.uint64)
    return np.asarray(digits @ powers, np.uint64)
