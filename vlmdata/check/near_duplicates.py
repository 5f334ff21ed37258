"""Which images may be near-duplicates, by their difference hashes alone: pairs for a closer look.

Hashes are compared by bands (multi-index hashing; M. Norouzi, A. Punjani and D. Fleet, 2012): of two that differ in at
most 3 bits, one of 4 bands is equal; of two that differ in at most 7, one differs in at most one bit. Hashes of
products on white have most bits in common, so the bits that say little are dealt out over the bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

BANDS, BAND_BITS = 4, 16
WIDE, FAR, NEAR = 14, 7, 3
"""The distances that pairs are looked for up to: a crop or another decoder moves a hash by 4 to 7 bits, now and then by
14. In small sets every hash is compared with every other one."""

SMALL = 5_000

MOST_CANDIDATES = 300_000_000
"""So many comparisons of hashes take about five seconds. More, and only near pairs are looked for."""

MOST_NEAR_CANDIDATES = 2_000_000_000
CHUNK = 2_000_000
"""Candidates that are held at once, at about 40 bytes each."""

WINDOW = 256
"""Where even that is too much, each hash is compared with so many of its neighbours in a band, and it is said."""


@dataclass(slots=True)
class Proposals:
    """The pairs of different hashes that are at most `reach` bits apart, found anew each time they are asked for.

    `hashes` are unique and sorted. `bounded` says that there were too many near-equal ones to compare them all.
    """

    hashes: Hashes
    reach: int = WIDE
    bounded: bool = False
    _dealt: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))

    def __post_init__(self) -> None:
        self._dealt = dealt(self.hashes)
        if len(self.hashes) <= SMALL:
            return
        self.reach = min(self.reach, FAR)
        counts = [_key_counts(self._dealt, band) for band in range(BANDS)]
        equal = sum(int((count * (count - 1) // 2).sum()) for count in counts)
        near = sum(int((count * count[_flipped(bit)]).sum()) // 2 for count in counts for bit in range(BAND_BITS))
        if equal + near > MOST_CANDIDATES:
            self.reach = min(self.reach, NEAR)
            self.bounded = equal > MOST_NEAR_CANDIDATES

    def pairs(self) -> Iterator[tuple[Places, Places]]:
        """Places of the hashes of each pair, a few million at most at a time, every pair once."""
        if self.reach > FAR:
            yield from self._every()
            return
        for band in range(BANDS):
            keys = _keys(self._dealt, band)
            order = np.argsort(keys, kind="stable").astype(np.int64)
            starts = np.searchsorted(keys[order], np.arange((1 << BAND_BITS) + 1))
            yield from self._band(band, keys[order].astype(np.int64), order, starts)

    def _every(self) -> Iterator[tuple[Places, Places]]:
        """Every pair that is close enough, all of them compared."""
        places = np.arange(len(self.hashes))
        for first, second in expanded(places + 1, np.full(len(places), len(places))):
            kept = np.bitwise_count(self.hashes[first] ^ self.hashes[second]) <= self.reach
            if kept.any():
                yield first[kept], second[kept]

    def _band(self, band: int, keys: Places, order: Places, starts: Places) -> Iterator[tuple[Places, Places]]:
        places = np.arange(len(keys))
        begin, end = places + 1, starts[keys + 1]
        if self.bounded:
            end = np.minimum(end, begin + WINDOW)
        yield from self._close(band, order, begin, end)
        if self.reach > NEAR:
            for bit in range(BAND_BITS):
                other = keys ^ (1 << bit)
                once = keys < other
                yield from self._close(band, order, np.where(once, starts[other], 0), starts[other + 1] * once)

    def _close(self, band: int, order: Places, begin: Places, end: Places) -> Iterator[tuple[Places, Places]]:
        """Of the candidates, those close enough that no earlier band has found."""
        for first, second in expanded(begin, end):
            one, two = order[first], order[second]
            apart = self._dealt[one] ^ self._dealt[two]
            kept = np.bitwise_count(apart) <= self.reach
            one, two, apart = one[kept], two[kept], apart[kept]
            new = np.ones(len(apart), bool)
            for earlier in range(band):
                new &= np.bitwise_count(_keys(apart, earlier)) > (1 if self.reach > NEAR else 0)
            if new.any():
                yield np.minimum(one[new], two[new]), np.maximum(one[new], two[new])


def expanded(begin: Places, end: Places, chunk: int = CHUNK) -> Iterator[tuple[Places, Places]]:
    """Each place with every place from its `begin` up to its `end`, in chunks of bounded size."""
    lengths = np.maximum(end - begin, 0)
    (rows,) = np.nonzero(lengths)
    total = np.cumsum(lengths[rows])
    at = 0
    while at < len(rows):
        done = int(total[at - 1]) if at else 0
        stop = max(int(np.searchsorted(total, done + chunk, side="right")), at + 1)
        part = rows[at:stop]
        if stop == at + 1 and lengths[part[0]] > chunk:
            for low in range(int(begin[part[0]]), int(end[part[0]]), chunk):
                others = np.arange(low, min(low + chunk, int(end[part[0]])))
                yield np.full(len(others), part[0]), others
        else:
            counts = lengths[part]
            offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            yield np.repeat(part, counts), np.repeat(begin[part], counts) + offsets
        at = stop


def dealt(hashes: Hashes) -> Hashes:
    """The hashes with their bits in another order, so that each band has its part of the bits that say most."""
    if not len(hashes):
        return hashes
    said = np.zeros(64)
    for start in range(0, len(hashes), 100_000):
        said += _bits(hashes[start : start + 100_000]).sum(0, dtype=np.int64)
    order = np.argsort(np.abs(said / len(hashes) - 0.5), kind="stable").reshape(BAND_BITS, BANDS).T.reshape(-1)
    made = np.empty_like(hashes)
    for start in range(0, len(hashes), 100_000):
        bits = _bits(hashes[start : start + 100_000])[:, order]
        made[start : start + 100_000] = (
            np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.dtype(">u8")).reshape(-1)
        )
    return made


def _bits(hashes: Hashes) -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(hashes).astype(np.dtype(">u8")).view(np.uint8).reshape(-1, 8), axis=1)


def _keys(hashes: Hashes, band: int) -> npt.NDArray[np.uint16]:
    return (hashes >> np.uint64(BAND_BITS * (BANDS - 1 - band))).astype(np.uint16)


def _key_counts(hashes: Hashes, band: int) -> Places:
    return np.bincount(_keys(hashes, band), minlength=1 << BAND_BITS)


def _flipped(bit: int) -> Places:
    return np.arange(1 << BAND_BITS) ^ (1 << bit)
