"""The order of rows: each once an epoch, rows of one key together, the same for any number of processes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmtrain.order import Order, RowShapes, by_length


def shapes(lengths: list[int], keys: list[int] | None = None) -> RowShapes:
    return RowShapes(lengths=np.array(lengths, np.int64), keys=np.array(keys or [0] * len(lengths), np.int64))


rows_with_keys = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 3)), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(rows=rows_with_keys, size=st.integers(1, 9), processes=st.integers(1, 4), epoch=st.integers(0, 3))
def test_every_row_is_seen_once_an_epoch_by_one_process(
    rows: list[tuple[int, int]], size: int, processes: int, epoch: int
) -> None:
    known = shapes([length for length, _ in rows], [key for _, key in rows])
    orders = [
        Order(shapes=known, batch_size=size, seed=7, process=process, processes=processes, epoch=epoch)
        for process in range(processes)
    ]
    seen = Counter(row for order in orders for batch in order for row in batch if row >= 0)
    assert seen == Counter(range(len(rows)))
    assert len({len(list(order)) for order in orders}) == 1
    assert all(len(list(order)) == len(order) for order in orders)
    for order in orders:
        for batch in order:
            assert len({known.keys[row if row >= 0 else -1 - row] for row in batch}) == 1
            assert len(batch) <= size


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_take_the_batches_that_one_would_take_in_turn(processes: int) -> None:
    known = shapes(list(range(1, 64)))
    alone = list(Order(shapes=known, batch_size=2, seed=1))
    together = [
        list(Order(shapes=known, batch_size=2, seed=1, process=p, processes=processes)) for p in range(processes)
    ]
    taken = [batch for step in zip(*together, strict=True) for batch in step]
    assert taken[: len(alone)] == alone
    assert all(row < 0 for batch in taken[len(alone) :] for row in batch)


def test_epochs_differ_and_are_the_same_when_asked_again() -> None:
    order = Order(shapes=shapes([5] * 40), batch_size=4, seed=3)
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first


def test_rows_of_one_batch_are_about_equally_long() -> None:
    dice = np.random.default_rng(0)
    known = shapes(dice.integers(10, 1000, 2_000).tolist())

    def padding(order: Order) -> int:
        return sum(int(known.lengths[batch].max() * len(batch) - known.lengths[batch].sum()) for batch in order)

    grouped = padding(Order(shapes=known, batch_size=8, seed=0))
    assert grouped < 0.1 * padding(Order(shapes=known, batch_size=8, seed=0, group_by_length=False))


def test_measuring_begins_with_the_longest_rows() -> None:
    batches = by_length(shapes([3, 9, 1, 7, 5], [0, 0, 0, 1, 1]), 2)
    assert batches == [[1, 0], [2], [3, 4]]
