"""An output folder appears whole or not at all: it is made beside its place, and renamed when it is finished."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmdata.errors import OutputError
from vlmtrain.locking import alone_in


@contextmanager
def staged(
    out: Path,
    *,
    mark: str,
    replace: bool,
    resume: bool = False,
    worth_keeping: Callable[[Path], bool] = lambda _: False,
) -> Iterator[Path]:
    """A new folder to write into, which becomes `out` when the block ends well and vanishes when it does not.

    With `replace` an existing `out` makes way, but only where it is empty or holds a file `mark`, which says that it
    was made here. It is renamed to `OUT.old` and deleted once the new one stands; a swap that was interrupted in
    between is put right first. What is `worth_keeping` stays where the block fails, and `resume` goes on in it.
    Raises OutputError.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  (resolve() would follow a link at out itself)
    with alone_in(out):
        yield from _staged(out, mark=mark, replace=replace, resume=resume, worth_keeping=worth_keeping)


def _staged(
    out: Path, *, mark: str, replace: bool, resume: bool, worth_keeping: Callable[[Path], bool]
) -> Iterator[Path]:
    stage, old = stage_of(out), out.with_name(f"{out.name}.old")
    try:
        _repair(out, old, mark)
        _refuse(out, old, mark, replace=replace)
        _refuse_stage(out, stage, kept=stage.is_dir() and worth_keeping(stage), resume=resume, replace=replace)
        if not resume:
            shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True, exist_ok=resume)
        try:
            yield stage
            if out.exists():
                out.rename(old)
            stage.rename(out)
        finally:
            if stage.is_dir() and not worth_keeping(stage):
                shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; nothing was written there") from error


def stage_of(out: Path) -> Path:
    """The folder beside `out` that it is made in."""
    return out.with_name(f".{out.name}.making")


def _refuse_stage(out: Path, stage: Path, *, kept: bool, resume: bool, replace: bool) -> None:
    if resume and not kept:
        raise OutputError(f"{out}: there is nothing to go on with, no checkpoint was kept; leave out --resume")
    if kept and not resume and not replace:
        raise OutputError(
            f"{out}: was interrupted, and its checkpoints are kept in {stage.name}; --resume goes on, --replace begins "
            "again"
        )


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
