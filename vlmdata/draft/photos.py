"""Which columns name photos, with which separator, below which folders: found by looking each reference up on disk."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from vlmdata.draft.table import Column
from vlmdata.draft.words import THUMBNAIL, named
from vlmdata.recipe import NameDifference
from vlmdata.record import ImageReference

SEPARATORS = (None, "|", ";", ",", "\n", " ")
QUICK_CELLS = 24
SAMPLE_CELLS = 300
EXACT_CELLS = 5_000
MAX_FOLDERS = 2_000
MAX_DEPTH = 5
MAX_ROOTS = 4
MIN_SHARE = 0.5
"""A column names photos where at least this share of its references is found."""

FURTHER_SHARE = 0.02
"""A further root must have at least this share of all references."""

MAX_ENTRIES = 500_000
"""So many entries are looked at below a folder; what stands behind them is not seen."""

UNLISTED = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An image that a reference names: its size in bytes, and in what ways the names differ."""

    size: int
    ways: frozenset[NameDifference] = frozenset()


Lookup = Callable[[ImageReference], Hit | None]
"""The image that a reference names below one root; None where it names none."""


class Looking(Protocol):
    """How a build looks for images, lent to the draft."""

    def entries(self, value: Any, separator: str | None) -> Sequence[ImageReference]:
        """The references of a column's value, taken apart as a build does."""
        ...

    def exactly(self, root: Path) -> Lookup:
        """Images below a folder, or in a zip file, whose names are the same to the letter."""
        ...

    def nearly(self, root: Path) -> Lookup:
        """Images whose names may differ in what a recipe can accept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoColumn:
    """A column of references, what stands between two of them, and how many were found of how many."""

    column: Column
    separator: str | None
    found: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPattern:
    """Photos whose names begin with a column's value (`glob`), or that stand in a folder called so (`folder`).

    `text` is the template; `found` counts rows that have photos so, of `total`.
    """

    column: Column
    kind: str
    text: str
    found: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Where a catalog's photos are. No `roots` where the rows hold the images themselves.

    `rows` are the references of each row; `left_out` are columns of photos that the recipe does without, and why;
    `accepted` counts the references that name a file only with such differences.
    """

    roots: tuple[Path, ...]
    places: tuple[PhotoColumn | PhotoPattern, ...]
    rows: Sequence[Sequence[ImageReference]]
    left_out: tuple[tuple[str, str], ...] = ()
    accepted: Counter[NameDifference] = field(default_factory=Counter)

    @property
    def found(self) -> int:
        """References, of those looked at, that name a file."""
        return sum(place.found for place in self.places)

    @property
    def total(self) -> int:
        """References that were looked at."""
        return sum(place.total for place in self.places)

    @property
    def named(self) -> set[str]:
        """The columns that are not for text: those of references, and those left out."""
        columns = {place.column.name for place in self.places if isinstance(place, PhotoColumn)}
        return columns | {name for name, _ in self.left_out}


@dataclass(slots=True)
class _Root:
    """One folder or zip file that references may start from, and what is known of each."""

    path: Path
    lookup: Lookup
    hits: dict[ImageReference, Hit | None] = field(default_factory=dict)

    def hit(self, reference: ImageReference) -> Hit | None:
        if reference not in self.hits:
            self.hits[reference] = self.lookup(reference)
        return self.hits[reference]


@dataclass(slots=True)
class _Roots:
    """Several roots, searched as a build does: names to the letter in any of them come before near ones."""

    roots: list[_Root]

    def hit(self, reference: ImageReference) -> Hit | None:
        hits = [hit for root in self.roots if (hit := root.hit(reference)) is not None]
        return next((hit for hit in hits if not hit.ways), hits[0] if len(hits) == 1 else None)


def find_photos(columns: Sequence[Column], places: Sequence[Path], looking: Looking) -> Photos | None:
    """The roots below which most references are found, and the columns that hold them; None where there are none.

    `places` are folders and zip files. Names to the letter are looked for first.
    """
    like_files = [column for column in columns if column.image_names >= 0.3]
    others = [column for column in columns if 0 < column.longest <= 255 and column not in like_files]
    for candidates, where, lookup in (
        (like_files, places, looking.exactly),
        (like_files, places[:200], looking.nearly),
        (others, places[:200], looking.exactly),
    ):
        roots = _best_roots(candidates, [_Root(path, lookup(path)) for path in where], looking)
        if roots is not None:
            near = _Roots([_Root(root.path, looking.nearly(root.path)) for root in roots.roots])
            found = [_photo_column(column, near, looking) for column in candidates]
            kept = [column for column in found if column.total and column.found >= MIN_SHARE * column.total]
            if kept:
                return _photos(kept, near, looking)
    return None


def _best_roots(columns: Sequence[Column], roots: Sequence[_Root], looking: Looking) -> _Roots | None:
    """The root with the most hits, and further ones for what is not found there."""
    cells = [value for column in columns for value in spread(_filled(column), SAMPLE_CELLS)]
    chosen: list[_Root] = []
    rest = cells
    while rest and len(chosen) < MAX_ROOTS:
        best = _best_root(rest, [root for root in roots if root not in chosen], looking)
        if best is None or (chosen and best[1] < max(2, FURTHER_SHARE * len(cells))):
            break
        chosen.append(best[0])
        rest = [cell for cell in rest if _first_hit(cell, best[0], looking) is None]
    return _Roots(chosen) if chosen else None


