"""An output folder appears whole or not at all: it is made beside its place, and renamed when it is finished."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmdata.errors import OutputError


@contextmanager
def staged(out: Path, *, mark: str, replace: bool) -> Iterator[Path]:
    """A new folder to write into, which becomes `out` when the block ends well and vanishes when it does not.

    With `replace` an existing `out` makes way, but only where it is empty or holds a file `mark`, which says that it
    was made here. It is renamed to `OUT.old` and deleted once the new one stands; a swap that was interrupted in
    between is put right first. Raises OutputError.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  (resolve() would follow a link at out itself)
    stage, old = out.with_name(f".{out.name}.making"), out.with_name(f"{out.name}.old")
    try:
        _repair(out, old, mark)
        _refuse(out, old, mark, replace=replace)
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        try:
            yield stage
            if out.exists():
                out.rename(old)
            stage.rename(out)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; nothing was written there") from error


def _repair(out: Path, old: Path, mark: str) -> None:
    if (old / mark).is_file():
        if out.exists():
            shutil.rmtree(old)
        else:
            old.rename(out)


def _refuse(out: Path, old: Path, mark: str, *, replace: bool) -> None:
    for folder in (out, old):
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / mark).is_file())):
            raise OutputError(f"{folder}: holds something else (no {mark}), so it is left alone; name another folder")
    if out.exists() and not replace:
        raise OutputError(f"{out}: exists already; name another folder, or say --replace")
