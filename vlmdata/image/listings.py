"""The names in folders, each folder read once and kept while there is room."""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from vlmdata.image.names import folded

NAMES_KEPT = 1_000_000
"""How many names are kept in all, at some 200 bytes each."""


@dataclass(slots=True)
class Listing:
    """A folder's names, sorted, those of them that are folders, and all by their folded form once somebody asks."""

    names: Sequence[str] = ()
    folders: Sequence[str] = ()
    _by_folded: dict[str, list[str]] | None = None

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self.names, name)
        return place < len(self.names) and self.names[place] == name

    def starting_with(self, prefix: str) -> Iterator[str]:
        """The names that start with a prefix, in order."""
        for place in range(bisect_left(self.names, prefix), len(self.names)):
            if not self.names[place].startswith(prefix):
                return
            yield self.names[place]

    def near(self, name: str) -> Sequence[str]:
        """The names whose folded form a name has, or has once its own ending is taken off."""
        if self._by_folded is None:
            found: dict[str, list[str]] = {}
            for each in self.names:
                found.setdefault(folded(each), []).append(each)
            self._by_folded = found
        return self._by_folded.get(folded(name), ())


@dataclass(slots=True)
class Listings:
    """Listings of folders by path, the longest unused dropped first."""

    names_kept: int = NAMES_KEPT
    _kept: OrderedDict[str, Listing] = field(default_factory=OrderedDict)
    _names: int = 0
    _lock: Lock = field(default_factory=Lock)

    def of(self, folder: str) -> Listing:
        """A folder's listing; an empty one where it can't be read."""
        with self._lock:
            if folder in self._kept:
                self._kept.move_to_end(folder)
                return self._kept[folder]
        listing = _read(folder)
        with self._lock:
            self._keep(folder, listing)
        return listing

    def _keep(self, folder: str, listing: Listing) -> None:
        if folder in self._kept:
            return
        self._kept[folder] = listing
        self._names += len(listing.names)
        while self._names > self.names_kept and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._names -= len(dropped.names)


def _read(folder: str) -> Listing:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return Listing()
    return Listing([name for name, _ in found], [name for name, is_folder in found if is_folder])


def is_case_blind(folder: str) -> bool:
    """Whether a folder may find a file under another name than its own: in other case, or another Unicode form.

    macOS and Windows always may; elsewhere one of the folder's own names is tried in the other case.
    """
    if sys.platform in {"darwin", "win32"}:
        return True
    try:
        with os.scandir(folder) as entries:
            for tried, entry in enumerate(entries):
                other = entry.name.swapcase()
                if other != entry.name:
                    return _same(entry.path, os.path.join(folder, other))  # noqa: PTH118
                if tried > 1000:
                    return True
    except OSError:
        pass
    return False


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False
