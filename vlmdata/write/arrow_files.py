"""Arrow files in the layout that `datasets.load_from_disk` opens, image bytes as they were."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from vlmdata.contract import declared_features, stored_schema
from vlmdata.index import Index
from vlmdata.write.plan import BATCH_BYTES, BATCH_ROWS, OutputShard, Sizes, bounded

StoredImage = Mapping[str, Any]
"""An image as a row of the index."""

ReadOriginal = Callable[[StoredImage, memoryview], None]
"""Puts the bytes of an image of the index, checked to be what was verified, into their place of `size` bytes."""

INFO = ("sha256", "width", "height", "format", "dhash")
PLACE = ["reference", "size", "xxh3", "file", "offset", "stored"]
"""What must be known of an image to read it again."""

WRITTEN_AT_ONCE = 1 << 20
"""So many bytes are still in the processor's cache when they have been hashed and are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """One output file as the manifest names it. `xxh3` is of the whole file, 32 hex digits."""

    name: str
    rows: int
    bytes: int
    xxh3: str


def write_shard(folder: Path, shard: OutputShard, index: Index, sizes: Sizes, read: ReadOriginal) -> WrittenFile:
    """Write one output file. What it holds depends on the index, the plan and the image files alone.

    `sizes` are the bytes that each conversation adds to a batch.
    """
    path = folder / shard.split / shard.file
    schema = stored_schema()
    with path.open("wb", buffering=0) as file:
        hashed = Hashed(file)
        sink = pa.BufferedOutputStream(pa.PythonFile(hashed, "w"), 1 << 16)
        with sink, pa.ipc.new_stream(sink, schema) as writer:
            for rows in bounded(shard.positions, sizes, BATCH_BYTES, BATCH_ROWS):
                writer.write_batch(record_batch(index, rows, read, schema))
    pa.default_memory_pool().release_unused()
    name = f"{shard.split}/{shard.file}"
    return WrittenFile(name=name, rows=len(shard.positions), bytes=hashed.size, xxh3=hashed.digest.hexdigest())


class Hashed(io.RawIOBase):
    """A file being written, and the xxh3-128 of what was written."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__()
        self.digest = xxhash.xxh3_128()
        self.size = 0
        self._file = file

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Write all of the bytes. Raises OSError where the disk does not take them."""
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), WRITTEN_AT_ONCE):
            left = whole[start : start + WRITTEN_AT_ONCE]
            self.digest.update(left)
            while left:
                left = left[self._file.write(left) :]
        self.size += len(whole)
        return len(data)


def file_hash(path: Path) -> str:
    """xxh3-128 of a file, as 32 hex digits."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return str(digest.hexdigest())


def record_batch(index: Index, rows: Sequence[int], read: ReadOriginal, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of the index as records of the contract, with their images' bytes."""
    taken = index.conversations.rows(rows)
    numbers = taken.column("image_numbers")
    images = _stored(index, numbers.flatten())
    columns = []
    for column in schema:
        if column.name == "images":
            columns.append(_images(numbers, images, read, column.type))
        elif column.name == "image_info":
            info = pa.StructArray.from_arrays(
                [images.column(name) for name in INFO], fields=list(column.type.value_type)
            )
            columns.append(pa.ListArray.from_arrays(_offsets(numbers), info, type=column.type))
        else:
            columns.append(taken.column(column.name))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _stored(index: Index, numbers: pa.Array) -> pa.RecordBatch:
    """The index's row of each image, in the order of the numbers; one that stands there often is looked up once."""
    unique, place = np.unique(numbers.to_numpy(zero_copy_only=False), return_inverse=True)
    return index.images.rows(unique.tolist()).take(pa.array(place.astype(np.int64)))


def _images(numbers: pa.ListArray, images: pa.RecordBatch, read: ReadOriginal, kind: pa.DataType) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(images.column("size").to_numpy())]).astype(np.int32)
    held = pa.allocate_buffer(int(offsets[-1]))
    view = memoryview(held).cast("B")
    ends = offsets.tolist()
    for image, start, end in zip(images.select(PLACE).to_pylist(), ends, ends[1:], strict=False):
        read(image, view[start:end])
    data = pa.Array.from_buffers(pa.binary(), images.num_rows, [None, pa.py_buffer(offsets), held])
    structs = pa.StructArray.from_arrays([data, images.column("name")], fields=list(kind.value_type))
    return pa.ListArray.from_arrays(_offsets(numbers), structs, type=kind)


def _offsets(lists: pa.ListArray) -> pa.Array:
    """Offsets from 0, whatever slice the array is."""
    offsets = lists.offsets.to_numpy()
    return pa.array(offsets - offsets[:1], pa.int32())


def write_split_metadata(folder: Path, split: str, files: Sequence[WrittenFile]) -> None:
    """The two JSON files that datasets reads beside a split's Arrow files. Nothing in them depends on time or place."""
    info = {"citation": "", "description": "", "features": declared_features(), "homepage": "", "license": ""}
    _write_json(folder / split / "dataset_info.json", info)
    digest = xxhash.xxh3_64_hexdigest("".join(file.xxh3 for file in files).encode())
    state: dict[str, Any] = {
        "_data_files": [{"filename": PurePosixPath(file.name).name} for file in files],
        "_fingerprint": digest,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    _write_json(folder / split / "state.json", state)


def write_splits_file(folder: Path, splits: Sequence[str]) -> None:
    """The file that makes the folder a DatasetDict."""
    _write_json(folder / "dataset_dict.json", {"splits": list(splits)})


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
