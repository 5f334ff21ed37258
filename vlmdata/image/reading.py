"""References to the bytes they mean: below the image roots, in the row itself, in a tar, or at an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vlmdata.image.address_text import name_of
from vlmdata.image.address_text import shown as address_shown
from vlmdata.image.archive import ImageArchive, zip_and_folder
from vlmdata.image.data_uri import decode_data_uri, is_data_uri, shown
from vlmdata.image.folder import ImageFolder
from vlmdata.image.names import ImageReferenceError, differences, folded_path, has_scheme, natural_order, plain
from vlmdata.image.patterns import Steps, steps_of
from vlmdata.image.spool import read_run
from vlmdata.recipe import NameDifference
from vlmdata.record import Change, ImageReference, InlineImage, Location, MemberImage

Download = Callable[[str], bytes]
MATCH_LIMIT = 10_000
"""The most files that a pattern may match: more are a mistake in it."""

NEAR_LIMIT = 20
WAYS: dict[NameDifference, str] = {
    "case": "in case",
    "extension": "in its ending",
    "unicode": "in Unicode form",
    "backslash": "in its slashes",
}


class ImageRoot(Protocol):
    """A folder or an archive that images are named in."""

    def read(self, reference: str) -> bytes:
        """The bytes of a reference. Raises ImageReferenceError; `images.missing` where it has no such name."""
        ...

    def candidates(self, reference: str) -> Iterator[str]:
        """The names that nearly are a reference."""
        ...

    def matching(self, steps: Steps) -> Iterator[str]:
        """The names of images that a pattern's steps match."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """An image's bytes as they were found, what they are called, and what had to be let through to find them."""

    data: bytes
    name: str
    location: Location | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """Finds the bytes of any reference. Roots are searched in order: the first that has a name, has it."""

    roots: tuple[ImageRoot, ...]
    byte_limit: int
    accept: frozenset[NameDifference] = frozenset()
    download: Download | None = None

    def find(self, reference: ImageReference) -> Original:
        """The bytes that a reference means. Raises ImageReferenceError."""
        if isinstance(reference, InlineImage):
            self._refuse_large(len(reference.data), repr(reference.name or "the image"))
            return Original(data=reference.data, name=reference.name)
        if isinstance(reference, MemberImage):
            data = self.run(reference.location, reference.name)
            return Original(data=data, name=reference.name, location=reference.location)
        if is_data_uri(reference):
            return Original(data=decode_data_uri(reference, self.byte_limit), name="")
        if self.download is not None and reference[:8].lower().startswith(("http://", "https://")):
            return self._downloaded(reference, self.download)
        try:
            return Original(data=self._read(reference), name=plain(reference).rpartition("/")[2])
        except ImageReferenceError as error:
            if error.rule != "images.missing":
                raise
            return self._near_miss(reference, error)

    def fill(self, reference: str, into: memoryview) -> bool:
        """Read a plain file of the first root, of exactly that size, into a place; False where it is not so simple."""
        root = self.roots[0]
        try:
            return isinstance(root, ImageFolder) and not has_scheme(reference) and root.fill(reference, into)
        except ImageReferenceError:
            return False

    def run(self, place: Location, name: str) -> bytes:
        """The bytes of a place in a file. Raises ImageReferenceError."""
        self._refuse_large(place.size, repr(name))
        try:
            data = read_run(place)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else error
            message = f"{name!r} can't be read from {Path(place.file).name}: {words}"
            raise ImageReferenceError("images.unreadable", message) from None
        if len(data) != place.size:
            found = f"{len(data):,} of its {place.size:,} bytes are in {Path(place.file).name}"
            raise ImageReferenceError("images.truncated", f"{name!r} is cut short: {found}", "copy the file again")
        return data

    def matching(self, pattern: str) -> Sequence[str]:
        """The image files that a pattern matches in any root, `img2` before `img10`. Raises ImageReferenceError."""
        steps = steps_of(pattern)
        found: set[str] = set()
        for root in self.roots if steps else ():
            for name in root.matching(steps):
                found.add(name)
                if len(found) > MATCH_LIMIT:
                    message = f"the pattern {pattern!r} matches more than {MATCH_LIMIT:,} images"
                    raise ImageReferenceError("images.pattern", message, "make it narrower")
        return sorted(found, key=natural_order)

    def _read(self, reference: str) -> bytes:
        """What the first root that has the name holds. The error of the first root where none has it."""
        missing: ImageReferenceError | None = None
        for root in self.roots:
            try:
                return root.read(reference)
            except ImageReferenceError as error:
                if error.rule != "images.missing":
                    raise
                missing = missing or error
        assert missing is not None, "a reader has a root"
        raise missing

    def _downloaded(self, reference: str, download: Download) -> Original:
        data = download(reference)
        self._refuse_large(len(data), repr(address_shown(reference)))
        return Original(data=data, name=name_of(reference))

    def _near_miss(self, reference: str, missing: ImageReferenceError) -> Original:
        """The one file whose name differs in what the recipe accepts alone. Raises ImageReferenceError."""
        near = self._candidates(reference)
        accepted = [name for name in near if differences(reference, name) <= self.accept]
        if len(accepted) == 1:
            ways = ", ".join(WAYS[way] for way in WAYS if way in differences(reference, accepted[0]))
            change = Change(
                rule="images.near_miss", field="images", before=reference, after=f"{accepted[0]} (differs {ways})"
            )
            data = self._read(accepted[0])
            return Original(data=data, name=accepted[0].rpartition("/")[2], changes=(change,))
        if accepted:
            names = ", ".join(repr(name) for name in accepted[:4])
            message = f"{reference!r} does not exist, and {len(accepted)} files are nearly called so: {names}"
            raise ImageReferenceError("images.ambiguous", message, "give the name to the letter")
        raise ImageReferenceError(missing.rule, missing.message, missing.hint or self._hint(reference, near))

    def _hint(self, reference: str, near: Sequence[str]) -> str:
        """What to do about a missing image: what it could be meant to be called, or where in a zip file it is."""
        if near:
            return _near_hint(reference, near)
        archives = [root for root in self.roots if isinstance(root, ImageArchive)]
        found = [(archive, name) for archive in archives for name in archive.elsewhere(reference)]
        return _elsewhere_hint(reference, *found[0]) if len(found) == 1 else "put the file there, or correct the row"

    def _candidates(self, reference: str) -> list[str]:
        exact = plain(reference)
        found: dict[str, None] = {}
        for root in self.roots:
            for name in root.candidates(reference):
                if name != exact:
                    found[name] = None
                if len(found) > NEAR_LIMIT:
                    break
        return sorted(found)

    def _refuse_large(self, size: int, name: str) -> None:
        if size > self.byte_limit:
            message = f"{name} is {size:,} bytes, at most {self.byte_limit:,} are read"
            raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")


def _elsewhere_hint(reference: str, archive: ImageArchive, name: str) -> str:
    """Where a zip file has the one image of a name, and how a recipe says so where the folder alone is missing."""
    path = plain(reference.replace("\\", "/"))
    start, end = name[: -len(path)], name[-len(path) :]
    if not start.endswith("/") or folded_path(end) != folded_path(path):
        return f"did you mean {name!r}? correct the row"
    ways = ", ".join(way for way in WAYS if way in differences(reference, end))
    accept = f", and images.accept: [{ways}]" if ways else ""
    return f"did you mean {name!r}? set images.root: {archive.root.name}/{start.rstrip('/')}{accept}"


def _near_hint(reference: str, near: Sequence[str]) -> str:
    best = min(near, key=lambda name: (len(differences(reference, name)), name))
    ways = ", ".join(way for way in WAYS if way in differences(reference, best))
    return f"did you mean {best!r}? correct the row, or set images.accept: [{ways}]"


def open_roots(roots: Sequence[Path], byte_limit: int) -> tuple[ImageRoot, ...]:
    """The image roots: folders, zip files, and folders in zip files (`photos.zip/2024`).

    Raises SourceError for one that is not there, or is none of these.
    """
    return tuple(_open_root(root, byte_limit) for root in roots)


def _open_root(root: Path, byte_limit: int) -> ImageRoot:
    archive = zip_and_folder(root)
    if archive is not None:
        return ImageArchive(archive[0], byte_limit, archive[1])
    return ImageFolder(root, byte_limit)


def reference_shown(reference: ImageReference) -> str:
    """A reference in a message's words."""
    if isinstance(reference, str):
        if is_data_uri(reference):
            return shown(reference)
        return repr(address_shown(reference) if has_scheme(reference) else reference)
    return repr(reference.name) if reference.name else "the image"
