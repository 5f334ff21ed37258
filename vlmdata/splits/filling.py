"""Groups in hash order fill the shares asked for; a group is never split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b


def fill(groups: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """The split of each group. `groups` holds one entry a row, so that a group counts with its size."""
    return fill_groups(Counter(groups), shares, seed)


def fill_groups(
    sizes: Mapping[str, int],
    shares: Mapping[str, float],
    seed: int,
    *,
    strata: Mapping[str, str] | None = None,
    settled: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """The split of each group, by its name and number of rows.

    Groups come in the order of a hash of seed and name, whatever order the rows have; each goes where the most rows
    are still missing, which fills every share to within the size of the groups. `strata` gives groups a value of a tag:
    each value is filled for itself, and what it leaves over or wants goes to the next, so that the whole comes out
    even. `settled` are rows that each split has already.
    """
    there = dict.fromkeys(shares, 0) | dict(settled or {})
    total = sum(sizes.values()) + sum(there.values())
    by_stratum: dict[str, list[str]] = defaultdict(list)
    for group in sorted(sizes, key=lambda name: (_place(name, seed), name)):
        by_stratum[(strata or {}).get(group, "")].append(group)
    wanted = {split: max(share * total - there[split], 0.0) for split, share in shares.items()}
    new = sum(sizes.values())
    scale = new / sum(wanted.values()) if new and any(there.values()) else 1.0
    chosen: dict[str, str] = {}
    left = dict.fromkeys(shares, 0.0)
    for stratum in sorted(by_stratum):
        part = sum(sizes[group] for group in by_stratum[stratum]) / new
        for split in shares:
            left[split] += wanted[split] * scale * part
        for group in by_stratum[stratum]:
            split = max(left, key=lambda name: left[name])
            left[split] -= sizes[group]
            chosen[group] = split
    return chosen


def _place(group: str, seed: int) -> bytes:
    return blake2b(f"{seed}\0{group}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
