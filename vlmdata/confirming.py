"""Near-duplicate images: pairs that difference hashes propose, confirmed or refused on small colour pictures.

Only images of proposed pairs are decoded, each once; their small pictures lie in a file that is mapped into memory.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlmdata.check.near_duplicates import NEAR, Hashes, Places, Proposals, expanded
from vlmdata.image.likeness import ROUGH_LIMIT, distances, rough_distances, rough_pictures
from vlmdata.image.small_picture import SMALL, Bytes, Small, coarse_picture, is_blank, may_be_alike, small_picture
from vlmdata.pixels import PIXEL_LIMIT, QUIET, PixelError
from vlmdata.rules import rule

ReadImages = Callable[[Sequence[int]], Iterator[tuple[int, bytes]]]
"""The bytes of images by their numbers, in any order; what can't be read is left out."""

MOST_COMPARISONS = 100_000_000
"""Pairs of images that are looked at roughly: half a minute. More, and hashes must be nearer to each other."""

MOST_OF_ONE_HASH = 256
"""Where even that is too much, each image is compared with so many others of its hash."""

PAIRS_AT_ONCE, BATCH = 1024, 64
COARSE_BYTES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What was found: confirmed pairs of image numbers with their distances, and which pictures are of one colour.

    `compared` counts the images that were decoded for it; `notes` say in words what a bound left out. A pair whose
    images hang together through others already is not looked at.
    """

    pairs: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    blank: frozenset[int] = frozenset()
    compared: int = 0
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many images have a near-duplicate."""
        return len(np.unique(self.pairs))


NOTHING = Likeness(pairs=np.zeros((0, 2), np.int64), distances=np.zeros(0, np.float32))


def usual_distance() -> float:
    """The distance up to which pictures count as the same, as the rulebook has it."""
    return rule("dataset.near_duplicate").thresholds["distance"]


