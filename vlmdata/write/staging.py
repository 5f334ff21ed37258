"""Output appears whole or not at all: it is made beside its place and renamed into it."""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vlmdata.errors import OutputError

MANIFEST, REPORT = "manifest.json", "report.json"
SECONDS_TO_BEGIN = 30
GO_ON = "what was finished is kept, and the same command goes on from there"
REPLACED = ".being-replaced"
"""Stands in an output while a new one takes its place, so that a later run knows whose folder `OUT.old` is."""


@dataclass(slots=True)
class Stage:
    """A folder beside the output, which is published when it is whole, and `work`, which never is.

    `resumable` says that both are worth keeping when the build stops on its way, or is refused before it begins.
    """

    folder: Path
    out: Path
    resumable: bool = False

    @classmethod
    def of(cls, out: Path) -> Stage:
        """The stage of an output. Raises OutputError where the output can be none."""
        out = placed(out)
        return cls(hidden(out, ".building"), out)

    @property
    def work(self) -> Path:
        """Where the journal and the index lie while the build runs."""
        return self.folder.with_name(f"{self.folder.name}.index")

    def clear(self) -> None:
        """Throw away what an earlier build left here, and begin anew."""
        self.resumable = False
        _clear(self)
        self.begin()

    def begin(self) -> None:
        """Make both folders, or take those of an interrupted build."""
        self.folder.mkdir(exist_ok=True)
        self.work.mkdir(exist_ok=True)

    def publish(self) -> None:
        """Put the folder in the output's place. An output that is there already goes, once the new one is in place."""
        old = beside(self.out, ".old")
        if self.out.exists():
            (self.out / REPLACED).touch()
            self.out.rename(old)
        self.folder.rename(self.out)
        self.resumable = False
        repair(self.out)

    def publish_refusal(self) -> Path:
        """Put the folder beside the output as `OUT.rejected` and leave the output alone."""
        target = beside(self.out, ".rejected")
        discard(target, self.out)
        self.folder.rename(target)
        return target


def is_kept(out: Path) -> bool:
    """Whether a build that stopped has left something to go on from."""
    return Stage.of(out).work.is_dir()


def placed(out: Path) -> Path:
    """An output's place as it stays when the current folder is another; a link at its end is not followed.

    Raises OutputError for a place beside which nothing can stand.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100  (resolve() would follow a link at out itself)
    if not out.name:
        raise OutputError(f"{out}: can't be an output; name a folder in it")
    return out


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
    stage = Stage.of(out)
    out = stage.out
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock_file = hidden(out, ".lock")
        with _whole(out, 0):
            try:
                # What an interrupted build left survives a command that is refused; a published one left no folder.
                stage.resumable = stage.folder.is_dir() and stage.work.is_dir()
                _refuse_shards_under_way(out)
                repair(out)
                _refuse_existing(out, replace)
                stage.begin()
                yield stage
            finally:
                if not stage.resumable:
                    _clear(stage)
                _unlink(lock_file)
    except Timeout:
        raise OutputError(f"{out}: another build is writing here; wait for it, or choose another --out") from None
    except OSError as error:
        kept = f"; {GO_ON}" if stage.resumable else ""
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; nothing was published{kept}") from error


@contextmanager
def shared_stage(
    out: Path, name: str, *, fits: Callable[[Stage], bool], begin: Callable[[Stage], None]
) -> Iterator[Stage]:
    """The stage of an output that several processes work on, each under its own name, such as `3-of-8`.

    What is in it stays. `fits` says whether what others left there is of the same build; what is not is thrown away.
    `begin` is called while no other can begin, and makes it fit. An output that is there already is for the join to
    replace.
    Raises OutputError where the output exists and may not be replaced, where a whole build is writing there, where this
    name is at work already, or where others are at work on another build.
    """
    stage = Stage.of(out)
    out = stage.out
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        own = FileLock(hidden(out, f".lock.{name}"), timeout=0)
        with ExitStack() as held:
            with _whole(out, SECONDS_TO_BEGIN):
                held.enter_context(own)
                _refuse_existing(out, replace=True)
                if not fits(stage):
                    own.release()
                    _refuse_shards_under_way(out)
                    own.acquire()
                    stage.clear()
                stage.begin()
                begin(stage)
            held.callback(_unlink, Path(own.lock_file))
            yield stage
    except Timeout as error:
        if error.lock_file.endswith(name):
            raise OutputError(f"{out}: shard {name} is at work already") from None
        raise OutputError(f"{out}: another build is writing here; wait for it, or choose another --out") from None
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror or error}; {GO_ON}") from error


def _unlink(lock_file: Path) -> None:
    """Delete a lock that is still held, so that nobody takes it in between. Windows does so when it is given back."""
    with suppress(PermissionError):
        lock_file.unlink(missing_ok=True)


def _whole(out: Path, seconds: float) -> FileLock:
    """The lock of a build that has the output to itself."""
    return FileLock(hidden(out, ".lock"), timeout=seconds)


def _refuse_shards_under_way(out: Path) -> None:
    """Raise OutputError where a shard is at work on this output."""
    for path in sorted(out.parent.glob(f"{glob.escape(hidden(out, '.lock.').name)}*")):
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            shard = path.name.rpartition(".")[2]
            raise OutputError(f"{out}: shard {shard} is at work here; wait for it, or choose another --out") from None
        lock.release()
        _unlink(path)


def _clear(stage: Stage) -> None:
    """Delete the stage. Each folder goes at once, so that no later build goes on from half a journal."""
    for folder in (stage.work, stage.folder):
        with suppress(OSError):
            discard(folder, stage.out)
        shutil.rmtree(folder, ignore_errors=True)
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
