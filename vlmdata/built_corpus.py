"""A built dataset as a corpus: its records without their images, and the bytes of any image by its sha256."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from vlmdata.corpus import COLUMNS, corpus_schema
from vlmdata.dataset import DataFile, data_files, split_names
from vlmdata.late_hashes import LateHashes

ROWS, BYTES = 8_192, 32_000_000
"""Rows, or their bytes without images, that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCorpus:
    """The files of a dataset whose contract was verified. `late_hashes` are filled by who decodes its images."""

    name: str
    path: Path
    files: tuple[DataFile, ...]
    splits: Sequence[str]
    late_hashes: LateHashes = field(default_factory=LateHashes)

    @classmethod
    def open(cls, path: Path) -> BuiltCorpus:
        """The corpus of a dataset's folder. Raises ContractError where it is none."""
        return cls(name=path.name, path=path, files=tuple(data_files(path)), splits=split_names(path))

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Large batches with their split, without their images. Raises ContractError where a file is damaged."""
        for file in self.files:
            gathered = Gathered()
            for batch in file.batches():
                for rows in gathered.taken(without_images(batch)):
                    yield file.split, rows
            for rows in gathered.rest():
                yield file.split, rows

    def image_bytes(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of the images that image_info names so, once each."""
        left = set(wanted)
        for file in self.files if left else ():
            for batch in file.batches():
                shas = batch.column("image_info").flatten().field("sha256").to_pylist()
                lists = batch.column("images")
                data = lists.flatten().field("bytes")
                for place, sha in enumerate(shas[: len(data)]):
                    if sha in left:
                        left.discard(sha)
                        yield sha, data[place].as_py()
            if not left:
                return


@dataclass(slots=True)
class Gathered:
    """Batches put together until they are large: what looks at them takes about as long for few rows as for many."""

    _held: list[pa.RecordBatch] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0

    def taken(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take a batch in. All that are held as one, once they are enough."""
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROWS or self._bytes >= BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """All that are held as one."""
        held, self._held, self._rows, self._bytes = self._held, [], 0, 0
        if held:
            yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def without_images(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch in the columns of a corpus, whatever its lists call their entries, and whatever else it holds."""
    schema = corpus_schema()
    taken = batch.select(list(COLUMNS))
    return taken if taken.schema.equals(schema) else taken.cast(schema)
