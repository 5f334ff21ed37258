"""Files of Parquet, a split each or several, in the layout that the Hub's viewer and a training read best."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlmdata.exports.protocol import Written
from vlmdata.parquet_rows import parquet_options, row_groups

FILE_BYTES = 500_000_000
DATA = "data"
TEXT = {"dtype": "string", "_type": "Value"}


def write_parquet(folder: Path, split: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Written:
    """Write batches of one row each as the files of a split, in `data/`, named as datasets finds splits."""
    place = folder / DATA
    place.mkdir(exist_ok=True)
    parts: list[Path] = []
    rows, groups = 0, row_groups(batches, schema)
    group = next(groups, None)
    while group is not None or not parts:
        path = place / f"{split}.part-{len(parts)}"
        parts.append(path)
        with pq.ParquetWriter(path, schema, **parquet_options(schema)) as writer:
            size = 0
            while group is not None and size < FILE_BYTES:
                writer.write_table(group, row_group_size=len(group))
                size += group.nbytes
                rows += len(group)
                group = next(groups, None)
    return Written(rows=rows, files=tuple(named_by_number(parts, split, ".parquet")))


def named_by_number(parts: list[Path], split: str, ending: str) -> Iterator[str]:
    """Give files the names of their place among all, once it is known how many there are, and give these."""
    for number, path in enumerate(parts):
        name = f"{split}-{number:05d}-of-{len(parts):05d}{ending}"
        path.rename(path.with_name(name))
        yield f"{path.parent.name}/{name}"


def with_features(schema: pa.Schema, features: Mapping[str, Any]) -> pa.Schema:
    """A schema that says which features datasets shall take it for."""
    return schema.with_metadata({b"huggingface": json.dumps({"info": {"features": dict(features)}}).encode()})
