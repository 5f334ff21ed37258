"""Which columns name photos, with which separator, below which folder: found by looking each reference up on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.draft.table import Column
from vlmdata.draft.words import THUMBNAIL, named

SEPARATORS = (None, "|", ";", ",", "\n", " ")
QUICK_CELLS = 24
SAMPLE_CELLS = 300
EXACT_CELLS = 5_000
MAX_FOLDERS = 2_000
MAX_DEPTH = 5
MIN_SHARE = 0.5
"""A column names photos where at least this share of its references is found."""

UNLISTED = frozenset({"node_modules", "__pycache__", "site-packages"})
Lookup = Callable[[str], int | None]
"""The size in bytes of the image file that a reference names below one folder; None where it names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoColumn:
    """A column of references, what stands between two of them, and how many were found of how many."""

    column: Column
    separator: str | None
    found: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Where a catalog's photos are. `left_out` are columns of photos that the recipe does without, and why."""

    root: Path
    columns: tuple[PhotoColumn, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def found(self) -> int:
        """References of the columns looked at that name a file."""
        return sum(column.found for column in self.columns)

    @property
    def total(self) -> int:
        """References of the columns looked at."""
        return sum(column.total for column in self.columns)

    def references(self, row: int) -> list[str]:
        """The references of one row, in order."""
        return [
            reference for column in self.columns for reference in split(column.column.values[row], column.separator)
        ]

    def names(self) -> list[str]:
        """Every reference once, in order."""
        rows = range(len(self.columns[0].column.values))
        return list(dict.fromkeys(reference for row in rows for reference in self.references(row)))


@dataclass(slots=True)
class _Folder:
    """One folder that references may start from, and what is known of each."""

    path: Path
    lookup: Lookup
    sizes: dict[str, int | None] = field(default_factory=dict)

    def size(self, reference: str) -> int | None:
        if reference not in self.sizes:
            self.sizes[reference] = self.lookup(reference)
        return self.sizes[reference]


def split(cell: str | None, separator: str | None) -> list[str]:
    """A cell's references as a build takes them apart."""
    if cell is None:
        return []
    entries = cell.split(separator) if separator else [cell]
    return [entry.strip() for entry in entries if entry.strip()]


def find_photos(columns: Sequence[Column], folders: Sequence[Path], lookup: Callable[[Path], Lookup]) -> Photos | None:
    """The folder below which most references are found, and the columns that hold them; None where there are none."""
    looking = [_Folder(path, lookup(path)) for path in folders]
    named_like_files = [column for column in columns if column.image_names >= 0.3]
    others = [column for column in columns if 0 < column.longest <= 255 and column not in named_like_files]
    for candidates, where in ((named_like_files, looking), (others, looking[:200])):
        best = _best_folder(candidates, where)
        if best is not None:
            found = [_photo_column(column, best) for column in candidates]
            kept = [column for column in found if column.total and column.found >= MIN_SHARE * column.total]
            if kept:
                return _without_repeats(best.path, kept)
    return None


def _best_folder(columns: Sequence[Column], folders: Sequence[_Folder]) -> _Folder | None:
    """The folder with the most hits; among equals the one with the larger files, then the first."""
    promising = [folder for folder in folders if _hits(columns, folder, QUICK_CELLS)[0]]
    if not promising:
        return None
    ranked = [(_hits(columns, folder, SAMPLE_CELLS), -place) for place, folder in enumerate(promising)]
    return promising[-max(ranked)[1]]


def _hits(columns: Sequence[Column], folder: _Folder, cells: int) -> tuple[int, int]:
    """How many cells hold a reference that is found in a folder, and the bytes of the files."""
    hits = size = 0
    for column in columns:
        for cell in spread([value for value in column.values if value is not None], cells):
            found = next((found for piece in _pieces(cell) if (found := folder.size(piece)) is not None), None)
            if found is not None:
                hits, size = hits + 1, size + found
    return hits, size


def _pieces(cell: str) -> Iterator[str]:
    """A cell as a reference, and as the references it may list."""
    yield cell
    if any(separator in cell for separator in SEPARATORS if separator):
        yield from split(re.sub(r"[|;,\n]", "|", cell), "|")
        yield from cell.split()


def spread(values: Sequence[str], most: int) -> Sequence[str]:
    """At most so many values, evenly spread from the first to the last."""
    if len(values) <= most:
        return values
    return [values[place * len(values) // most] for place in range(most)]


def _photo_column(column: Column, folder: _Folder) -> PhotoColumn:
    """The separator under which most references are found; none before any other, where it makes no difference."""
    cells = spread([value for value in column.values if value is not None], EXACT_CELLS)
    best: PhotoColumn | None = None
    for separator in SEPARATORS:
        if separator and not any(separator in cell for cell in cells):
            continue
        entries = [entry for cell in cells for entry in split(cell, separator)]
        found = sum(folder.size(entry) is not None for entry in entries)
        if best is None or found > best.found:
            best = PhotoColumn(column=column, separator=separator, found=found, total=len(entries))
    return best or PhotoColumn(column=column, separator=None, found=0, total=0)


def _without_repeats(root: Path, columns: list[PhotoColumn]) -> Photos:
    """Leave out small copies, and columns whose photos another column lists too; of two equal ones the first stays."""
    large = [column for column in columns if not named(column.column.name, THUMBNAIL)] or columns
    left_out = [(column.column.name, "small copies of the photos") for column in columns if column not in large]
    kept = list(large)
    for column in reversed(large):
        others = [other for other in kept if other is not column]
        repeated = next((other.column.name for other in others if _within(column, other)), None)
        if repeated is not None:
            left_out.append((column.column.name, f"its photos stand in {repeated!r} too"))
            kept = others
    return Photos(root=root, columns=tuple(kept), left_out=tuple(left_out))


def _within(small: PhotoColumn, large: PhotoColumn) -> bool:
    pairs = list(zip(small.column.values, large.column.values, strict=True))
    filled = [pair for pair in pairs if pair[0] is not None]
    inside = sum(set(split(a, small.separator)) <= set(split(b, large.separator)) for a, b in filled)
    return inside >= 0.95 * len(filled)


def folders_below(start: Path, *, depth: int = MAX_DEPTH, most: int = MAX_FOLDERS) -> list[Path]:
    """A folder and those below it, level by level in the order of their names; hidden ones and links are left out."""
    found, level = [start], [start]
    for _ in range(depth):
        level = [below for folder in level for below in _subfolders(folder)]
        found += level
        if len(found) >= most:
            return found[:most]
    return found


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".") and name not in UNLISTED]
