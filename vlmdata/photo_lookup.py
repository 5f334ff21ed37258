"""Images looked up for a draft, by the rules that a build resolves them with, without being read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vlmdata.convert.image_references import ImageValueError, references
from vlmdata.draft.photos import Hit, Lookup
from vlmdata.draft.table import IMAGE_STARTS
from vlmdata.errors import SourceError
from vlmdata.image.archive import ImageArchive
from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.names import differences, is_image_name, plain
from vlmdata.recipe import ImagePlace, ImagesConfig
from vlmdata.record import ImageReference, InlineImage

BYTE_LIMIT = ImagesConfig().byte_limit
MAX_ZIPS = 20
NO_NAME = "\0"


class PhotoLookup:
    """How a build looks for images: the entries of a value, and what they name below a root."""

    def entries(self, value: Any, separator: str | None) -> Sequence[ImageReference]:
        """The references of a column's value; one that names no file where the value can't name images."""
        if value is None:
            return ()
        try:
            return references({"column": value}, ImagePlace(column="column", separator=separator), _no_names)
        except ImageValueError:
            return (NO_NAME,)

    def exactly(self, root: Path) -> Lookup:
        """Images whose names are the same to the letter."""
        return _with_inline(_in_zip(root)[0] if root.is_file() else _in_folder(ImageFolder(root, BYTE_LIMIT)))

    def nearly(self, root: Path) -> Lookup:
        """Images whose names may differ in what a recipe can accept; the one that does, where only one does."""
        if root.is_file():
            exact, candidates = _in_zip(root)
        else:
            folder = ImageFolder(root, BYTE_LIMIT)
            exact, candidates = _in_folder(folder), folder.candidates

        def hit(reference: str) -> Hit | None:
            found = exact(reference)
            if found is not None or "\0" in reference or len(reference) > 1_000:
                return found
            near = {name for name in candidates(reference) if name != plain(reference)}
            if len(near) != 1:
                return None
            (name,) = near
            other = exact(name)
            return Hit(size=other.size, ways=differences(reference, name)) if other is not None else None

        return _with_inline(hit)


def _no_names(pattern: str) -> Sequence[str]:
    raise ImageValueError("images.pattern", "", f"no names are looked up for {pattern!r}")


def _with_inline(lookup: Callable[[str], Hit | None]) -> Lookup:
    """A lookup that also knows the images which the row itself holds."""

    @cache
    def hit(reference: ImageReference) -> Hit | None:
        if isinstance(reference, InlineImage):
            return Hit(size=len(reference.data)) if reference.data.startswith(IMAGE_STARTS) else None
        if not isinstance(reference, str):
            return None
        if reference[:5].lower() == "data:":
            return Hit(size=len(reference)) if reference[:11].lower() == "data:image/" else None
        return lookup(reference)

    return hit


def _in_folder(folder: ImageFolder) -> Callable[[str], Hit | None]:
    def hit(reference: str) -> Hit | None:
        if not os.path.isfile(folder.root / reference):  # noqa: PTH113 - a name that no file can have is False
            return None
        try:
            path = folder.resolve(reference)
            return Hit(size=path.stat().st_size) if _is_image(path) else None
        except (ImageReferenceError, OSError):
            return None

    return hit


def _in_zip(root: Path) -> tuple[Callable[[str], Hit | None], Callable[[str], Iterable[str]]]:
    archive = ImageArchive(root, BYTE_LIMIT)
    sizes = zip_sizes(root)

    def hit(reference: str) -> Hit | None:
        path = plain(reference)
        first, _, rest = path.partition("/")
        size = sizes.get(path, sizes.get(rest) if first == root.stem else None)
        return Hit(size=size) if size is not None else None

    return hit, archive.candidates


def zip_sizes(path: Path) -> dict[str, int]:
    """The sizes of the images in a zip file by name; none where it can't be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {each.filename: each.file_size for each in archive.infolist() if _is_image_member(each.filename)}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return {}


def zips_of_photos(folders: Sequence[Path]) -> list[Path]:
    """The zip files in some folders that hold images, in order."""
    found: list[Path] = []
    for folder in folders:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(".zip"))
        found += [folder / name for name in names if _readable(folder / name)]
        if len(found) >= MAX_ZIPS:
            break
    return found[:MAX_ZIPS]


def _readable(path: Path) -> bool:
    if not zip_sizes(path):
        return False
    try:
        ImageArchive(path, BYTE_LIMIT)
    except SourceError:
        return False
    return True


def _is_image(path: Path) -> bool:
    if is_image_name(path.name):
        return True
    with path.open("rb") as file:
        return file.read(8).startswith(IMAGE_STARTS)


def _is_image_member(name: str) -> bool:
    return is_image_name(name.rpartition("/")[2])
