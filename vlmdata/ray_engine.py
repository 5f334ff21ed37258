"""The shares of a build as tasks of a Ray cluster: a running one, or one on this machine for the time of the build.

Ray only starts the same functions that threads run; the blocks and files that they leave are the same. The recipe, the
source, the images and the output must be at the same paths on every machine of the cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from vlmdata.blocks import BLOCK_ROWS
from vlmdata.errors import MissingPackageError, OutputError
from vlmdata.journal import Journal
from vlmdata.progress import Progress, Watch
from vlmdata.tasks import Job, Share, scan_share, write_share

POLL_SECONDS = 0.5
ADDRESS = "RAY_ADDRESS"


class RayEngine:
    """One task for each of the job's workers, with one thread each."""

    def __init__(self) -> None:
        try:
            import ray
        except ImportError:
            raise MissingPackageError("the engine 'ray' needs Ray: pip install 'vlmdata[ray]'") from None
        self._ray = ray

    def scan(self, job: Job, watch: Watch) -> None:
        """Scan every block that is not finished."""
        journal = Journal(job.work)

        def done(tasks: float) -> Progress:
            blocks = sum(file.suffix == ".arrow" for file in journal.blocks.iterdir())
            return Progress(phase="scan", rows=blocks * BLOCK_ROWS, share=tasks or None)

        self._run(scan_share, job, lambda tasks: watch(done(tasks)))

    def write(self, job: Job, watch: Watch) -> None:
        """Write every output file that is not finished."""
        journal = Journal(job.work)

        def done(tasks: float) -> Progress:
            files = sum(1 for file in journal.written.iterdir() if file.suffix == ".json")
            return Progress(phase="write", files=files, share=tasks or None)

        self._run(write_share, job, lambda tasks: watch(done(tasks)))

    def _run(self, share: Callable[[Job, Share, Watch], None], job: Job, watch: Callable[[float], None]) -> None:
        """Every share of the job, at most `job.workers` at once. Raises what a share raised."""
        with self._cluster(job.workers):
            task = self._ray.remote(num_cpus=1, max_retries=3)(_share_of)
            alone = replace(job, workers=1)
            waiting = [task.remote(share, alone, Share(number=number, of=job.workers)) for number in range(job.workers)]
            while waiting:
                ready, waiting = self._ray.wait(waiting, timeout=POLL_SECONDS)
                watch(1 - len(waiting) / job.workers)
                self._collect(ready)

    def _collect(self, ready: list[Any]) -> None:
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise OutputError(f"Ray: {error}; what was finished is kept: run the same command again") from None

    @contextmanager
    def _cluster(self, workers: int) -> Iterator[None]:
        """A cluster that runs already stays; one that is started here ends here."""
        if self._ray.is_initialized():
            yield
            return
        quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if os.environ.get(ADDRESS):
            self._ray.init(**{key: value for key, value in quiet.items() if key != "include_dashboard"})
        else:
            self._ray.init(num_cpus=workers, **quiet)
        try:
            yield
        finally:
            self._ray.shutdown()


def _share_of(share: Callable[[Job, Share, Watch], None], job: Job, number: Share) -> None:
    """A share, in a process of the cluster."""
    share(job, number, _unwatched)


def _unwatched(progress: Progress) -> None:
    """The driver looks at the journal instead."""
