"""Whether the offsets in an Arrow file lead to where its data is. Arrow itself trusts them when it reads a value."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa


def is_valid(batch: pa.RecordBatch) -> bool:
    """Whether all of a batch is what its schema says, text included."""
    try:
        batch.validate(full=True)
    except (pa.ArrowException, ValueError):
        return False
    return True


def leads_inside(array: pa.Array) -> bool:
    """Whether every value of an array can be read without leaving its buffers; text may be anything."""
    kind = array.type
    try:
        array.validate()
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array.view(pa.binary() if pa.types.is_string(kind) else pa.large_binary()).validate(full=True)
        elif pa.types.is_struct(kind):
            return all(leads_inside(array.field(number)) for number in range(kind.num_fields))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
            return _list_leads_inside(array)
        else:
            array.validate(full=True)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _list_leads_inside(array: pa.Array) -> bool:
    """Whether a list's offsets rise and end within its entries, and those that it has lead inside too."""
    offsets, entries = array.offsets.to_pylist(), _entries(array)
    steps = list(pairwise(offsets))
    if offsets[0] < 0 or offsets[-1] > len(entries) or any(end < start for start, end in steps):
        return False
    return leads_inside(entries.slice(offsets[0], offsets[-1] - offsets[0]))


def _entries(array: pa.Array) -> pa.Array:
    """All that the offsets of a list point into; a map's are its keys and items."""
    if not pa.types.is_map(array.type):
        return array.values
    return pa.StructArray.from_arrays([array.keys, array.items], ["key", "item"])
