"""Rows in batches, where not every row may stand beside every other: by `ModelFamily.batch_key`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def grouped(order: Iterable[int], keys: Sequence[int], batch_size: int) -> list[list[int]]:
    """The indices in batches of one key each, every index once. A batch stands where its first index stood.

    Equal keys keep their order; only the last batch of each key may be smaller than `batch_size`.
    """
    made: list[list[int]] = []
    open_batches: dict[int, list[int]] = {}
    for index in order:
        batch = open_batches.get(keys[index])
        if batch is None or len(batch) == batch_size:
            batch = open_batches[keys[index]] = []
            made.append(batch)
        batch.append(index)
    return made
