"""Rows to batches, in the training's own process or in workers that prepare the next ones meanwhile.

Workers are forked from a server that has imported the libraries once; they are handed the rows as the path of the
memory-mapped files, not the rows themselves, and live as long as the training.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain.turns import IGNORED

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from vlmtrain.collate import Collator

ROW_IDS = "row_ids"
"""What a training batch holds besides the model's inputs, until the loss is computed."""

MOST_WORKERS = 4
"""Of `auto`, for each GPU."""

FEWEST_ROWS = 1_000
"""Workers take some seconds to start, which a training of fewer rows does not win back."""

SHARED_MEMORY = Path("/dev/shm")
FEWEST_SHARED_BYTES = 1 << 30
"""Batches go from workers to the training through shared memory, of which a container has 64 MB by default."""

KEPT_BYTES = 1 << 30
AHEAD_BYTES = 64 << 20
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Numbers of mallopt(3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Rows to training batches that know their rows. One with nothing to learn only fills up a step."""

    collator: Collator

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """The collator's batch, with the rows' ids."""
        batch = self.collator(rows)
        for place, row in enumerate(rows):
            if row.get("fills_up"):
                batch["labels"][place] = IGNORED
        batch[ROW_IDS] = [str(row.get("id") or "") for row in rows]
        return batch


class NumberedRows:
    """A split as torch's DataLoader reads it; a number below zero is a row with nothing to learn."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """One row."""
        return {**self._rows[number]} if number >= 0 else {**self._rows[-1 - number], "fills_up": True}


def loader(rows: Any, batches: Any, collator: Collator, args: Any, *, stays: bool) -> DataLoader[Any]:
    """The rows' batches, in the order that `batches` says. `stays`: workers are kept from one epoch to the next."""
    import torch
    from torch.utils.data import DataLoader

    workers = args.dataloader_num_workers
    if not workers and not args.dataloader_pin_memory:
        keep_freed_memory()
    return DataLoader(
        NumberedRows(rows),  # type: ignore[arg-type]
        batch_sampler=batches,
        collate_fn=Batches(collator=collator),
        num_workers=workers,
        prefetch_factor=args.dataloader_prefetch_factor if workers else None,
        pin_memory=args.dataloader_pin_memory,
        worker_init_fn=_begin,
        multiprocessing_context=_server(collator) if workers else None,
        persistent_workers=bool(workers) and stays,
        generator=torch.Generator(),  # of its own, or it would draw from the one that dropout draws from
    )


def _server(collator: Collator) -> BaseContext:
    """Where workers are forked from: a process that imports once what all of them need, and starts no thread.

    A fork of the training itself would inherit locks of its threads, and on CUDA a driver that can't be used. Windows
    has no such server: there every worker imports for itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    kinds = (type(each).__module__ for each in (collator.processor, collator.processor.image_processor))
    context.set_forkserver_preload(["datasets", "torchvision.transforms.v2.functional", __name__, *kinds])
    return context


def _begin(_: int) -> None:
    """A worker goes on where the user presses Ctrl-C, so that the step under way gets its batches."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_the_training, daemon=True).start()
    keep_freed_memory()


def _end_with_the_training() -> None:
    """End this worker where the training is killed. torch looks at the parent's number only, which is the server's;
    and the server lives as long as any worker does.
    """
    training = multiprocessing.parent_process()
    if training is not None:
        training.join()
        os._exit(1)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for the next batch. Whether it can.

    Tensors of tens of megabytes are otherwise handed back to the system and taken anew, page by page, several times a
    batch: 10,000 page faults a row at Qwen's full budget, half of the time that processing takes. glibc only.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    settings = ((MMAP_THRESHOLD, KEPT_BYTES), (TRIM_THRESHOLD, KEPT_BYTES), (TOP_PAD, AHEAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)


def worker_count(asked: int | Literal["auto"], *, rows: int, gpu: bool, here: int = 1) -> int:
    """How many workers a process gets. `rows` are those that it sees in all epochs, `here` the processes beside it.

    On a GPU each process gets its share of the cores, less the one that it needs itself, but at most MOST_WORKERS. On
    the CPU one worker, which prepares the next batch while the model computes: more take the model's cores away.
    """
    if asked != "auto":
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    spare = cores // max(here, 1) - 1
    if rows < FEWEST_ROWS or spare < 1 or not _has_shared_memory():
        return 0
    return min(spare, MOST_WORKERS) if gpu else 1


def _has_shared_memory() -> bool:
    return not SHARED_MEMORY.is_dir() or shutil.disk_usage(SHARED_MEMORY).free >= FEWEST_SHARED_BYTES
