"""Who holds a journal's lock: its process number stands in the lock's file, for whoever finds it taken."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def put_down(lock_file: str) -> None:
    """Write this process's number into a lock that it holds. Windows lets nobody write there; then it stays empty."""
    with suppress(OSError):
        Path(lock_file).write_text(str(os.getpid()), encoding="ascii")


def holder_of(lock_file: str) -> str:
    """The holder in a message's words, with a space before them; nothing where it can't be told."""
    try:
        number = int(Path(lock_file).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""
    if number <= 0:
        return ""
    return f" (process {number})" if _runs(number) else f" (process {number}, which runs on another machine)"


def _runs(number: int) -> bool:
    """Whether a process of this machine has a number. Windows has no way to ask that ends nothing."""
    if os.name != "posix":
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
