"""How far a build is: counted where the work is done, and shown on a terminal, or now and then as a plain line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Phase = Literal["scan", "write", "describe"]
PLAIN_SECONDS = 10.0
SHOWN_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a phase is. `share` is between 0 and 1, where it is known; `note` is something to be said once."""

    phase: Phase
    rows: int = 0
    images: int = 0
    rejected: int = 0
    files: int = 0
    bytes: int = 0
    answers: int = 0
    cost: str = ""
    share: float | None = None
    note: str = ""


Watch = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """Nobody is watching."""


@dataclass(slots=True)
class Pace:
    """When it is time to say something again."""

    seconds: float
    _last: float = 0.0

    def due(self) -> bool:
        """Whether so many seconds have passed since this was last true."""
        now = time.monotonic()
        if now - self._last < self.seconds:
            return False
        self._last = now
        return True


def words(progress: Progress, seconds: float) -> str:
    """`scan 12,400 rows, 9,800 images (1,020/s), 3 rejected, 41%, about 2 min left`."""
    if progress.phase == "describe":
        speed = f" ({progress.answers / seconds:,.1f}/s)" if seconds > 1 and progress.answers else ""
        done = f"describe {progress.rows:,} rows, {progress.answers:,} answers{speed}, {progress.rejected:,} rejected"
        done += f", {progress.cost}" if progress.cost else ""
    elif progress.phase == "write":
        done = f"write {progress.files:,} files, {progress.bytes / 1e6:,.0f} MB"
    else:
        speed = f" ({progress.images / seconds:,.0f}/s)" if seconds > 1 and progress.images else ""
        done = f"scan {progress.rows:,} rows, {progress.images:,} images{speed}, {progress.rejected:,} rejected"
    if not progress.share:
        return done
    left = seconds * (1 - progress.share) / progress.share
    return f"{done}, {progress.share:.0%}" + (f", about {time_words(left)} left" if seconds > 2 else "")


def time_words(seconds: float) -> str:
    """A time as a person says it: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


@contextmanager
def shown(say: Callable[[str], None]) -> Iterator[Watch]:
    """A watcher that draws a line on a terminal; elsewhere it says a plain line every ten seconds. Notes are said."""
    if not sys.stderr.isatty():
        yield _Plain(say)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn
    from rich.text import Text

    with Bar(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=None)
        clock = _Clock()

        def watch(progress: Progress) -> None:
            if progress.note:
                bar.console.print(Text(progress.note))
            bar.update(task, description=words(progress, clock.seconds(progress.phase)))

        yield watch


class _Clock:
    """How long each phase has been going on."""

    def __init__(self) -> None:
        self._started: dict[Phase, float] = {}

    def seconds(self, phase: Phase) -> float:
        """Seconds since the phase was first asked about."""
        return time.monotonic() - self._started.setdefault(phase, time.monotonic())


class _Plain:
    """A line now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._clock = _Clock()
        self._pace = Pace(PLAIN_SECONDS)
        self._pace.due()

    def __call__(self, progress: Progress) -> None:
        seconds = self._clock.seconds(progress.phase)
        if progress.note:
            self._say(progress.note)
        if self._pace.due():
            self._say(words(progress, seconds))
