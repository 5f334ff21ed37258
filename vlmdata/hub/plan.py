"""What would go to the Hub and what stays here, each with the reason: made without the network, shown by a dry run."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlmdata.errors import ConfigError

Kind = Literal["dataset", "model"]
Content = bytes | Path | Callable[[Path], None]
"""What a file holds: its bytes, where they lie, or how they are written to a path once it is their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A file that goes: its name on the Hub, size and sha256, and why."""

    path: str
    bytes: int
    sha256: str
    why: str
    content: Content = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staying:
    """A file or folder that does not go, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a push is about.

    `owned` are patterns of file names that only such a push makes: what the Hub has under them and `going` has not is
    an earlier push's, and is taken away. `mark` is the file by which an earlier push is known. `notes` are what a
    person should know first.
    """

    kind: Kind
    going: tuple[Going, ...]
    staying: tuple[Staying, ...]
    notes: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()
    mark: str = "README.md"

    @property
    def bytes(self) -> int:
        """How much goes in all, were the Hub to have nothing of it."""
        return sum(each.bytes for each in self.going)


def of_bytes(path: str, data: bytes, why: str) -> Going:
    """A file that is made for the Hub."""
    return Going(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), why=why, content=data)


def of_file(path: str, file: Path, why: str) -> Going:
    """A file that goes as it lies here. Raises ConfigError for what is no plain file."""
    refuse_link(file)
    if not file.is_file():
        raise ConfigError(f"{file}: is no file that can be pushed")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return Going(path=path, bytes=file.stat().st_size, sha256=digest, why=why, content=file)


def refuse_link(path: Path) -> None:
    """Raise ConfigError for a symbolic link: what it leads to may not be meant to go."""
    if path.is_symlink():
        raise ConfigError(
            f"{path}: is a symbolic link to {str(path.readlink())!r}; nothing is pushed through links: put the file "
            "itself in its place"
        )


def files_below(folder: Path) -> Iterator[str]:
    """The names of all that lies below a folder and is no folder, in order; no link is followed."""
    for place, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        linked = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *linked]):
            yield (Path(place) / name).relative_to(folder).as_posix()


def staying_files(folder: Path, gone: Sequence[str], reasons: Callable[[str], str]) -> tuple[Staying, ...]:
    """What lies in a folder and does not go; many files of one folder for one reason are said in one line."""
    counted: dict[tuple[str, str], list[str]] = {}
    for name in files_below(folder):
        if name not in gone:
            why = _odd(folder / name) or reasons(name)
            top = name.partition("/")[0] + "/" if "/" in name else name
            counted.setdefault((top, why), []).append(name)
    return tuple(
        Staying(path=names[0] if len(names) == 1 else f"{top} ({len(names):,} files)", why=why)
        for (top, why), names in counted.items()
    )


def _odd(path: Path) -> str:
    if path.is_symlink():
        return "a symbolic link, which is never followed"
    return "" if stat.S_ISREG(path.lstat().st_mode) else "no plain file"
