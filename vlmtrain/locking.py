"""One run at a time in an output folder: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlmdata.errors import OutputError


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the lock beside an output folder. Raises OutputError where another run holds it.

    A file system without locks has none: then the file alone is there, and nothing is held.
    """
    file = out.with_name(f".{out.name}.lock")
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            held = _locked(file, out)
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"{error.filename or out}: {why}; nothing was written there") from error
        if _is_still(file, held):
            break
        os.close(held)
    try:
        yield
    finally:
        _give_back(file, held)


def _locked(file: Path, out: Path) -> int:
    """The locked file's descriptor."""
    opened = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        _lock(opened)
    except (BlockingIOError, PermissionError):
        os.close(opened)
        raise OutputError(f"{out}: another run is at work there; wait for its end, or name another folder") from None
    except OSError:
        pass
    return opened


def _lock(opened: int) -> None:
    """Lock a file for this process, by flock(2) or on Windows by its first byte. Raises where another has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_back(file: Path, held: int) -> None:
    """Delete the file while it is locked, so that nobody locks it in between; Windows deletes none that is open."""
    with suppress(PermissionError):
        file.unlink(missing_ok=True)
    os.close(held)
    if sys.platform == "win32":
        with suppress(PermissionError):  # the next run has it
            file.unlink(missing_ok=True)


def _is_still(file: Path, opened: int) -> bool:
    """Whether the locked file is the one that stands there: who had it before deletes it in the end."""
    try:
        return os.path.samestat(file.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False
