"""A run by a provider's Batch API: many asks in one job, answered within a day, for about half the price.

A job's name is put down before its answers are waited for, so that whoever comes next takes them. What a job leaves
unanswered, or answers in another form than was asked for, is handed in once more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from vlmdata.description.answers import Judge
from vlmdata.description.asking import FATAL, Asker, Spent, made_entry
from vlmdata.description.asks import repair_of, tokens_of
from vlmdata.description.journal import BatchJob, Entry, GroupCommit, Held
from vlmdata.description.limits import backoff
from vlmdata.description.money import NOUGHT
from vlmdata.description.provider import Ask, BatchProvider, Fault, JobState, Reply
from vlmdata.description.runner import Policy, Tally, interruptible
from vlmdata.description.work import Work
from vlmdata.protocols import CatalogRow

T = TypeVar("T")
MOST_ASKS, MOST_BYTES = 1_000, 64_000_000
"""A job has no more asks, and not many more bytes of pictures, than these."""

POLL_SECONDS = 30.0
PATIENCE = 20
"""After so many faults in a row nobody is asked any more."""


@dataclass(slots=True)
class Group:
    """Asks that go into one job, and what they may cost at most."""

    asks: list[Ask] = field(default_factory=list)
    size: int = 0
    reserved: Decimal = NOUGHT

    @property
    def full(self) -> bool:
        """Whether it is time to hand it in."""
        return len(self.asks) >= MOST_ASKS or self.size >= MOST_BYTES

    def add(self, ask: Ask, amount: Decimal) -> None:
        """Put an ask in."""
        self.asks.append(ask)
        self.size += sum(len(picture.data) for picture in ask.pictures)
        self.reserved += amount


@dataclass(slots=True, kw_only=True)
class BatchRunner:
    """One run by jobs. `provider` is opened when it is first needed."""

    rows: Callable[[], Iterator[CatalogRow | None]]
    prepare: Callable[[CatalogRow], Work | None]
    judge: Judge
    journal: GroupCommit
    asker: Asker
    policy: Policy
    watch: Callable[[Tally], None]
    provider: Callable[[], BatchProvider]
    tally: Tally = field(default_factory=Tally)
    _times: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Take the answers of earlier jobs, hand in what is missing, wait for it, and once more for what is left."""
        task = asyncio.ensure_future(self._run())
        with interruptible(self.asker.halt, [task]):
            await task

    async def _run(self) -> None:
        for job in self.journal.journal.jobs.values():
            self.asker.purse.reserved += job.reserved
            self._times.update(job.keys)
        await self._collect()
        while not self.asker.halt and await self._hand_in():
            await self._collect()
        async for work in self._works():
            self._count(work)

    async def _works(self) -> AsyncGenerator[Work, None]:
        """Every row that has no text and whose images are good."""
        self.tally.rows = self.tally.unusable = 0
        rows = self.rows()
        while (row := await asyncio.to_thread(next, rows, self)) is not self:
            if isinstance(row, CatalogRow):
                self.tally.rows += 1
                work = await asyncio.to_thread(self.prepare, row)
                self.tally.unusable += work is None
                if work is not None:
                    yield work

    async def _hand_in(self) -> bool:
        """Hand in every ask that has no answer; whether there was one."""
        group, handed_in, short = Group(), False, NOUGHT
        seen: set[str] = set()  # rows that are asked alike are asked once
        async with aclosing(self._works()) as works:
            async for work in works:
                ask = await self._ready(work) if work.ask.key not in seen else None
                if ask is None:
                    continue
                seen.add(ask.key)
                amount = self.asker.most(tokens_of(ask, work.sizes))
                if group.full:
                    handed_in |= await self._submit(group)
                    group = Group()
                if self.asker.halt or not self.asker.purse.fits(amount):
                    short = amount
                    break
                self.asker.purse.reserved += amount
                self._times[ask.key] += 1
                group.add(ask, amount)
        handed_in |= await self._submit(group)
        if short and not handed_in:
            self.asker.halt("cost", f"the next request may cost {short:.6f}, and {self.asker.purse.left:.6f} is left")
        return handed_in

    async def _ready(self, work: Work) -> Ask | None:
        """A row's ask with its pictures; None where nothing is to be asked, or nothing may be sent."""
        ask = self._wanted(work)
        if ask is None:
            return None
        made = await asyncio.to_thread(work.ready)
        if made.refused is None:
            return replace(ask, pictures=made.ask.pictures)
        why = made.refused
        await self.journal.append(Entry(key=ask.key, ended=why.ended, reason=why.message, attempts=0, row=ask.id))
        return None

    def _wanted(self, work: Work) -> Ask | None:
        """What is to be asked of a row, the first time and the second: its ask, or a repair of the answer that came."""
        times, known = self._times[work.ask.key], self.journal.journal.get(work.ask.key)
        if times == 0:
            new = known is None or (
                self.policy.asks_again and self.policy.again(self.judge.verdicts([(known, work.values)])[0])
            )
            room = self.policy.limit is None or len(self._times) < self.policy.limit
            return work.ask if new and room else None
        if times > 1 or known is None:
            return work.ask if times == 1 else None
        wrong = self.judge.form_problem(known.text) if known.ended == "stop" and not known.repaired else ""
        return repair_of(work.ask, known.text, wrong) if wrong else None

    async def _submit(self, group: Group) -> bool:
        """Hand in a group, or find the job in which a killed run has; its name is put down at once.

        Asks that were handed in before are in a job that is done, so that none is looked for: should this run be killed
        before it knows the new one's name, the next counts that as lost.
        """
        if not group.asks:
            return False
        name, first = None, not self.policy.asks_again and all(self._times[ask.key] == 1 for ask in group.asks)
        if first:
            name = await self._patiently(lambda: self.provider().find(group.asks))
        elif group.reserved:
            await self.journal.append(Held(held=group.reserved))
        if name is None:
            name = await self._patiently(lambda: self.provider().submit(group.asks))
            self.asker.requests += 1
        if name is None:
            self.asker.purse.reserved -= group.reserved
        else:
            keys = tuple(ask.key for ask in group.asks)
            await self.journal.append(BatchJob(job=name, keys=keys, reserved=group.reserved))
        if self.journal.journal.held:
            await self.journal.append(Held(held=NOUGHT))
        return name is not None

    async def _collect(self) -> None:
        """Wait for every job that is open, and take its answers."""
        for job in list(self.journal.journal.jobs.values()):
            state = await self._end(job)
            if state is None:
                return
            await self._take(job)

    async def _end(self, job: BatchJob) -> JobState | None:
        """How a job ended; None where the run stops first."""
        while not self.asker.halt:
            state = await self._patiently(lambda: self.provider().state(job.job))
            if state != "running":
                return state
            self.watch(self.tally)
            await self.asker.clock.sleep(POLL_SECONDS)
        return None

    async def _take(self, job: BatchJob) -> None:
        """Put a job's answers down. What was taken before a kill is not taken, and not paid, twice."""
        cost, taken = NOUGHT, set(job.keys)

        async def take() -> bool:
            nonlocal cost
            async for key, found in self.provider().results(job.job):
                if key in taken and not self.journal.journal.written_since(job.job, key):
                    taken.discard(key)
                    entry = self._entry(key, found)
                    cost += entry.cost if entry is not None else NOUGHT
                    if entry is not None:
                        await self.journal.append(entry)
                        self.tally.paid(entry)
            return True

        if await self._patiently(take):
            await self.journal.append(replace(job, open=False))
            await self.asker.purse.settle(job.reserved, cost)

    def _entry(self, key: str, found: Reply | Fault) -> Entry | None:
        """The entry of a job's answer; None for a fault that is worth a second try."""
        ask = Ask(key=key, system=None, prompt="", pictures=())
        if isinstance(found, Fault):
            self.asker.faults[found.kind] += 1
            if found.kind != "invalid" and self._times[key] < 2:
                return None
            return made_entry(ask, found, Spent(attempts=1))
        spent = Spent(usage=found.usage, cost=self.asker.tariff.cost(found.usage))
        spent.repaired = self._times[key] > 1 and self.journal.journal.get(key) is not None
        return made_entry(ask, found, spent)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """A call of the provider's, again after faults; None where the run stops."""
        for attempt in range(1, PATIENCE + 1):
            try:
                return await call()
            except Fault as fault:
                self.asker.faults[fault.kind] += 1
                if fault.kind in FATAL or fault.kind == "invalid" or attempt == PATIENCE:
                    self.asker.halt("fault", fault.message)
                    return None
                await self.asker.clock.sleep(max(backoff(attempt, self.asker.chance), fault.retry_after or 0))
            if self.asker.halt:
                return None
        return None

    def _count(self, work: Work) -> None:
        """Count what a row ends with, once all answers are there."""
        known = self.journal.journal.get(work.ask.key)
        if known is None:
            self.tally.left += 1
            return
        if not self._times[work.ask.key]:
            self.tally.known += 1
            self.tally.saved += known.cost
        self.tally.judged(self.judge.verdicts([(known, work.values)])[0])
