"""Rows made ready ahead of need, by a few threads.

A thread that changes places with the event loop's costs both of them more than most of what it does in between. So it
does all that a row needs in one go, its pictures too, and hands over several rows at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from vlmdata.description.work import Work
from vlmdata.protocols import CatalogRow

AT_A_TIME = 4
"""Rows that a thread makes ready before it hands them over."""

MAKERS = 4
"""Threads that make rows ready: where photos are fetched from somewhere, they wait more than they work."""

WAITING = 2
"""Handfuls of rows that may lie ready; with those being made they bound the memory."""

Handful = list[Work | None]
"""What was made of some rows; None where a row's images are no good."""


@dataclass(slots=True, kw_only=True)
class Ahead:
    """Makes work of rows. `is_asked` says of a key whether its pictures will be needed; `stopped` ends it early."""

    rows: Iterator[CatalogRow | None]
    prepare: Callable[[CatalogRow], Work | None]
    is_asked: Callable[[str], bool]
    stopped: Callable[[], bool]
    _makers: int = MAKERS
    _reading: Lock = field(default_factory=Lock)
    _handfuls: asyncio.Queue[Handful | None] = field(default_factory=lambda: asyncio.Queue(WAITING))
    _taken: deque[Work | None] = field(default_factory=deque)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _at_end: bool = False

    async def make(self) -> None:
        """Make rows ready until there are no more; MAKERS tasks do so. Raises what reading raises."""
        while not self.stopped() and (handful := await asyncio.to_thread(self._handful)) is not None:
            await self._handfuls.put(handful)
        self._makers -= 1
        if not self._makers:
            await self._handfuls.put(None)

    async def next(self) -> tuple[Work | None] | None:
        """What was made of the next row, in a tuple; None at the end."""
        async with self._taking:
            while not self._taken and not self._at_end:
                handful = await self._handfuls.get()
                self._at_end = handful is None
                self._taken.extend(handful or ())
            return (self._taken.popleft(),) if self._taken else None

    def _handful(self) -> Handful | None:
        with self._reading:
            rows = list(islice(self.rows, AT_A_TIME))
        return [self._made(row) for row in rows if row is not None] if rows else None

    def _made(self, row: CatalogRow) -> Work | None:
        work = self.prepare(row)
        return work.ready() if work is not None and self.is_asked(work.ask.key) else work
