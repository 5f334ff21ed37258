"""Output appears whole or not at all: it is made beside its place and renamed into it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vlmdata.errors import OutputError

MANIFEST, REPORT = "manifest.json", "report.json"
REPLACED = ".being-replaced"
"""Stands in an output while a new one takes its place, so that a later run knows whose folder `OUT.old` is."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder beside the output. `work` inside it is thrown away, the rest is published."""

    folder: Path
    out: Path

    @property
    def work(self) -> Path:
        """Where the index lies while the build runs."""
        return self.folder.with_name(f"{self.folder.name}.index")

    def publish(self) -> None:
        """Put the folder in the output's place. An output that is there already goes, once the new one is in place."""
        old = beside(self.out, ".old")
        if self.out.exists():
            (self.out / REPLACED).touch()
            self.out.rename(old)
        self.folder.rename(self.out)
        repair(self.out)

    def publish_refusal(self) -> Path:
        """Put the folder beside the output as `OUT.rejected` and leave the output alone."""
        target = beside(self.out, ".rejected")
        discard(target, self.out)
        self.folder.rename(target)
        return target


def beside(out: Path, suffix: str) -> Path:
    """`data/shop` with the suffix `.old` is `data/shop.old`."""
    return out.with_name(f"{out.name}{suffix}")


def hidden(out: Path, suffix: str) -> Path:
    """`data/shop` with the suffix `.building` is `data/.shop.building`."""
    return out.with_name(f".{out.name}{suffix}")


def discard(folder: Path, out: Path) -> None:
    """Delete a folder of ours. It is renamed first, so that a deletion cut short leaves nothing that looks whole."""
    if folder.exists():
        shutil.rmtree(hidden(out, ".discarded"), ignore_errors=True)
        folder.rename(hidden(out, ".discarded"))
        shutil.rmtree(hidden(out, ".discarded"), ignore_errors=True)


def repair(out: Path) -> None:
    """Finish a replacement that was interrupted: an old output without a new one goes back into its place.

    Only a folder that holds the mark of a replacement is touched: `OUT.old` may as well be someone's own copy.
    """
    old = beside(out, ".old")
    if (old / REPLACED).is_file():
        if out.exists():
            discard(old, out)
        else:
            old.rename(out)
    if out.is_dir():
        (out / REPLACED).unlink(missing_ok=True)


@contextmanager
def staged(out: Path, *, replace: bool) -> Iterator[Stage]:
    """A stage for an output folder, held against a second build into the same place.

    Raises OutputError where the output exists and may not be replaced, is in use, or the disk is full.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  (resolve() would follow a link at out itself)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock_file = hidden(out, ".lock")
        with FileLock(lock_file, timeout=0):
            stage = Stage(hidden(out, ".building"), out)
            try:
                repair(out)
                _refuse_existing(out, replace)
                _clear(stage)
                stage.folder.mkdir()
                stage.work.mkdir()
                yield stage
            finally:
                _clear(stage)
                lock_file.unlink(missing_ok=True)
    except Timeout:
        raise OutputError(f"{out}: another build is writing here; wait for it, or choose another --out") from None
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; nothing was published") from error


def _clear(stage: Stage) -> None:
    shutil.rmtree(stage.folder, ignore_errors=True)
    shutil.rmtree(stage.work, ignore_errors=True)
    shutil.rmtree(hidden(stage.out, ".discarded"), ignore_errors=True)


def _refuse_existing(out: Path, replace: bool) -> None:
    rejected, old = beside(out, ".rejected"), beside(out, ".old")
    if rejected.exists() and not (rejected / REPORT).is_file():
        raise OutputError(f"{rejected}: is in the way, since a refused build would put its report there")
    if out.is_symlink():
        raise OutputError(f"{out}: is a symbolic link; name the folder that it points to")
    if not out.exists():
        return
    if not replace:
        raise OutputError(f"{out}: exists already; --replace puts the new dataset in its place")
    if not out.is_dir() or (any(out.iterdir()) and not _is_ours(out)):
        raise OutputError(
            f"{out}: is not a dataset that vlmdata made, so --replace leaves it alone; choose another --out"
        )
    if old.exists():
        raise OutputError(
            f"{old}: is in the way, since {out.name} is kept there while it is replaced; move it elsewhere"
        )


def _is_ours(out: Path) -> bool:
    try:
        return "contract" in json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
