"""One row's ask, until it has an answer or has failed for good: waits, repeats, one repair, and what all that cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from vlmdata.describe_settings import DescribeConfig
from vlmdata.description.asks import CHARACTERS_PER_TOKEN, Tokens, repair_of
from vlmdata.description.journal import Ended, Entry, GroupCommit, Held, Loss
from vlmdata.description.limits import Bucket, Clock, Gate, backoff
from vlmdata.description.money import NOUGHT, Purse, Tariff, most_output
from vlmdata.description.provider import Ask, Fault, FaultKind, Provider, Reply, Usage

StopKind = Literal["interrupted", "cost", "fault", "outage", "patience", "journal"]
FATAL: frozenset[FaultKind] = frozenset({"key", "model", "quota"})
PASSING: frozenset[FaultKind] = frozenset({"timeout", "connection", "server"})
"""Faults that another try may get over; so many of them as `limits.attempts` are a row's own."""

PAID_PERHAPS: frozenset[FaultKind] = frozenset({"timeout", "connection"})
"""Faults after which nobody here knows whether the provider charges for the answer that never came. For one that it
answered with an error it does not (ai.google.dev/gemini-api/docs/billing)."""

REPAIR_TOKENS = 300


@dataclass(slots=True)
class Halt:
    """Whether the run stops, and why. What is on its way is finished; nothing else is begun or repeated."""

    clock: Clock
    kind: StopKind | None = None
    message: str = ""

    def __call__(self, kind: StopKind, message: str) -> None:
        """Stop for a reason; the first one counts."""
        if self.kind is None:
            self.kind, self.message = kind, message
            self.clock.stop.set()

    def __bool__(self) -> bool:
        return self.kind is not None


@dataclass(slots=True, kw_only=True)
class Spent:
    """What one row's requests have come to so far."""

    attempts: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = NOUGHT
    repaired: bool = False

    def add(self, usage: Usage, cost: Decimal) -> None:
        """Count an answer."""
        self.usage = plus(self.usage, usage)
        self.cost += cost


def plus(one: Usage, other: Usage) -> Usage:
    """Both together."""
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        thinking_tokens=one.thinking_tokens + other.thinking_tokens,
    )


