"""Image references, as a source writes them, to files below one root; nothing outside the root is ever opened."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from vlmdata.errors import SourceError

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|data:", re.IGNORECASE)


class ImageReferenceError(ValueError):
    """A reference that names no file we read: `rule` is the rule's name, `hint` what to do."""

    def __init__(self, rule: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder of images that references are resolved in."""

    root: Path
    byte_limit: int
    _real_root: str = field(init=False)
    _listings: dict[Path, dict[str, str]] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise SourceError(f"{self.root}: the image root is no folder")
        object.__setattr__(self, "_real_root", os.path.realpath(self.root))

    def resolve(self, reference: str) -> Path:
        """The file that a reference names. Raises ImageReferenceError for one that leaves the root or names no file."""
        _refuse_shape(reference)
        path = self.root / reference
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._real_root]) != self._real_root:
            message = f"{reference!r} leads out of the image root through a symbolic link"
            raise ImageReferenceError("images.outside", message, "copy the file below the image root")
        try:
            if path.is_file():
                return Path(real)
            found = "is a folder" if path.is_dir() else "does not exist"
        except OSError as error:
            found = f"can't be looked up: {error.strerror}"
        raise ImageReferenceError("images.missing", f"{reference!r} {found}", self._near_miss(reference))

    def read(self, reference: str) -> bytes:
        """The bytes that a reference names. Raises ImageReferenceError."""
        path = self.resolve(reference)
        try:
            with path.open("rb") as file:
                data = file.read(self.byte_limit + 1)
        except OSError as error:
            message = f"{reference!r} can't be read: {error.strerror or error}"
            raise ImageReferenceError("images.unreadable", message) from None
        if len(data) > self.byte_limit:
            message = f"{reference!r} is {path.stat().st_size:,} bytes, at most {self.byte_limit:,} are read"
            raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")
        return data

    def _near_miss(self, reference: str) -> str:
        """A file of the same folder whose name differs in case, extension, Unicode form or a backslash only."""
        wanted = Path(reference.replace("\\", "/"))
        if ".." not in wanted.parts:
            listing = self._listing(self.root / wanted.parent)
            near = listing.get(_folded(wanted.name)) or listing.get(_folded(wanted.stem))
            if near:
                candidate = (wanted.parent / near).as_posix()
                return f"did you mean {candidate!r}? names are matched to the letter"
        return "put the file there, or correct the row"

    def _listing(self, folder: Path) -> dict[str, str]:
        """The names of a folder's files by what they are without case and Unicode form, with and without extension."""
        if folder not in self._listings:
            try:
                names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
            except OSError:
                names = []
            stems = {_folded(Path(name).stem): name for name in names}
            self._listings[folder] = stems | {_folded(name): name for name in names}
        return self._listings[folder]


def _refuse_shape(reference: str) -> None:
    """Raise ImageReferenceError for a reference that no listing of the root could hold."""
    if "\0" in reference:
        raise ImageReferenceError("images.outside", f"{reference!r} holds a NUL character")
    if ADDRESS.match(reference):
        message = f"{reference[:120]!r} is an address, and nothing is downloaded"
        raise ImageReferenceError("images.url", message, "download the file and give its path below the image root")
    windows = PureWindowsPath(reference)
    if reference.startswith(("/", "\\")) or windows.drive or ".." in windows.parts:
        message = f"{reference!r} leads out of the image root"
        raise ImageReferenceError("images.outside", message, "give a path below the image root, without '..'")
    try:
        os.fsencode(reference)
    except UnicodeEncodeError:
        raise ImageReferenceError("images.missing", f"{reference!r} is no file name") from None
    if any(len(os.fsencode(part)) > 255 for part in Path(reference).parts) or len(reference) > 4000:
        raise ImageReferenceError("images.missing", f"{reference[:120]!r} … is too long for a file name")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
