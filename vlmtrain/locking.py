"""One run at a time in an output folder: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmdata.errors import OutputError


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the lock beside an output folder. Raises OutputError where another run holds it.

    A file system without locks, and Windows, have none: then nothing is held.
    """
    file = out.with_name(f".{out.name}.lock")
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            held = _lock(file, out)
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"{error.filename or out}: {why}; nothing was written there") from error
        if held is None or _is_still(file, held):
            break
        os.close(held)
    try:
        yield
    finally:
        if held is not None:
            file.unlink(missing_ok=True)
            os.close(held)


def _lock(file: Path, out: Path) -> int | None:
    """The locked file's descriptor, or None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    opened = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise OutputError(f"{out}: another run is at work there; wait for its end, or name another folder") from None
    except OSError:
        pass
    return opened


def _is_still(file: Path, opened: int) -> bool:
    """Whether the locked file is the one that stands there: who had it before deletes it in the end."""
    try:
        return os.path.samestat(file.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False
