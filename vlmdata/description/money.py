"""What answers cost, and a cap that no number of requests at once can go over: each reserves before it is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from vlmdata.describe_settings import Prices
from vlmdata.description.provider import Usage

MILLION = Decimal(1_000_000)
NOUGHT = Decimal(0)
MOST_THINKING = 32_768
"""The most tokens that a Gemini model thinks with where nobody says how many: the upper bound of 2.5 Pro."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A recipe's price table. Without one, everything costs nothing."""

    prices: Prices | None
    batch: bool = False

    def cost(self, usage: Usage) -> Decimal:
        """What an answer costs. Thinking is paid as output; kept input has its own price."""
        if self.prices is None:
            return NOUGHT
        table = self.prices
        cached = table.input if table.cached is None else table.cached
        fresh = max(usage.input_tokens - usage.cached_tokens, 0)
        written = usage.output_tokens + usage.thinking_tokens
        total = _exact(table.input) * fresh + _exact(cached) * usage.cached_tokens + _exact(table.output) * written
        return total / MILLION * (_exact(table.batch) if self.batch else 1)


def _exact(price: float) -> Decimal:
    """A price as it was written: 0.3 is three tenths, and not the nearest binary number."""
    return Decimal(str(price))


def most_output(max_output_tokens: int, thinking_budget: int | None) -> int:
    """The most output tokens that an answer can be charged for."""
    thinking = MOST_THINKING if thinking_budget is None or thinking_budget < 0 else thinking_budget
    return max_output_tokens + thinking


@dataclass(slots=True)
class Purse:
    """What was spent and what is reserved, never together more than the cap."""

    cap: Decimal | None
    spent: Decimal = NOUGHT
    reserved: Decimal = NOUGHT
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def left(self) -> Decimal:
        """What is neither spent nor reserved."""
        return max((self.cap or NOUGHT) - self.spent - self.reserved, NOUGHT)

    def fits(self, amount: Decimal) -> bool:
        """Whether an amount can be put aside now."""
        return self.cap is None or self.spent + self.reserved + amount <= self.cap

    async def reserve(self, amount: Decimal) -> bool:
        """Put an amount aside. Where it does not fit it waits for others to settle; False where none is left to."""
        async with self._changed:
            while not self.fits(amount):
                if self.reserved == 0:
                    return False
                await self._changed.wait()
            self.reserved += amount
            return True

    async def settle(self, amount: Decimal, actual: Decimal) -> None:
        """Give a reserved amount back, and count what was spent of it."""
        async with self._changed:
            self.reserved -= amount
            self.spent += actual
            self._changed.notify_all()
