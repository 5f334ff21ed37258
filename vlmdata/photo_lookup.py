"""Images looked up for a draft, by the rules that a build resolves them with, without being read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from vlmdata.convert.image_references import ImageValueError, references
from vlmdata.draft.photos import Hit, Lookup
from vlmdata.draft.table import IMAGE_STARTS
from vlmdata.errors import SourceError
from vlmdata.image.archive import ImageArchive, zip_and_folder
from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.names import differences, is_image_name, plain
from vlmdata.recipe import ImagePlace, ImagesConfig
from vlmdata.record import ImageReference, InlineImage

BYTE_LIMIT = ImagesConfig().byte_limit
MAX_ZIPS = 20
MAX_ZIP_FOLDERS = 12
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
        if (zipped := zip_and_folder(root)) is not None:
            return _with_inline(_in_zip(*zipped)[0])
        folder = _folder(root)
        return _with_inline(_in_folder(folder) if folder is not None else _nowhere)

    def nearly(self, root: Path) -> Lookup:
        """Images whose names may differ in what a recipe can accept; the one that does, where only one does."""
        if (zipped := zip_and_folder(root)) is not None:
            exact, candidates = _in_zip(*zipped)
        elif (folder := _folder(root)) is not None:
            exact, candidates = _in_folder(folder), folder.candidates
        else:
            return _with_inline(_nowhere)

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


def _folder(root: Path) -> ImageFolder | None:
    """A folder of images; None where it has vanished since it was seen."""
    try:
        return ImageFolder(root, BYTE_LIMIT)
    except SourceError:
        return None


def _nowhere(_: str) -> Hit | None:
    return None


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
        try:
            if not os.path.isfile(folder.root / reference):  # noqa: PTH113 - a name that no file can have is False
                return None
            path = folder.resolve(reference)
            return Hit(size=path.stat().st_size) if _is_image(path) else None
        except (ImageReferenceError, OSError):
            return None

    return hit


def _in_zip(root: Path, inside: str) -> tuple[Callable[[str], Hit | None], Callable[[str], Iterable[str]]]:
    """Images of a zip file, or of a folder in it."""
    sizes = zip_sizes(root)

    def hit(reference: str) -> Hit | None:
        path = plain(reference)
        first, _, rest = path.partition("/")
        size = sizes.get(inside + path, sizes.get(rest) if first == root.stem and not inside else None)
        return Hit(size=size) if size is not None else None

    @cache
    def archive() -> ImageArchive:
        return ImageArchive(root, BYTE_LIMIT, inside)

    return hit, lambda reference: archive().candidates(reference)


def zip_sizes(path: Path) -> dict[str, int]:
    """The sizes of the images in a zip file by name; none where it can't be read."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return _sizes_at(path, (found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=MAX_ZIPS)
def _sizes_at(path: Path, _: tuple[int, int]) -> dict[str, int]:
    """The sizes of the images in a file of some size and time."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {each.filename: each.file_size for each in archive.infolist() if _is_image_member(each.filename)}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return {}


def zips_of_photos(folders: Sequence[Path]) -> list[Path]:
    """The zip files in some folders that hold images, in order, each before the folders in it that hold some."""
    found: list[Path] = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.lower().endswith(".zip"))
        except OSError:
            continue
        found += [folder / name for name in names if _readable(folder / name)]
        if len(found) >= MAX_ZIPS:
            break
    return [place for path in found[:MAX_ZIPS] for place in (path, *_folders_in(path))]


def _folders_in(path: Path) -> list[Path]:
    """The folders of a zip file below which images are, the highest first."""
    found: dict[str, None] = {}
    for name in zip_sizes(path):
        parts = name.split("/")[:-1]
        found.update(dict.fromkeys("/".join(parts[: count + 1]) for count in range(len(parts))))
    kept = [name for name in found if not {"", ".", ".."} & set(name.split("/")) and not name.startswith("__MACOSX")]
    return [path / name for name in sorted(kept, key=lambda name: (name.count("/"), name))[:MAX_ZIP_FOLDERS]]


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
