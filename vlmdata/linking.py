"""Rows that must stay together: of one group, with the same image, or with images that look the same.

A picture that stands in more groups than `max_shared`, such as "photo coming soon", and one of a single colour hold
nothing together; they are named instead.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vlmdata.confirming import NOTHING, Likeness
from vlmdata.splits.joining import components

Numbers = npt.NDArray[np.int64]
SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidence:
    """Which rows hold which images. Row `i` is of unit `units[i]`, and holds `images[offsets[i]:offsets[i + 1]]`.

    Units are what stays together anyway: groups, or the rows themselves. Images are numbered in the order of their
    hashes, whatever order the rows have.
    """

    units: Numbers
    offsets: Numbers
    images: Numbers
    unit_count: int
    image_count: int

    def unit_images(self) -> tuple[Numbers, Numbers]:
        """Each image of each unit, once: the units and the images."""
        rows = np.repeat(self.units, np.diff(self.offsets))
        return _once(rows, self.images, self.image_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A picture that stands in too many groups to hold any together: one of its images, and the number of groups."""

    image: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What stays together.

    `whole` gives each row the smallest unit that its unit is joined with, `looks` each image the smallest that it looks
    like, and `holding` says which looks hold units together.
    """

    whole: Numbers
    looks: Numbers
    holding: npt.NDArray[np.bool_]
    likeness: Likeness
    shared: tuple[Shared, ...] = ()

    def holders(self, rows: Incidence, whole: int) -> list[tuple[int, ...]]:
        """The images that hold a whole together: near-duplicates in pairs, others alone."""
        mine = np.unique(rows.images[np.repeat(self.whole == whole, np.diff(rows.offsets))])
        mine = mine[self.holding[self.looks[mine]]]
        pairs = [tuple(pair) for pair in self.likeness.pairs.tolist() if set(pair) <= set(mine.tolist())]
        paired = {image for pair in pairs for image in pair}
        _, images = rows.unit_images()
        counts = np.bincount(images[np.isin(images, mine)], minlength=rows.image_count)
        return [*pairs, *((image,) for image in mine.tolist() if image not in paired and counts[image] > 1)]


def link(
    rows: Incidence,
    likeness: Likeness,
    *,
    together: Collection[str],
    max_shared: int,
) -> Linked:
    """Join what shares an image, or the look of one."""
    near = "near_duplicate" in together
    pairs = likeness.pairs if near else NOTHING.pairs
    looks = components(rows.image_count, pairs[:, 0], pairs[:, 1])
    units, images = rows.unit_images()
    if "image" not in together:
        in_pairs = np.isin(images, pairs)
        units, images = units[in_pairs], images[in_pairs]
    kept = ~np.isin(images, sorted(likeness.blank))
    units, images = units[kept], images[kept]
    look, unit = _once(looks[images], units, rows.unit_count)
    counts = np.bincount(look, minlength=rows.image_count)
    holding = (counts > 1) & (counts <= max_shared)
    held = holding[look]
    look, unit = look[held], unit[held]
    first = np.flatnonzero(np.r_[True, look[1:] != look[:-1]]) if len(look) else np.zeros(0, np.int64)
    heads = np.repeat(unit[first], np.diff(np.append(first, len(look)))) if len(look) else unit
    whole = components(rows.unit_count, heads, unit)[rows.units]
    wide = np.flatnonzero(counts > max_shared)
    shared = tuple(Shared(image=int(image), groups=int(counts[image])) for image in wide)
    return Linked(whole=whole, looks=looks, likeness=likeness, shared=shared, holding=holding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Images by number: their sha256, in order, and their difference hashes, where `known` says that there is one."""

    shas: npt.NDArray[np.bytes_]
    hashes: npt.NDArray[np.uint64]
    known: npt.NDArray[np.bool_]

    def sha256(self, image: int) -> str:
        """An image's sha256, as 64 hex digits."""
        return bytes(self.shas[image]).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLooks:
    """What a search for near-duplicates up to a distance found, kept by the images' sha256 for another look at them."""

    shas: npt.NDArray[np.bytes_]
    likeness: Likeness
    distance: float

    def among(self, pictures: Pictures) -> Likeness | None:
        """The same for these pictures; None where one that was found is not among them, and may have held others
        together."""
        found = np.unique(np.concatenate([self.likeness.pairs.reshape(-1), sorted(self.likeness.blank)])).astype(int)
        order = np.argsort(pictures.shas)
        place = np.minimum(np.searchsorted(pictures.shas, self.shas[found], sorter=order), max(len(order) - 1, 0))
        if len(found) and (not len(order) or not np.array_equal(pictures.shas[order[place]], self.shas[found])):
            return None
        number = np.full(len(self.shas), -1, np.int64)
        number[found] = order[place]
        blank = frozenset(number[sorted(self.likeness.blank)].tolist())
        return replace(self.likeness, pairs=number[self.likeness.pairs], blank=blank)


def pictures_of(shas: Sequence[str], dhashes: Sequence[str | None]) -> tuple[Pictures, Numbers, Numbers]:
    """Images numbered by their hashes; for each entry its image, and for each image its first entry."""
    unique, first, number = np.unique(np.array(shas, "S64"), return_index=True, return_inverse=True)
    kept = [dhashes[entry] for entry in first.tolist()]
    hashes = np.array([_hash_number(text) or 0 for text in kept], np.uint64)
    known = np.array([_hash_number(text) is not None for text in kept], bool)
    return Pictures(shas=unique, hashes=hashes, known=known), number.reshape(-1), first


def numbered(names: Sequence[str]) -> tuple[list[str], Numbers]:
    """Different names in order, and for each entry the number of its name."""
    unique, number = np.unique(np.array(names, object), return_inverse=True)
    return unique.tolist(), number.reshape(-1)


def _hash_number(text: str | None) -> int | None:
    try:
        found = int(text or "", 16)
    except ValueError:
        return None
    return found if found < 1 << 64 else None


def _once(first: Numbers, second: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Each pair of numbers once, in order; `count` is more than any of the second."""
    both = np.sort(first * max(count, 1) + second)
    if len(both):
        both = both[np.r_[True, both[1:] != both[:-1]]]
    return both // max(count, 1), both % max(count, 1)


def shared_by_several(rows: Incidence) -> Numbers:
    """The images that stand in several units."""
    _, images = rows.unit_images()
    return np.flatnonzero(np.bincount(images, minlength=rows.image_count) > 1)


def holders_words(holders: Sequence[Sequence[str]]) -> str:
    """`'mug-01.jpg' ~ 'mug-02.jpg', 'kettle.jpg' and 3 more`, of the names of what holds a whole together."""
    shown = [" ~ ".join(repr(name) for name in names) for names in holders[:SHOWN]]
    more = f" and {len(holders) - SHOWN:,} more" if len(holders) > SHOWN else ""
    return ", ".join(shown) + more
