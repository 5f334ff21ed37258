"""A folder and all below it, listing by listing, in an order that no locale or file system changes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
        *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".ico", ".tga", ".psd"),
    }
)
"""Names of images. The second line is of formats that may not be opened: the build then says so, file by file."""

OF_A_BUILD = re.compile(r"\..+\.(building|building\.index|discarded|lock|lock\..+)", re.DOTALL)
"""Hidden files and folders that stand beside an output while it is built, or after a build that was interrupted."""

BUILT = frozenset({"dataset_dict.json", "manifest.json"})
"""What a built dataset's folder holds, and a folder of images does not."""

REFUSED = frozenset({"rejected.jsonl", "report.json"})
"""What `OUT.rejected` holds, the report of a build that published nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One folder. `path` is its path below the root, with slashes; empty for the root itself.

    `links` are symbolic links to folders, which are not followed: they may lead out of the root, or in a circle.
    `error` says why the folder can't be listed.
    """

    path: str
    files: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    error: str = ""

    def below(self, name: str) -> str:
        """The path, below the root, of an entry of this folder."""
        return f"{self.path}/{name}" if self.path else name


def walk(root: Path) -> Iterator[Listing]:
    """Every folder from the root down: its files before its folders, names in the order of their code points.

    What builds put below the root is not seen: their hidden files and folders, built datasets, and the reports of
    builds that were refused. A folder reads the same before and after a dataset is built into it.
    """
    waiting = [""]
    while waiting:
        listing, folders = _listed(root, waiting.pop())
        if listing.path and is_of_a_build(listing):
            continue
        waiting.extend(listing.below(name) for name in sorted(folders, reverse=True))
        yield listing


def is_of_a_build(listing: Listing) -> bool:
    """Whether a folder is a built dataset, or what a refused build left."""
    files = frozenset(listing.files)
    return files >= BUILT or (files >= REFUSED and listing.path.endswith(".rejected"))


def folders_of(root: Path) -> Collection[str]:
    """The names of the folders in a folder that are looked into, without those that builds made."""
    listing, names = _listed(root, "")
    return [name for name in names if not is_of_a_build(_listed(root, listing.below(name))[0])]


def _listed(root: Path, path: str) -> tuple[Listing, list[str]]:
    """A folder's listing, and the names of the folders in it that are to be listed too."""
    files: list[str] = []
    folders: list[str] = []
    hidden: list[str] = []
    links: list[str] = []
    try:
        with os.scandir(root / path) as entries:
            for entry in entries:
                if entry.name.startswith(".") and OF_A_BUILD.fullmatch(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    (hidden if entry.name.startswith(".") else folders).append(entry.name)
                else:
                    (links if entry.is_symlink() and entry.is_dir() else files).append(entry.name)
    except OSError as error:
        return Listing(path=path, error=error.strerror or str(error)), []
    names = [tuple(sorted(found)) for found in (files, hidden, links)]
    return Listing(path=path, files=names[0], hidden=names[1], links=names[2]), folders


def is_image_name(name: str) -> bool:
    """Whether a file is an image by its name; hidden files, such as the `._1.jpg` that macOS leaves, are none."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def is_text(name: str) -> bool:
    """Whether a name is UTF-8, as Python's names of other bytes are not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
