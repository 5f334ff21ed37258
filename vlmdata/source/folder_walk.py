"""A folder and all below it, listing by listing, in an order that no locale or file system changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"),
        *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".svg", ".ico", ".tga", ".psd"),
    }
)
"""Names of images. The second line is of formats that may not be opened: the build then says so, file by file."""


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
    """Every folder from the root down: its files before its folders, names in the order of their code points."""
    waiting = [""]
    while waiting:
        listing, folders = _listed(root, waiting.pop())
        waiting.extend(listing.below(name) for name in sorted(folders, reverse=True))
        yield listing


def _listed(root: Path, path: str) -> tuple[Listing, list[str]]:
    """A folder's listing, and the names of the folders in it that are to be listed too."""
    files: list[str] = []
    folders: list[str] = []
    hidden: list[str] = []
    links: list[str] = []
    try:
        with os.scandir(root / path) as entries:
            for entry in entries:
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