@dataclass(slots=True, kw_only=True)
class Asker:
    """Asks a provider within all limits. `form_problem` says what keeps an answer from being what was asked for."""

    config: DescribeConfig
    provider: Provider
    purse: Purse
    tariff: Tariff
    clock: Clock
    halt: Halt
    journal: GroupCommit
    form_problem: Callable[[str], str]
    chance: random.Random = field(default_factory=random.Random)
    requests: int = 0
    lost: Decimal = NOUGHT
    faults: Counter[str] = field(default_factory=Counter)
    gate: Gate = field(init=False)
    _per_minute: Bucket | None = field(init=False, default=None)
    _tokens: Bucket | None = field(init=False, default=None)
    _faults_in_a_row: int = 0
    _refused_since: float | None = None
    _factor: float = 1.0

    def __post_init__(self) -> None:
        limits = self.config.limits
        self.gate = Gate(limits.concurrency, self.clock)
        if limits.requests_per_minute is not None:
            self._per_minute = Bucket(limits.requests_per_minute, self.clock)
        if limits.tokens_per_minute is not None:
            self._tokens = Bucket(limits.tokens_per_minute, self.clock)

    async def entry(self, ask: Ask, tokens: Tokens) -> Entry | None:
        """What became of an ask, once the disk has it; None where the run stops before there is an answer.

        A row keeps its place at the gate until then: so a kill can't cost more answers than may be asked for at once,
        however slow the disk is. (One that is asked to be repaired gives its place up meanwhile.) Raises JournalError.
        """
        spent = Spent()
        async with AsyncExitStack() as place:
            reply = await self._reply(ask, tokens, spent, place)
            if isinstance(reply, Reply) and reply.finish == "stop" and (wrong := self.form_problem(reply.text)):
                spent.repaired = True
                await place.aclose()
                more = len(reply.text.encode("utf-8", "surrogatepass")) + REPAIR_TOKENS
                longer = Tokens(about=tokens.about + more // CHARACTERS_PER_TOKEN, at_most=tokens.at_most + more)
                repaired = await self._reply(repair_of(ask, reply.text, wrong), longer, spent, place)
                reply = repaired if isinstance(repaired, Reply) else reply
            if reply is None:
                return None
            made = made_entry(ask, reply, spent)
            await self.journal.append(made)
            return made

    async def _reply(self, ask: Ask, tokens: Tokens, spent: Spent, place: AsyncExitStack) -> Reply | Fault | None:
        """An answer, or the fault that was one too many; None where the run stops."""
        while not self.halt:
            found = await self._request(ask, tokens, spent, place)
            if not isinstance(found, Fault):
                return found
            self.faults[found.kind] += 1
            if found.kind in FATAL:
                self.halt("fault", found.message)
            elif found.kind == "invalid":
                return found
            elif found.kind != "rate_limit":
                spent.attempts += 1
                if spent.attempts >= self.config.limits.attempts:
                    return found
                await self.clock.sleep(max(backoff(spent.attempts, self.chance), found.retry_after or 0))
        return None

    async def _request(self, ask: Ask, tokens: Tokens, spent: Spent, place: AsyncExitStack) -> Reply | Fault | None:
        """One request, once it is let in, has waited its turn and has money put aside. An answer keeps its place."""
        entered = await place.enter_async_context(self.gate.entered())
        for bucket, amount in ((self._per_minute, 1), (self._tokens, tokens.about)):
            if bucket is not None:
                await bucket.take(amount)
        reserved = self.most(tokens)
        if not await self._reserved(reserved):
            return None
        self.requests += 1
        try:
            reply = await self.provider.ask(ask)
        except Fault as fault:
            lost = reserved if fault.kind in PAID_PERHAPS else NOUGHT
            await self.purse.settle(reserved, lost)
            self._faulted(fault, entered)
            await self._note_loss(ask, lost)
            await place.aclose()
            return fault
        cost = self.tariff.cost(reply.usage)
        await self.purse.settle(reserved, cost)
        self._answered(reply, tokens)
        spent.add(reply.usage, cost)
        return reply

    async def _note_loss(self, ask: Ask, lost: Decimal) -> None:
        """Put down at once what may have been paid for nothing, so that the cap holds over all runs."""
        if lost:
            self.lost += lost
            await self.journal.append(Loss(lost=lost, row=ask.id))

    def most(self, tokens: Tokens) -> Decimal:
        """The most that a request may cost."""
        output = most_output(self.config.max_output_tokens, self.config.thinking_budget)
        return self.tariff.cost(Usage(input_tokens=int(tokens.at_most * self._factor) + 1, output_tokens=output))

    async def _reserved(self, amount: Decimal) -> bool:
        """Put money aside; False where there is not enough, or where the run has stopped meanwhile."""
        if self.halt:
            return False
        if not await self.purse.reserve(amount):
            self.halt("cost", f"the next request may cost {amount:.6f}, and {self.purse.left:.6f} is left of the cap")
        elif self.halt:
            await self.purse.settle(amount, NOUGHT)
        elif self.purse.reserved > self.journal.journal.held:
            await self.journal.append(Held(held=self.purse.reserved))
        return not self.halt

    async def let_go(self) -> None:
        """At the end of a run, put down what is still under way: nothing, unless it was ended at once.

        Of jobs, what they may cost stands in the journal with their names.
        """
        if self.journal.journal.held and not self.config.batch:
            await self.journal.append(Held(held=self.purse.reserved))

    def _answered(self, reply: Reply, tokens: Tokens) -> None:
        self.gate.answered()
        self._faults_in_a_row, self._refused_since = 0, None
        self._factor = max(self._factor, reply.usage.input_tokens / max(tokens.at_most, 1))

    def _faulted(self, fault: Fault, entered: float) -> None:
        """Slow down; stop where nothing is answered any more."""
        limits = self.config.limits
        if fault.kind == "rate_limit":
            now = self.clock.now()
            self.gate.refused(entered, fault.retry_after, self.chance)
            if self._refused_since is None:
                self._refused_since = now
            elif now - self._refused_since > limits.patience:
                self.halt("patience", f"for {limits.patience:g} s nothing came but: {fault.message}")
        elif fault.kind in PASSING:
            self.gate.faulted(entered)
            self._faults_in_a_row += 1
            if self._faults_in_a_row > 3 * limits.concurrency + limits.attempts:
                self.halt("outage", f"{self._faults_in_a_row} requests in a row failed, the last one: {fault.message}")


def made_entry(ask: Ask, found: Reply | Fault, spent: Spent) -> Entry:
    """The journal's entry of an answer, or of the fault that was one too many."""
    base = Entry(
        key=ask.key,
        ended="empty",
        usage=spent.usage,
        cost=spent.cost,
        attempts=spent.attempts + isinstance(found, Reply),
        repaired=spent.repaired,
        row=ask.id,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if isinstance(found, Reply):
        return replace(base, ended=found.finish, text=found.text, reason=found.reason, model=found.model)
    return replace(base, ended=_ending(found.kind), reason=found.message)


def _ending(kind: FaultKind) -> Ended:
    if kind == "timeout":
        return "timeout"
    if kind == "connection":
        return "connection"
    return "invalid" if kind == "invalid" else "server"