@dataclass(slots=True, kw_only=True)
class Confirmation:
    """One search for near-duplicates. `hashes` has one dhash an image, `known` says which images have one.

    `suspects` are further images that are to be looked at for being blank.
    """

    hashes: Hashes
    known: npt.NDArray[np.bool_]
    read: ReadImages
    distance: float
    workers: int = 1
    folder: Path | None = None
    pixel_limit: int = PIXEL_LIMIT
    suspects: Sequence[int] = ()
    _order: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    _starts: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    _most: int | None = None
    _notes: list[str] = field(default_factory=list)

    def run(self) -> Likeness:
        """Look at every pair."""
        (with_hash,) = np.nonzero(self.known)
        self._order = with_hash[np.argsort(self.hashes[with_hash], kind="stable")]
        unique, starts = np.unique(self.hashes[self._order], return_index=True)
        self._starts = np.append(starts, len(self._order)).astype(np.int64)
        proposals, wanted = self._proposed(unique)
        wanted[list(self.suspects)] = True
        numbers = np.nonzero(wanted)[0]
        if not len(numbers):
            return Likeness(pairs=NOTHING.pairs, distances=NOTHING.distances, notes=tuple(self._notes))
        with tempfile.TemporaryFile(dir=self.folder) as file, ThreadPoolExecutor(self.workers) as pool, QUIET:
            small: Small = np.memmap(file, SMALL, "w+", shape=(len(numbers),))
            coarse = np.zeros((len(numbers), COARSE_BYTES), np.uint8)
            state = self._decode(numbers, small, coarse, pool)
            place = np.full(len(self.hashes), -1, np.int64)
            place[numbers] = np.arange(len(numbers))
            usable = np.zeros(len(self.hashes), bool)
            usable[numbers] = state == 1
            found = _Compared(small=small, coarse=coarse, place=place, limit=self.distance, pool=pool)
            for first, second in self._image_pairs(proposals):
                kept = usable[first] & usable[second]
                found.look(first[kept], second[kept])
            found.finish()
        unread = int((state == 0).sum())
        if unread:
            self._notes.append(f"{unread:,} images could not be decoded and were compared with none")
        pairs, apart = found.confirmed()
        blank = frozenset(numbers[state == 2].tolist())
        compared = len(numbers) - unread
        return Likeness(pairs=pairs, distances=apart, blank=blank, compared=compared, notes=tuple(self._notes))

    def _proposed(self, unique: Hashes) -> tuple[Proposals, npt.NDArray[np.bool_]]:
        """The pairs of hashes to look at, within bounds, and which images are in any of them."""
        proposals = Proposals(unique)
        sizes = np.diff(self._starts)
        while True:
            asked = sizes > 1
            total = int((sizes * (sizes - 1) // 2).sum())
            for first, second in proposals.pairs():
                asked[first] = asked[second] = True
                total += int((sizes[first] * sizes[second]).sum())
                if total > MOST_COMPARISONS and proposals.reach > NEAR:
                    break
            if total <= MOST_COMPARISONS or proposals.reach <= NEAR:
                break
            proposals.reach = NEAR
        if proposals.reach <= NEAR:
            self._notes.append(f"so many images look alike to a hash that only pairs within {NEAR} bits were compared")
        if proposals.bounded:
            self._notes.append("of hashes that are nearly equal by the thousand, only neighbours were compared")
        if total > MOST_COMPARISONS:
            self._most = MOST_OF_ONE_HASH
            self._notes.append(f"of images with one hash, each was compared with {MOST_OF_ONE_HASH} others at most")
        wanted = np.zeros(len(self.hashes), bool)
        wanted[self._order] = np.repeat(asked, sizes)
        return proposals, wanted

    def _image_pairs(self, proposals: Proposals) -> Iterator[tuple[Places, Places]]:
        """Numbers of the images of each pair: of equal hashes first, then of near ones."""
        sizes = np.diff(self._starts)
        begin = np.arange(len(self._order)) + 1
        end = np.repeat(self._starts[1:], sizes)
        if self._most is not None:
            end = np.minimum(end, begin + self._most)
        for first, second in expanded(begin, end):
            yield self._order[first], self._order[second]
        counted = sizes if self._most is None else np.minimum(sizes, int(self._most**0.5))
        for one, two in proposals.pairs():
            for row, number in expanded(np.zeros(len(one), np.int64), counted[one] * counted[two]):
                first, second = np.divmod(number, counted[two[row]])
                yield self._order[self._starts[one[row]] + first], self._order[self._starts[two[row]] + second]

    def _decode(self, numbers: Places, small: Small, coarse: Bytes, pool: ThreadPoolExecutor) -> npt.NDArray[np.uint8]:
        """Fill the small pictures. What became of each image: 0 not decoded, 1 a picture, 2 blank."""
        state = np.zeros(len(numbers), np.uint8)

        def decode(place: int, data: bytes) -> None:
            try:
                picture = small_picture(data, pixel_limit=self.pixel_limit)
            except PixelError:
                return
            small[place] = picture
            coarse[place] = coarse_picture(picture)
            state[place] = 2 if is_blank(picture) else 1

        under_way: deque[Future[None]] = deque()
        for number, data in self.read(numbers.tolist()):
            under_way.append(pool.submit(decode, int(np.searchsorted(numbers, number)), data))
            if len(under_way) > 2 * self.workers:
                under_way.popleft().result()
        for future in under_way:
            future.result()
        return state


@dataclass(slots=True, kw_only=True)
class _Compared:
    """Pairs on their way: looked at roughly, then closely, those that already hang together left out."""

    small: Small
    coarse: Bytes
    place: Places
    limit: float
    pool: ThreadPoolExecutor
    _waiting: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _count: int = 0
    _parent: Places = field(default_factory=lambda: np.zeros(0, np.int64))
    _found: list[tuple[int, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._parent = np.arange(len(self.place))

    def look(self, first: Places, second: Places) -> None:
        """Look at pairs; closely once there are enough of them."""
        for start in range(0, len(first), 100_000):
            one, two = first[start : start + 100_000], second[start : start + 100_000]
            alike = may_be_alike(self.coarse[self.place[one]], self.coarse[self.place[two]])
            if alike.any():
                self._waiting.append(np.stack([one[alike], two[alike]], 1))
                self._count += int(alike.sum())
            if self._count >= PAIRS_AT_ONCE:
                self.finish()

    def finish(self) -> None:
        """Look closely at all pairs that wait."""
        if not self._count:
            return
        pairs = np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            part = pairs[start : start + PAIRS_AT_ONCE]
            part = part[self._roots(part[:, 0]) != self._roots(part[:, 1])]
            batches = [part[at : at + BATCH] for at in range(0, len(part), BATCH)]
            for batch, apart in zip(batches, self.pool.map(self._distances, batches), strict=True):
                for (one, two), far in zip(batch.tolist(), apart.tolist(), strict=True):
                    if far <= self.limit:
                        self._found.append((min(one, two), max(one, two), far))
                        self._join(one, two)

    def confirmed(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The pairs that were confirmed, in order, and their distances."""
        found = sorted(self._found)
        pairs = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
        return pairs, np.array([pair[2] for pair in found], np.float32)

    def _distances(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        one, two = self.small[self.place[pairs[:, 0]]], self.small[self.place[pairs[:, 1]]]
        found = np.full(len(pairs), np.inf, np.float32)
        (near,) = np.nonzero(rough_distances(rough_pictures(one), rough_pictures(two)) <= ROUGH_LIMIT)
        found[near] = distances(one[near], two[near], self.limit)
        return found

    def _roots(self, numbers: Places) -> Places:
        for _ in range(4):
            numbers = self._parent[numbers]
        return numbers

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = int(self._parent[number])
        return number

    def _join(self, one: int, two: int) -> None:
        low, high = sorted((self._root(one), self._root(two)))
        self._parent[high] = low
