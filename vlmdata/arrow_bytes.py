"""The bytes of one value of a binary column, where they stand: pyarrow's own scalars copy them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def bytes_at(column: pa.BinaryArray, place: int) -> pa.Buffer | None:
    """One value as a view of the column's memory, which may be a mapped file; None where it is null."""
    if column[place : place + 1].null_count:
        return None
    _, offsets, data = column.buffers()
    start, end = np.frombuffer(offsets, np.int32, 2, (column.offset + place) * 4).tolist()
    return data.slice(start, end - start) if data is not None else pa.py_buffer(b"")
