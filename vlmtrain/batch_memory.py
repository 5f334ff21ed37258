"""Memory for batches that is used again once nobody holds the batch that lay in it.

A batch of images takes a hundred megabytes. Taken fresh each time, every page of it is handed out and zeroed by the
system, which takes longer than to fill it. A copy to a GPU has read such memory when it returns, since it is not
pinned (CUDA's Driver API, "API synchronization behavior"), so it may be filled again at once.
"""

from __future__ import annotations

import weakref
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import torch

LEAST = 1 << 20
"""Bytes from which on it is worth it; the C library keeps smaller pieces itself."""

KEPT = 2
"""How many pieces lie idle at most."""

_idle: dict[int, npt.NDArray[np.uint8]] = {}


def empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor with anything in it. Its memory is used for another once it, and all that looks into it, is gone."""
    import torch

    size = prod(shape) * dtype.itemsize
    if size < LEAST:
        return torch.empty(*shape, dtype=dtype)
    piece = _taken(size)
    lent = piece[:size]
    weakref.finalize(lent, _give_back, piece)  # torch.from_numpy holds `lent` as long as anything has its storage
    return torch.from_numpy(lent).view(dtype).view(*shape)


def _taken(size: int) -> npt.NDArray[np.uint8]:
    """The smallest idle piece that is large enough, and not twice as large; a new one where there is none."""
    import torch

    fitting = sorted((piece.size, number) for number, piece in list(_idle.items()) if size <= piece.size <= 2 * size)
    for _, number in fitting:
        piece = _idle.pop(number, None)
        if piece is not None:  # another thread was faster
            return piece
    return torch.empty(size, dtype=torch.uint8).numpy()


def _give_back(piece: npt.NDArray[np.uint8]) -> None:
    """Keep a piece for the next batch; of too many, those that were kept first go."""
    _idle[id(piece)] = piece
    for number in list(_idle)[:-KEPT]:
        _idle.pop(number, None)
