"""The on-disk index of a scan: every accepted conversation and every unique image, without pixels.

It is what the later phases work on: the sources' text is read once, and each output shard is a function of this index,
of the plan and of the image files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from vlmdata.contract import arrow_type
from vlmdata.record import Conversation, ImageReference, Inspected, message_rows, named_values

CONVERSATIONS = "conversations.arrow"


def index_schema() -> pa.Schema:
    """The record's columns without images and their info, with the images' numbers and a digest of the content."""
    kept = [column for column in arrow_type() if column.name not in {"images", "image_info"}]
    return pa.schema([*kept, ("image_numbers", pa.list_(pa.int32())), ("digest", pa.binary(16))])


@dataclass(slots=True)
class ImageTable:
    """Unique images by number, and the number of each reference."""

    references: list[ImageReference] = field(default_factory=list)
    images: list[Inspected] = field(default_factory=list)

    def add(self, reference: ImageReference, image: Inspected) -> int:
        """The number of a new image."""
        self.references.append(reference)
        self.images.append(image)
        return len(self.images) - 1


def index_batch(
    conversations: Sequence[Conversation], numbers: Mapping[ImageReference, int], images: ImageTable
) -> pa.RecordBatch:
    """Conversations as a batch of the index. `numbers` gives the number of every image reference."""
    rows = [_index_row(conversation, numbers, images) for conversation in conversations]
    return pa.RecordBatch.from_pylist(rows, schema=index_schema())


def _index_row(conversation: Conversation, numbers: Mapping[ImageReference, int], images: ImageTable) -> dict[str, Any]:
    provenance = conversation.provenance
    messages = message_rows(conversation.messages)
    image_numbers = [numbers[reference] for reference in conversation.images]
    digest = blake2b(repr(messages).encode("utf-8", "surrogatepass"), digest_size=16)
    for number in image_numbers:
        digest.update(images.images[number].info.sha256.encode())
    return {
        "id": conversation.id,
        "messages": messages,
        "origin": {
            "source": conversation.origin.source,
            "row": conversation.origin.row,
            "line": conversation.origin.line,
        },
        "group": conversation.group,
        "tags": named_values(conversation.tags),
        "fields": named_values(conversation.fields),
        "provenance": None
        if provenance is None
        else {
            "description": provenance.description,
            "model": provenance.model,
            "prompt_sha256": provenance.prompt_sha256,
        },
        "image_numbers": image_numbers,
        "digest": digest.digest(),
    }


class IndexWriter:
    """Writes batches of accepted conversations to the index, in order."""

    def __init__(self, folder: Path) -> None:
        self._writer = pa.ipc.new_file(str(folder / CONVERSATIONS), index_schema())

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        if batch.num_rows:
            self._writer.write_batch(batch)

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Index:
    """A finished index, memory-mapped."""

    table: pa.Table
    images: ImageTable

    @classmethod
    def open(cls, folder: Path, images: ImageTable) -> Index:
        """Open what an IndexWriter wrote."""
        with pa.memory_map(str(folder / CONVERSATIONS)) as source:
            return cls(pa.ipc.open_file(source).read_all(), images)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def strings(self, column: str) -> list[str]:
        """A text column, whole."""
        return list(self.table.column(column).to_pylist())

    def digests(self) -> Iterator[bytes]:
        """The content digest of each conversation, in order."""
        for chunk in self.table.column("digest").chunks:
            yield from chunk.to_pylist()

    def image_bytes(self) -> list[int]:
        """How many image bytes each conversation holds."""
        sizes = [image.size for image in self.images.images]
        return [
            sum(sizes[number] for number in numbers)
            for chunk in self.table.column("image_numbers").chunks
            for numbers in chunk.to_pylist()
        ]
