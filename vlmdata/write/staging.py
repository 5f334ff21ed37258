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

MANIFEST = "manifest.json"


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
        swap(self.folder, self.out)

    def publish_refusal(self) -> Path:
        """Put the folder beside the output as `OUT.rejected` and leave the output alone."""
        target = beside(self.out, ".rejected")
        swap(self.folder, target)
        return target


def beside(out: Path, suffix: str) -> Path:
    """`data/shop` with the suffix `.old` is `data/shop.old`."""
    return out.with_name(f"{out.name}{suffix}")


def swap(new: Path, target: Path) -> None:
    """Rename `new` to `target`; what was there is kept as `target.old` until the new one is in place."""
    old = beside(target, ".old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def repair(out: Path) -> None:
    """Finish a swap that was interrupted: an old output without a new one goes back into its place."""
    old = beside(out, ".old")
    if old.is_dir() and (old / MANIFEST).is_file():
        if out.exists():
            shutil.rmtree(old)
        else:
            old.rename(out)


@contextmanager
def staged(out: Path, *, replace: bool) -> Iterator[Stage]:
    """A stage for an output folder, held against a second build into the same place.

    Raises OutputError where the output exists and may not be replaced, is in use, or the disk is full.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  (resolve() would follow a link at out itself)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock_file = out.with_name(f".{out.name}.lock")
        with FileLock(lock_file, timeout=0):
            repair(out)
            _refuse_existing(out, replace)
            stage = Stage(out.with_name(f".{out.name}.building"), out)
            try:
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


def _refuse_existing(out: Path, replace: bool) -> None:
    if not out.exists():
        return
    if not replace:
        raise OutputError(f"{out}: exists already; --replace puts the new dataset in its place")
    if not out.is_dir() or (any(out.iterdir()) and not _is_ours(out)):
        raise OutputError(
            f"{out}: is not a dataset that vlmdata made, so --replace leaves it alone; choose another --out"
        )


def _is_ours(out: Path) -> bool:
    try:
        return "contract" in json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
