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
    """Whether every value of an array can be read without leaving its buffers; text may be anything.

    Arrow's own validation of a list or struct looks at all of its entries, not only at those of a slice, so that one
    damaged value would cost every row; here each level is looked at by itself.
    """
    kind = array.type
    if pa.types.is_struct(kind):
        fields = (array.field(number) for number in range(kind.num_fields))
        return _nulls_fit(array) and all(len(field) == len(array) and leads_inside(field) for field in fields)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _nulls_fit(array) and _list_leads_inside(array)
    try:
        array.validate()
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array = array.view(pa.binary() if pa.types.is_string(kind) else pa.large_binary())
        array.validate(full=True)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _nulls_fit(array: pa.Array) -> bool:
    """Whether the bits that say which values are missing are as many as the values."""
    bits = array.buffers()[0]
    return bits is None or 8 * bits.size >= array.offset + len(array)


def _list_leads_inside(array: pa.Array) -> bool:
    """Whether a list's offsets rise and end within its entries, and those that it has lead inside too."""
    width = 8 if pa.types.is_large_list(array.type) else 4
    memory = array.buffers()[1]
    if len(array) == 0:
        return True
    if memory is None or memory.size < width * (array.offset + len(array) + 1):
        return False
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
