"""Which zip of a benchmark a missing image is in, for who has downloaded only some of them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


@dataclass(slots=True)
class BenchmarkZips:
    """The first folders of image paths, and whether the image roots have them: as a zip, a folder, or inside a zip."""

    roots: tuple[Path, ...]
    _there: dict[str, bool] = field(default_factory=dict)

    def missing(self, reference: str) -> str:
        """The zip, without its ending, that a reference's image must be in and that is not there; else nothing."""
        folder, _, rest = reference.removeprefix("./").partition("/")
        if not rest or folder in {"", ".."}:
            return ""
        if folder not in self._there:
            self._there[folder] = any(_holds(root, folder) for root in self.roots)
        return "" if self._there[folder] else folder


def _holds(root: Path, folder: str) -> bool:
    """Whether a root has a folder, or is the zip that has the folder's name. A broken zip is the reader's to report."""
    if root.suffix.lower() != ".zip":
        return (root / folder).is_dir()
    if root.stem == folder:
        return True
    try:
        with zipfile.ZipFile(root) as archive:
            return any(PurePosixPath(name).parts[:1] == (folder,) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return True
