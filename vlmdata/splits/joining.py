"""What hangs together: union-find over numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def components(size: int, first: Numbers, second: Numbers) -> Numbers:
    """For each of `size` things the smallest one that it hangs together with, where `first[i]` and `second[i]` do.

    Every round hangs each root that has a smaller neighbour on that neighbour's root, and flattens the trees: whole
    arrays at once, in about as many rounds as the logarithm of the longest chain.
    """
    root = np.arange(size, dtype=np.int64)
    while len(first):
        one, two = root[first], root[second]
        open_ = one != two
        first, second, one, two = first[open_], second[open_], one[open_], two[open_]
        np.minimum.at(root, np.maximum(one, two), np.minimum(one, two))
        flat = root[root]
        while not np.array_equal(flat, root):
            root, flat = flat, flat[flat]
    return root
