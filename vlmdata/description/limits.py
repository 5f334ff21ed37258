"""How fast a provider may be asked: so many at once, fewer when it asks for patience, and so many in a minute."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LONGEST_WAIT = 60.0
FIRST_WAIT = 1.0
LONGEST_ASKED = 3_600.0
"""A provider that asks for more seconds than this is asked again after this many."""

BURST_SECONDS = 5.0
"""So many seconds of a minute's allowance may be used at once."""


ROUNDING = 1e-6
"""What floating point may keep an allowance from being full."""


class Clock:
    """The time, and waiting for it. `stop` wakes up everybody who waits."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        if seconds > 0 and not self.stop.is_set():
            try:
                await asyncio.wait_for(self.stop.wait(), seconds)
            except TimeoutError:
                return


def backoff(attempt: int, chance: random.Random) -> float:
    """How long to wait before the next attempt: anything up to 1, 2, 4 ... 60 seconds ("full jitter").

    Many clients that failed together come back at different times. (M. Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015.)
    """
    return chance.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 10)))


@dataclass(slots=True)
class Bucket:
    """An allowance that refills all the time. What is taken may go below nothing; then the next one waits."""

    per_minute: int
    clock: Clock
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self._most, self.clock.now()

    @property
    def _most(self) -> float:
        return max(self.per_minute / 60 * BURST_SECONDS, 1.0)

    async def take(self, amount: float) -> None:
        """Take an amount, once the allowance holds it or is full."""
        while not self.clock.stop.is_set():
            now = self.clock.now()
            rate = self.per_minute / 60
            self._level, self._at = min(self._most, self._level + (now - self._at) * rate), now
            wanted = min(amount, self._most)
            if self._level >= wanted - ROUNDING:
                break
            await self.clock.sleep((wanted - self._level) / rate)
        self._level -= amount


@dataclass(slots=True)
class Gate:
    """Lets in so many at once. The number halves when a provider asks for patience, and grows by one with each round
    of answers (additive increase, multiplicative decrease, as TCP has it)."""

    most: int
    clock: Clock
    limit: float = field(init=False)
    running: int = 0
    _eased: float = field(default=float("-inf"))
    _paused_until: float = field(default=float("-inf"))
    _refusals: int = 0
    _free: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.limit = float(self.most)

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[float]:
        """Wait for a place and for the end of a pause; the moment of entry."""
        async with self._free:
            await self._free.wait_for(lambda: self.running < int(self.limit))
            self.running += 1
        try:
            while (left := self._paused_until - self.clock.now()) > 0 and not self.clock.stop.is_set():
                await self.clock.sleep(left)
            yield self.clock.now()
        finally:
            async with self._free:
                self.running -= 1
                self._free.notify(max(int(self.limit) - self.running, 0))

    def answered(self) -> None:
        """An answer came: a little more may be asked at once."""
        self._refusals = 0
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def refused(self, entered: float, retry_after: float | None, chance: random.Random) -> None:
        """ "Too many requests" came: halve, unless that was done since this one was sent, and pause all."""
        if entered > self._eased:
            self._eased = self.clock.now()
            self.limit = max(1.0, self.limit / 2)
            self._refusals += 1
        wait = backoff(self._refusals, chance) if retry_after is None else min(retry_after, LONGEST_ASKED)
        self._paused_until = max(self._paused_until, self.clock.now() + wait)

    def faulted(self, entered: float) -> None:
        """The server failed: ask a fifth less at once, once for all that were on their way."""
        if entered > self._eased:
            self._eased = self.clock.now()
            self.limit = max(1.0, self.limit * 0.8)
