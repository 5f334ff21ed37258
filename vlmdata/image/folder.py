"""Image references, as a source writes them, to files below one root; nothing outside the root is ever opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.image.listings import Listing, Listings, is_case_blind
from vlmdata.image.names import ImageReferenceError, is_image_name, plain, refuse_shape
from vlmdata.image.patterns import Steps

__all__ = ["ImageFolder", "ImageReferenceError"]

FOLDERS_KEPT = 20_000
NEAR_FOLDERS = 64
"""How many folders of nearly the same path are searched for a near miss."""

OPEN_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
OPEN_NO_LINK = OPEN_FILE | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
CAN_REFUSE_LINKS = hasattr(os, "O_NOFOLLOW")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a folder below the root: where it really is, and whether names in it must be looked up."""

    real: str
    listed: bool


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder of images that references are resolved in.

    Every folder on the way is resolved once; of a file it is then enough that its own name is no link. `case_blind`
    tells of each folder whether it finds files under other names than their own; there, names are looked up in a list.
    """

    root: Path
    byte_limit: int
    case_blind: Callable[[str], bool] = field(default=is_case_blind, compare=False)
    _start: str = field(init=False)
    _real_root: str = field(init=False)
    _listings: Listings = field(init=False, default_factory=Listings, compare=False)
    _known: dict[str, _Known] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not self.root.exists():
            raise SourceError(f"{self.root}: the image root does not exist; correct images.root")
        if not self.root.is_dir():
            raise SourceError(f"{self.root}: the image root is no folder")
        object.__setattr__(self, "_start", os.path.abspath(self.root))  # noqa: PTH100 - Path.resolve follows links
        object.__setattr__(self, "_real_root", os.path.realpath(self.root))

    def resolve(self, reference: str) -> Path:
        """The file that a reference names. Raises ImageReferenceError for one that leaves the root or names no file."""
        refuse_shape(reference)
        path = self._path(reference)
        if path is not None:
            real = os.path.realpath(path)
            self._refuse_outside(real, reference)
            if os.path.isfile(real):  # noqa: PTH113 - no Path is made for each image
                return Path(real)
        raise self._missing(reference)

    def read(self, reference: str) -> bytes:
        """The bytes that a reference names. Raises ImageReferenceError."""
        refuse_shape(reference)
        path = self._path(reference)
        if path is not None and CAN_REFUSE_LINKS:
            try:
                return self._read_opened(os.open(path, OPEN_NO_LINK), reference)
            except OSError:  # not there, a link, or not for us: which of these is found out below
                pass
        real = self.resolve(reference)
        try:
            return self._read_opened(os.open(real, OPEN_FILE), reference)
        except OSError as error:
            message = f"{reference!r} can't be read: {error.strerror or error}"
            raise ImageReferenceError("images.unreadable", message, "make it readable, or drop the row") from None

    def fill(self, reference: str, into: memoryview) -> bool:
        """Read a file of exactly that size into a place; False where it is none, or must be looked for more closely."""
        refuse_shape(reference)
        path = self._path(reference)
        if path is None or not CAN_REFUSE_LINKS:
            return False
        try:
            opened = os.open(path, OPEN_NO_LINK)
        except OSError:
            return False
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode) or found.st_size != len(into):
                return False
            done = 0
            while done < len(into) and (read := os.readv(opened, [into[done:]])):
                done += read
            return done == len(into)
        except OSError:
            return False
        finally:
            os.close(opened)

    def _read_opened(self, opened: int, reference: str) -> bytes:
        """The bytes of an opened file, which is closed. A file object would give up the interpreter twice as often,
        and each time may have to wait to get it back."""
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                raise self._missing(reference)
            if found.st_size > self.byte_limit:
                message = f"{reference!r} is {found.st_size:,} bytes, at most {self.byte_limit:,} are read"
                raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")
            data = os.read(opened, found.st_size)
            while len(data) < found.st_size and (more := os.read(opened, found.st_size - len(data))):
                data += more
            return data
        finally:
            os.close(opened)

    def _missing(self, reference: str) -> ImageReferenceError:
        found = "is a folder" if os.path.isdir(f"{self._start}/{reference}") else "does not exist"  # noqa: PTH112
        return ImageReferenceError("images.missing", f"{reference!r} {found}")

    def candidates(self, reference: str) -> Iterator[str]:
        """Files below the root whose paths differ from a reference in case, ending, Unicode form or slashes only."""
        *folders, name = [part for part in reference.replace("\\", "/").split("/") if part not in {"", "."}] or [""]
        if ".." in folders or not name:
            return
        starts = [""]
        for folder in folders:
            starts = [
                f"{start}{near}/"
                for start in starts
                for near in self._listing(start).near(folder)
                if os.path.isdir(f"{self._start}/{start}{near}")  # noqa: PTH112
            ][:NEAR_FOLDERS]
        for start in starts:
            for near in self._listing(start).near(name):
                if os.path.isfile(f"{self._start}/{start}{near}"):  # noqa: PTH113
                    yield f"{start}{near}"

    def matching(self, steps: Steps) -> Iterator[str]:
        """The image files below the root that a pattern's steps match; a file may come twice.

        Folders behind symbolic links are entered where the pattern names them and they lie inside the root; a link to
        a file is listed, and judged when it is read.
        """
        yield from self._matching("", steps)

    def _matching(self, start: str, steps: Steps) -> Iterator[str]:
        step, rest = steps[0], steps[1:]
        if step is None:  # `**`: this folder, and every one below it
            yield from self._matching(start, rest)
            for name in self._listing(start).folders:
                if not name.startswith("."):
                    yield from self._matching(f"{start}{name}/", steps)
            return
        for name in self._listing(start).starting_with(step.start):
            if step.matches(name):
                if rest:
                    yield from self._matching(f"{start}{name}/", rest)
                elif is_image_name(name) and not os.path.isdir(f"{self._start}/{start}{name}"):  # noqa: PTH112
                    yield f"{start}{name}"

    def _listing(self, folder: str) -> Listing:
        """The names in a folder below the root; none where it is no folder, or lies outside."""
        whole = f"{self._start}/{folder}".rstrip("/")
        return self._listings.of(whole) if self._is_inside(os.path.realpath(whole)) else Listing()

    def _path(self, reference: str) -> str | None:
        """The path that a reference means to the letter, its folders resolved; None where there can be no such file."""
        parent, _, name = plain(reference).rpartition("/")
        folder = self._known.get(parent) or self._look_at(parent, reference)
        if folder is None or name in {"", "."} or (folder.listed and name not in self._listings.of(folder.real)):
            return None
        return f"{folder.real}/{name}"

    def _look_at(self, parent: str, reference: str) -> _Known | None:
        real = os.path.realpath(f"{self._start}/{parent}")
        self._refuse_outside(real, reference)
        if not os.path.isdir(real) or not self._is_spelled(parent):  # noqa: PTH112
            return None
        if len(self._known) >= FOLDERS_KEPT:
            self._known.clear()
        self._known[parent] = known = _Known(real, listed=self.case_blind(real))
        return known

    def _is_spelled(self, folder: str) -> bool:
        """Whether every step to a folder is spelled as the folder that holds it has it."""
        start = self._start
        for part in folder.split("/") if folder else ():
            if self.case_blind(start) and part not in self._listings.of(start):
                return False
            start = f"{start}/{part}"
        return True

    def _refuse_outside(self, real: str, reference: str) -> None:
        if not self._is_inside(real):
            message = f"{reference!r} leads out of the image root through a symbolic link"
            raise ImageReferenceError("images.outside", message, "copy the file below the image root")

    def _is_inside(self, real: str) -> bool:
        return real == self._real_root or real.startswith(self._real_root.rstrip(os.sep) + os.sep)
