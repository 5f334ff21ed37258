"""A built dataset as a corpus: its records without their images, and the bytes of any image by its sha256."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vlmdata.corpus import COLUMNS, corpus_schema
from vlmdata.dataset import DataFile, data_files, split_names


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCorpus:
    """The files of a dataset whose contract was verified."""

    name: str
    path: Path
    files: tuple[DataFile, ...]
    splits: Sequence[str]

    @classmethod
    def open(cls, path: Path) -> BuiltCorpus:
        """The corpus of a dataset's folder. Raises ContractError where it is none."""
        return cls(name=path.name, path=path, files=tuple(data_files(path)), splits=split_names(path))

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Each batch with its split, without its images. Raises ContractError where a file is damaged."""
        for file in self.files:
            for batch in file.batches():
                yield file.split, without_images(batch)

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
                        yield sha, data[place].as_buffer().to_pybytes()
            if not left:
                return


def without_images(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch in the columns of a corpus, whatever its lists call their entries, and whatever else it holds."""
    schema = corpus_schema()
    taken = batch.select(list(COLUMNS))
    return taken if taken.schema.equals(schema) else taken.cast(schema)
