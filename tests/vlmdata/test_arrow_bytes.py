"""Views of a column's values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vlmdata.arrow_bytes import bytes_at

VALUES = [b"one", None, b"", b"three" * 50]


@pytest.mark.parametrize("start", range(4))
def test_a_value_is_a_view_of_its_column(start: int) -> None:
    whole = pa.array(VALUES, pa.binary())
    column = whole[start:]
    memory = whole.buffers()[2]
    for place, value in enumerate(VALUES[start:]):
        found = bytes_at(column, place)
        if value is None:
            assert found is None
        else:
            assert found is not None
            assert found.to_pybytes() == value
            assert memory.address <= found.address <= memory.address + memory.size


def test_a_column_of_nothing_has_no_bytes() -> None:
    assert bytes_at(pa.array([None], pa.binary()), 0) is None
    held = bytes_at(pa.array([b""], pa.binary()), 0)
    assert held is not None
    assert held.size == 0
