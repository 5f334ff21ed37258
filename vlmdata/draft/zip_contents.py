"""What a zip file holds, said in words to somebody who asks for a recipe of it: only names are read."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from vlmdata.draft.table import FILE_NAME

ROWS = frozenset(
    {
        *(".csv", ".tsv", ".tab", ".psv", ".jsonl", ".ndjson", ".json", ".parquet", ".tar"),
        *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    }
)
"""Endings of files that rows may be read from."""


def zip_words(path: Path) -> str:
    """Why a zip file makes no recipe, what is in it, and what to do."""
    try:
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if _counts(name)]
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return f"{path}: is called a zip file and can't be read as one; copy or download it again"
    photos = sum(FILE_NAME.search(name) is not None for name in names)
    tables = sorted(name for name in names if PurePosixPath(name).suffix.lower() in ROWS)
    held = f"{photos:,} photo{'s' if photos != 1 else ''}" if photos else "no photos"
    if tables:
        more = f" and {len(tables) - 1:,} more such file{'s' if len(tables) > 2 else ''}" if len(tables) > 1 else ""
        return (
            f"{path}: is a zip file, from which no rows are read; in it are {tables[0]!r}{more} and {held}: unpack it, "
            "and run vlmdata init on the folder"
        )
    if not photos:
        return f"{path}: is a zip file with neither a table nor photos in it ({len(names):,} other files)"
    return (
        f"{path}: is a zip file with {held} and no table in it; a recipe can take photos from it as it is, and needs a "
        "table that names them: run vlmdata init on the table, with the zip beside it. Where captions stand beside the "
        "photos, or folders are called as what they show, unpack it, and run vlmdata init on the folder"
    )


def _counts(name: str) -> bool:
    """Whether a member is a file that somebody put there: no folder, nothing hidden, nothing that macOS adds."""
    path = PurePosixPath(name)
    return not name.endswith("/") and not any(part.startswith((".", "__MACOSX")) for part in path.parts)
