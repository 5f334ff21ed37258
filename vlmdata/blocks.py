"""Blocks: consecutive rows of one shard of a source, scanned together, and what a scan found out about them.

A block's result is a function of its rows, the recipe and the images alone. It stands in one file, which is renamed
into place when it is whole, so that an interrupted build goes on, and blocks scanned by several processes or machines
are gathered as if one had scanned them all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from vlmdata.contract import arrow_type
from vlmdata.record import (
    Change,
    ImageReference,
    InlineImage,
    MemberImage,
    Problem,
    RawRecord,
    Rejection,
    Skip,
    problem_dict,
)

BLOCK_ROWS = 512
BLOCK_BYTES = 32_000_000
"""A block ends after so many rows, or where its rows' values, inline images among them, are so many bytes."""

Entry = RawRecord | Rejection | Skip


@dataclass(frozen=True, slots=True, order=True)
class BlockId:
    """A block's place: the number of its shard in the source, and its number in the shard."""

    shard: int
    number: int

    @property
    def file(self) -> str:
        """The file name of the block's result."""
        return f"{self.shard:06d}-{self.number:06d}.arrow"


@dataclass(frozen=True, slots=True)
class Block:
    """A block's rows as the source holds them."""

    id: BlockId
    entries: Sequence[Entry]


def blocks_of(entries: Iterable[Entry], shard: int) -> Iterator[Block]:
    """A shard's rows, cut into blocks; where a block ends depends on the rows alone."""
    held: list[Entry] = []
    number, size = 0, 0
    for entry in entries:
        held.append(entry)
        size += weight(entry.values) if isinstance(entry, RawRecord) else 0
        if len(held) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield Block(BlockId(shard, number), held)
            held, size, number = [], 0, number + 1
    if held:
        yield Block(BlockId(shard, number), held)


def weight(value: Any) -> int:
    """About how many bytes a row's values take."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(weight, value.values()))
    return sum(map(weight, value)) if isinstance(value, list | tuple) else 8


def image_key(reference: ImageReference) -> bytes:
    """16 bytes that stand for a reference: equal for equal paths, for equal bytes of one name, and for one place."""
    if isinstance(reference, InlineImage):
        return sha256(sha256(reference.data).digest() + reference.name.encode("utf-8", "surrogatepass")).digest()[:16]
    if isinstance(reference, MemberImage):
        place = reference.location
        said = f"member\0{place.file}\0{place.offset}\0{place.size}\0{reference.name}"
    else:
        said = f"path\0{reference}"
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def conversation_schema() -> pa.Schema:
    """The record's columns without images, with the images' keys, a digest of the content, and the row in the block."""
    kept = [column for column in arrow_type() if column.name not in {"images", "image_info"}]
    keys = pa.list_(pa.binary(16))
    return pa.schema([*kept, ("image_keys", keys), ("digest", pa.binary(16)), ("entry", pa.int32())])


IMAGE_SCHEMA = pa.schema(
    [
        ("key", pa.binary(16)),
        ("reference", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("xxh3", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("dhash", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("stored", pa.int64()),
        ("notes", pa.string()),
    ]
)
"""One unique image. `file`, `offset` and `stored` are its location, where it has one; `notes` is JSON of the warnings
and changes that its verdict came with."""

Naming = Literal["column", "own", "hash"]
"""Where a row's id comes from: the recipe's `id` column, where it must be unique; the source's own format, where it may
repeat and is numbered; or a hash of the row's values, which equal rows share."""

ROW_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("last_line", pa.int64()),
        ("readable", pa.bool_()),
        ("passed", pa.bool_()),
        ("skip", pa.string()),
        ("id", pa.string()),
        ("naming", pa.string()),
        ("made", pa.int32()),
        ("accepted", pa.int32()),
        ("rejections", pa.string()),
        ("notes", pa.string()),
    ]
)
"""One row of the source. `passed`: counted against `source.limit`; `naming`: what its id is, a Naming; `rejections` and
`notes` are JSON lists."""


def notes_text(warnings: Iterable[Problem], changes: Iterable[Change]) -> str | None:
    """Warnings and changes as the JSON text that a block's tables hold; None where there are none."""
    said = [problem_dict(problem) for problem in warnings]
    done = [[change.rule, change.field, change.before, change.after] for change in changes]
    return json.dumps([said, done]) if said or done else None


def notes_of(text: str | None) -> tuple[tuple[Problem, ...], tuple[Change, ...]]:
    """The warnings and changes of such a text."""
    said, done = json.loads(text) if text else ((), ())
    changes = (Change(rule=rule, field=where, before=before, after=after) for rule, where, before, after in done)
    return tuple(Problem(**problem) for problem in said), tuple(changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What a scan found out about a block."""

    id: BlockId
    rows: pa.RecordBatch
    conversations: pa.RecordBatch
    images: pa.RecordBatch
    images_failed: bool = False
    """Whether an image was missing, damaged or unreachable, so that scanning again may find it whole."""

    def save(self, folder: Path) -> None:
        """Write the block's file, whole or not at all."""
        said = {b"images_failed": b"1" if self.images_failed else b"0"}
        place = folder / self.id.file
        unfinished = place.with_name(f"{place.name}.{os.getpid()}.part")
        with pa.OSFile(str(unfinished), "wb") as sink:
            for batch in (self.rows, self.conversations, self.images):
                schema = batch.schema.with_metadata(said)
                with pa.ipc.new_stream(sink, schema) as writer:
                    writer.write_batch(batch.replace_schema_metadata(said))
        unfinished.replace(place)

    @classmethod
    def load(cls, path: Path) -> BlockResult:
        """Read a block's file."""
        shard, number = path.stem.split("-")
        with pa.OSFile(str(path), "rb") as source:
            rows, conversations, images = (_only_batch(source) for _ in range(3))
        failed = _says_failed(rows.schema)
        identity = BlockId(int(shard), int(number))
        return cls(id=identity, rows=rows, conversations=conversations, images=images, images_failed=failed)

    @classmethod
    def load_images_failed(cls, path: Path) -> bool:
        """Whether the block of a file had images that were no good."""
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
            return _says_failed(reader.schema)


def _says_failed(schema: pa.Schema) -> bool:
    return (schema.metadata or {}).get(b"images_failed") == b"1"


def _only_batch(source: Any) -> pa.RecordBatch:
    with pa.ipc.open_stream(source) as reader:
        batch = reader.read_next_batch()
        for _ in reader:
            raise ValueError("a block's file holds one batch of each kind")
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEnd:
    """What is known of a shard once all of its rows have been read."""

    shard: int
    blocks: int
    lines_read: int
    lines_of_header: int
    changes: Mapping[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Note that the shard has no more blocks than these."""
        place = folder / f"{self.shard:06d}.json"
        unfinished = place.with_name(f"{place.name}.{os.getpid()}.part")
        said = [self.shard, self.blocks, self.lines_read, self.lines_of_header, dict(self.changes)]
        unfinished.write_text(json.dumps(said), encoding="utf-8")
        unfinished.replace(place)

    @classmethod
    def load(cls, folder: Path, shard: int) -> ShardEnd | None:
        """What was noted of a shard, or None."""
        try:
            said = json.loads((folder / f"{shard:06d}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        number, blocks, lines_read, lines_of_header, changes = said
        return cls(shard=number, blocks=blocks, lines_read=lines_read, lines_of_header=lines_of_header, changes=changes)
