"""Files as CI systems name them: relative to the root of the repository that the command runs in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Places:
    """Leads from paths that are relative to `folder` to those that are relative to the repository's `root`."""

    root: Path
    folder: Path

    @classmethod
    def around(cls, folder: Path) -> Self:
        """The repository that a folder is in: the nearest folder above it with a `.git`, else the folder itself."""
        folder = folder.absolute()
        root = next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)
        return cls(root, folder)

    def path(self, place: str) -> str:
        """The path from the repository's root; as it was written where it leads out of the repository."""
        return _below(self, place) or place

    def is_inside(self, place: str) -> bool:
        """Whether a path is one of the repository's."""
        return bool(_below(self, place))

    def uri(self, place: str) -> str:
        """The same as a relative URI (a `file:` one for an absolute path outside), percent-encoded."""
        path = self.path(place)
        encoded = quote(path.encode("utf-8", "surrogatepass"), safe="/")
        return f"file://{encoded}" if path.startswith("/") else encoded


@lru_cache(maxsize=1024)
def _below(places: Places, place: str) -> str:
    """The path from the root, or nothing where it does not lie below it; many findings share a file."""
    full = Path(os.path.normpath(places.folder / place))
    return full.relative_to(places.root).as_posix() if full.is_relative_to(places.root) else ""
