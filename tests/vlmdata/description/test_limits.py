"""Limits and money: never too many at once, never over the cap, whatever the order in which answers come."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vlmdata.description.catalog import FastClock
from vlmdata.describe_settings import Prices
from vlmdata.description.asks import gemini_tokens, most_tokens
from vlmdata.description.limits import LONGEST_WAIT, Bucket, Gate, backoff
from vlmdata.description.money import Purse, Tariff, most_output
from vlmdata.description.provider import Usage

CHANCE = random.Random(0)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=1, max_size=40),
    st.integers(0, 3_000),
    st.integers(1, 8),
)
def test_spent_and_reserved_are_never_over_the_cap(wanted: list[tuple[int, int]], cap: int, workers: int) -> None:
    purse = Purse(cap=Decimal(cap))
    queue = list(wanted)
    refused = []

    async def work() -> None:
        while queue:
            amount, share = queue.pop()
            if not await purse.reserve(Decimal(amount)):
                refused.append(amount)
                continue
            assert purse.spent + purse.reserved <= cap
            for _ in range(share % 5):
                await asyncio.sleep(0)
            await purse.settle(Decimal(amount), Decimal(min(amount, share)))

    async def run() -> None:
        await asyncio.gather(*(work() for _ in range(workers)))

    asyncio.run(run())
    assert purse.reserved == 0
    assert purse.spent <= cap
    assert all(amount > cap - purse.spent or amount <= cap for amount in refused)
    assert sum(amount for amount, _ in wanted) > cap or not refused


def test_no_more_run_at_once_than_the_gate_lets_in() -> None:
    async def run() -> int:
        gate, inside, most = Gate(4, FastClock()), 0, 0

        async def one() -> None:
            nonlocal inside, most
            async with gate.entered():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(one() for _ in range(50)))
        return most

    assert asyncio.run(run()) == 4


def test_refusals_halve_once_for_all_that_were_on_their_way_and_answers_bring_one_back_a_round() -> None:
    async def run() -> list[float]:
        clock = FastClock()
        gate, seen = Gate(16, clock), []
        for _ in range(5):
            gate.refused(0.0, None, CHANCE)
        seen.append(gate.limit)
        clock.passed = 100.0
        gate.refused(clock.now(), 3.0, CHANCE)
        seen.append(gate.limit)
        for _ in range(5):
            gate.answered()
        seen.append(round(gate.limit, 1))
        return seen

    assert asyncio.run(run()) == [8.0, 4.0, pytest.approx(5.1, abs=0.2)]


def test_a_retry_after_pauses_everybody_for_so_long() -> None:
    async def run() -> float:
        clock = FastClock()
        gate = Gate(16, clock)
        gate.refused(0.0, 42.0, CHANCE)
        async with gate.entered() as entered:
            return entered

    assert asyncio.run(run()) >= 42.0


@given(st.integers(1, 200), st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_a_bucket_gives_no_more_in_a_minute_than_it_may(per_minute: int, amounts: list[int]) -> None:
    async def run() -> float:
        clock = FastClock()
        bucket = Bucket(per_minute, clock)
        for amount in amounts:
            await bucket.take(amount)
        return clock.passed

    burst = max(per_minute / 12, 1.0)
    # All but the burst, and but the last one, which may go into debt, has been waited for.
    assert asyncio.run(run()) >= (sum(amounts) - burst - amounts[-1]) / per_minute * 60 - 1e-6


def test_waits_grow_and_are_bounded() -> None:
    chance = random.Random(1)
    assert max(backoff(1, chance) for _ in range(200)) <= 1
    assert 30 < max(backoff(50, chance) for _ in range(200)) <= LONGEST_WAIT


def test_a_price_is_what_was_written() -> None:
    tariff = Tariff(Prices(as_of="2026-11-01", input=0.3, output=2.5, cached=0.075))
    usage = Usage(input_tokens=1_000, cached_tokens=400, output_tokens=10, thinking_tokens=5)
    assert tariff.cost(usage) == Decimal("0.0001800") + Decimal("0.00003") + Decimal("0.0000375")
    assert Tariff(tariff.prices, batch=True).cost(usage) == tariff.cost(usage) / 2
    assert Tariff(None).cost(usage) == 0
    assert (most_output(100, 0), most_output(100, 50)) == (100, 150)
    assert most_output(100, None) == most_output(100, -1) > 10_000


@pytest.mark.parametrize(("size", "tokens"), [((300, 384), 258), ((768, 768), 4 * 258), ((960, 540), 6 * 258)])
def test_a_pictures_tokens_are_googles_tiles(size: tuple[int, int], tokens: int) -> None:
    assert gemini_tokens(*size) == tokens <= most_tokens(*size)