def _best_root(cells: Sequence[Any], roots: Sequence[_Root], looking: Looking) -> tuple[_Root, int] | None:
    """The root with the most hits, and their number; among equals the one with the larger files, then the first."""
    quick = spread(cells, QUICK_CELLS)
    promising = [root for root in roots if any(_first_hit(cell, root, looking) is not None for cell in quick)]
    ranked = []
    for place, root in enumerate(promising):
        hits = [hit for cell in cells if (hit := _first_hit(cell, root, looking)) is not None]
        ranked.append((len(hits), sum(hit.size for hit in hits), -place))
    if not ranked:
        return None
    count, _, place = max(ranked)
    return promising[-place], count


def _first_hit(cell: Any, root: _Root, looking: Looking) -> Hit | None:
    return next((hit for piece in _pieces(cell, looking) if (hit := root.hit(piece)) is not None), None)


def _pieces(cell: Any, looking: Looking) -> Iterator[ImageReference]:
    """A value as a reference, and as the references it may list."""
    yield from looking.entries(cell, None)
    if isinstance(cell, str) and any(separator in cell for separator in SEPARATORS if separator):
        yield from looking.entries(re.sub(r"[|;,\n]", "|", cell), "|")
        yield from cell.split()


def _filled(column: Column) -> list[Any]:
    return [value for value in column.values if value is not None]


def spread(values: Sequence[Any], most: int) -> Sequence[Any]:
    """At most so many values, evenly spread from the first to the last."""
    if len(values) <= most:
        return values
    return [values[place * len(values) // most] for place in range(most)]


def _photo_column(column: Column, roots: _Roots, looking: Looking) -> PhotoColumn:
    """The separator under which most references are found; none before any other, where it makes no difference."""
    cells = spread(_filled(column), EXACT_CELLS)
    best: PhotoColumn | None = None
    for separator in SEPARATORS:
        if separator and not any(isinstance(cell, str) and separator in cell for cell in cells):
            continue
        entries = [entry for cell in cells for entry in looking.entries(cell, separator)]
        found = sum(roots.hit(entry) is not None for entry in entries)
        if best is None or found > best.found:
            best = PhotoColumn(column=column, separator=separator, found=found, total=len(entries))
    return best or PhotoColumn(column=column, separator=None, found=0, total=0)


def _photos(columns: list[PhotoColumn], roots: _Roots, looking: Looking) -> Photos:
    """Leave out small copies, and columns whose photos another column lists too; of two equal ones the first stays."""
    large = [column for column in columns if not named(column.column.name, THUMBNAIL)] or columns
    left_out = [(column.column.name, "small copies of the photos") for column in columns if column not in large]
    kept = list(large)
    for column in reversed(large):
        others = [other for other in kept if other is not column]
        repeated = next((other.column.name for other in others if _within(column, other, looking)), None)
        if repeated is not None:
            left_out.append((column.column.name, f"its photos stand in {repeated!r} too"))
            kept = others
    rows = [
        [entry for each in kept for entry in looking.entries(each.column.values[row], each.separator)]
        for row in range(len(kept[0].column.values))
    ]
    hits = [hit for entries in rows for entry in entries if (hit := roots.hit(entry)) is not None]
    used = any(isinstance(entry, str) and entry[:5].lower() != "data:" for entries in rows for entry in entries)
    return Photos(
        roots=tuple(root.path for root in roots.roots) if used else (),
        places=tuple(kept),
        rows=rows,
        left_out=tuple(left_out),
        accepted=Counter(way for hit in hits for way in hit.ways),
    )


def _within(small: PhotoColumn, large: PhotoColumn, looking: Looking) -> bool:
    pairs = list(zip(small.column.values, large.column.values, strict=True))
    filled = [pair for pair in pairs if pair[0] is not None]
    inside = sum(
        set(looking.entries(a, small.separator)) <= set(looking.entries(b, large.separator)) for a, b in filled
    )
    return inside >= 0.95 * len(filled)


def folders_below(start: Path, *, depth: int = MAX_DEPTH, most: int = MAX_FOLDERS) -> list[Path]:
    """A folder and those below it, level by level in the order of their names.

    Hidden ones, links, and what a build has written are left out.
    """
    found, level, room = [start], [start], MAX_ENTRIES
    for _ in range(depth):
        above, level = level, []
        for folder in above:
            below, seen = _subfolders(folder, room)
            level += below
            room -= seen
            if room <= 0 or len(found) + len(level) >= most:
                return [*found, *level][:most]
        found += level
    return found


def _subfolders(folder: Path, most: int) -> tuple[list[Path], int]:
    """The folders in a folder, of its first entries, and how many entries were looked at."""
    names, seen = [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, most):
                seen += 1
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
    except OSError:
        return [], seen
    below = [folder / name for name in sorted(names) if name not in UNLISTED]
    return [each for each in below if not is_output(each)], seen


def is_output(folder: Path) -> bool:
    """Whether a build has written a folder: a dataset, or what it rejected."""
    if (folder / "rejected.jsonl").is_file():
        return True
    return (folder / "manifest.json").is_file() and (folder / "dataset_dict.json").is_file()
