"""Checkpoints of a training: which one is whole, whether it belongs to this run, and which are kept.

A checkpoint is a folder of the trainer's own files (adapter, optimizer, scheduler, random states). It counts once it
holds a mark with the sizes of all of them, written last, so that a kill or a full disk never leaves half of one in the
place of a good one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmtrain.errors import RunError

FOLDER = "checkpoints"
PREFIX = "checkpoint-"
MARK = "whole.json"
SUMS = "sums.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A whole checkpoint: its folder, the step it was made after, and what the run was like."""

    path: Path
    step: int
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a training has done so far, over all processes, and over all pieces of one that was interrupted."""

    rows: int = 0
    tokens: int = 0
    learned: int = 0
    seconds: float = 0.0


def write_sums(folder: Path, sums: Sums) -> None:
    """Put down beside a checkpoint what was done until then."""
    (folder / SUMS).write_text(json.dumps(dataclasses.asdict(sums)), encoding="utf-8")


def read_sums(folder: Path) -> Sums:
    """The same; nothing of a checkpoint from before that was kept."""
    try:
        return Sums(**json.loads((folder / SUMS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Sums()


def mark_whole(folder: Path, identity: Mapping[str, Any]) -> None:
    """Say that all of a checkpoint is on the disk."""
    sizes = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != MARK:
            sizes[file.relative_to(folder).as_posix()] = file.stat().st_size
            with file.open("rb+") as opened:  # Windows syncs only what may be written
                os.fsync(opened.fileno())
    unfinished = folder / f"{MARK}.part"
    with unfinished.open("w", encoding="utf-8") as opened:
        json.dump({"files": sizes, "identity": identity}, opened, ensure_ascii=False)
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.replace(folder / MARK)


def whole_checkpoints(folder: Path) -> list[Checkpoint]:
    """The whole checkpoints in a folder, the earliest first."""
    found = [checkpoint for path in folder.glob(f"{PREFIX}*") if (checkpoint := _read(path)) is not None]
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def _read(path: Path) -> Checkpoint | None:
    try:
        said = json.loads((path / MARK).read_text(encoding="utf-8"))
        step = int(path.name.removeprefix(PREFIX))
        if all((path / name).stat().st_size == size for name, size in said["files"].items()):
            return Checkpoint(path=path, step=step, identity=said["identity"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def keep_latest(folder: Path, most: int, best: Path | None = None) -> None:
    """Delete all but the latest whole checkpoints and the best one, and whatever is not whole."""
    whole = [checkpoint.path for checkpoint in whole_checkpoints(folder)]
    kept = {*whole[-most:], *([best] if best is not None else [])}
    for path in folder.glob(f"{PREFIX}*"):
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def refuse_other_run(checkpoint: Checkpoint, identity: Mapping[str, Any]) -> None:
    """Raise RunError with every difference where a checkpoint was made by another run than this one."""
    found = list(differences(checkpoint.identity, identity))
    if found:
        shown = "; ".join(found[:8]) + (f"; and {len(found) - 8} more" if len(found) > 8 else "")
        raise RunError(
            f"can't resume at step {checkpoint.step}, because the run is not the same: {shown}. Put it back as it was, "
            "or start again with --replace"
        )


def differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """`train.learning_rate was 0.001, is 0.002` for each value that differs."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted({*then, *now}):
            yield from differences(then.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif then != now:
        yield f"{place} was {_shown(then)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
