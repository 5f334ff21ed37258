"""Parquet for the Hub: all columns of the dataset as they are, by which it is opened anywhere without vlmdata."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vlmdata.exports.judging import LOSSES
from vlmdata.exports.parquet_files import write_parquet
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row


@dataclass(slots=True)
class Parquet(Exporter):
    """The dataset's own columns."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = Holds(reader="datasets", kept=frozenset(LOSSES), anything=True, splits_of_datasets=True)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """One file, or several of about half a gigabyte."""
        schema = self.survey.schema
        batches = (
            row.record if row.record.schema.equals(schema, check_metadata=True) else row.record.cast(schema)
            for row in rows
        )
        return write_parquet(self.folder, split, batches, schema)

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(text="open it with datasets, or push the folder to the Hub", command='load_dataset("OUT")')
