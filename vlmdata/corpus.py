"""What a validation looks at, wherever it comes from: a dataset that was built, or what a recipe would build."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Protocol

import pyarrow as pa

from vlmdata.contract import arrow_type

COLUMNS = ("id", "messages", "image_info", "origin", "group", "tags", "fields", "provenance")
"""The record's columns without the images themselves."""


@cache
def corpus_schema() -> pa.Schema:
    """The Arrow schema of a corpus' batches."""
    return pa.schema([column for column in arrow_type() if column.name in COLUMNS])


class Corpus(Protocol):
    """Rows in batches, split by split, and the bytes of any image by its sha256.

    `name` is what a person calls it; `splits` are in order. Where no split was made yet there is one, called "". One
    whose images were compared already may have `looks`, a linking.KnownLooks, and one whose images were decoded
    `late_hashes`, a late_hashes.LateHashes.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def splits(self) -> Sequence[str]:
        """The names of the splits, in order, an empty one among them too."""
        ...

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Each batch with its split, in the columns of `corpus_schema`; the same batches each time it is asked."""
        ...

    def image_bytes(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The sha256 and the bytes of each wanted image, once each, in any order. What can't be read is left out."""
        ...
