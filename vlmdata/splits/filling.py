"""Groups in hash order fill the shares asked for; a group is never split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b


def fill(groups: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """The split of each group. `groups` holds one entry a row, so that a group counts with its size.

    Groups come in the order of a hash of seed and name, whatever order the rows have; each goes where the most rows
    are still missing, which fills every share to within the size of the groups.
    """
    sizes = Counter(groups)
    total = sizes.total()
    missing = {split: share * total for split, share in shares.items()}
    chosen = {}
    for group in sorted(sizes, key=lambda name: (_place(name, seed), name)):
        split = max(missing, key=lambda name: missing[name])
        missing[split] -= sizes[group]
        chosen[group] = split
    return chosen


def _place(group: str, seed: int) -> bytes:
    return blake2b(f"{seed}\0{group}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
