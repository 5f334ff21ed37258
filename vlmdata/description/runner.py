"""A run over all rows that have no text: what the journal holds is left alone, the rest is asked, each answer is put
on disk before it counts. Rows are taken as there is room, so that memory does not grow with their number."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from vlmdata.description.ahead import MAKERS, Ahead
from vlmdata.description.answers import Judge, Verdict
from vlmdata.description.asking import Asker, Halt
from vlmdata.description.asks import tokens_of
from vlmdata.description.journal import Entry, GroupCommit, JournalError
from vlmdata.description.money import NOUGHT
from vlmdata.description.work import Work
from vlmdata.errors import VlmError
from vlmdata.protocols import CatalogRow

BESIDE = 8
"""Rows that are made ready or wait for their turn while as many as may be are being asked."""

JUDGED_AT_A_TIME = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which answers of the journal are asked for again, and how many rows may be asked in this run."""

    retry_failed: bool = False
    redo: str | None = None
    limit: int | None = None

    @property
    def asks_again(self) -> bool:
        """Whether anything of the journal may be asked for again."""
        return self.retry_failed or self.redo is not None

    def again(self, verdict: Verdict) -> bool:
        """Whether what the journal holds is to be asked for again."""
        if self.retry_failed and not verdict.good:
            return True
        found = {problem.rule for problem in verdict.problems}
        return self.redo is not None and any(self.redo in (name, name.partition(".")[0]) for name in found)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run has come to. `rows` are those without a text; `unusable` have images that are no good,
    `left` were read but not answered. `rejected` counts rows by rule; a row that breaks two rules is one of
    `rejected_rows`, and counts for both."""

    rows: int = 0
    known: int = 0
    asked: int = 0
    described: int = 0
    unusable: int = 0
    left: int = 0
    repaired: int = 0
    rejected_rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    spent: Decimal = NOUGHT
    saved: Decimal = NOUGHT
    input_tokens: int = 0
    output_tokens: int = 0

    def judged(self, verdict: Verdict) -> None:
        """Count what a row ends with."""
        if verdict.good:
            self.described += 1
        else:
            self.rejected_rows += 1
        self.rejected.update({problem.rule for problem in verdict.problems})

    def paid(self, entry: Entry) -> None:
        """Count what an answer took."""
        self.asked += 1
        self.repaired += entry.repaired
        self.spent += entry.cost
        self.input_tokens += entry.usage.input_tokens
        self.output_tokens += entry.usage.output_tokens + entry.usage.thinking_tokens


@dataclass(slots=True, kw_only=True)
class Runner:
    """One run. `rows` give a row, or None as a sign of life; `prepare` makes work of it, or None of no use."""

    rows: Callable[[], Iterator[CatalogRow | None]]
    prepare: Callable[[CatalogRow], Work | None]
    judge: Judge
    journal: GroupCommit
    asker: Asker
    policy: Policy
    watch: Callable[[Tally], None]
    tally: Tally = field(default_factory=Tally)
    _begun: int = 0
    _limited: bool = False
    _ahead: Ahead = field(init=False)
    _under_way: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _asked: set[bytes] = field(default_factory=set)
    _unjudged: list[tuple[Entry, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ahead = Ahead(
            rows=self.rows(),
            prepare=self.prepare,
            is_asked=lambda key: not self.journal.journal.holds(key),
            stopped=lambda: self._limited or bool(self.asker.halt),
        )

    async def run(self) -> None:
        """Ask until every row has an answer, or something stops it. Raises what reading or opening raises."""
        most = self.asker.config.limits.concurrency
        try:
            async with asyncio.TaskGroup() as group:
                makers = [group.create_task(self._ahead.make()) for _ in range(MAKERS)]
                tasks = [group.create_task(self._work()) for _ in range(most + min(most, BESIDE))]
                with interruptible(self.asker.halt, tasks):
                    await asyncio.wait(tasks)
                for maker in makers:
                    maker.cancel()
            await self._judge_all()
        except* VlmError as errors:
            raise errors.exceptions[0] from None

    async def _work(self) -> None:
        while not self.asker.halt and (made := await self._ahead.next()) is not None:
            (work,) = made
            self.tally.rows += 1
            if work is None:
                self.tally.unusable += 1
            else:
                await self._described(work)
            self.watch(self.tally)

    async def _described(self, work: Work) -> None:
        """See to it that the journal holds the row's answer. Rows that are asked alike are asked once."""
        key = work.ask.key
        while key in self._under_way:
            await self._under_way[key]
        known = self.journal.journal.get(key)
        if known is not None and not await self._again(work, known):
            self.tally.known += 1
            self.tally.saved += known.cost
            await self._judge(work, known)
            return
        if self.policy.limit is not None and self._begun >= self.policy.limit:
            self._limited = True
            self.tally.left += 1
            return
        self._begun += 1
        self._under_way[key] = done = asyncio.get_running_loop().create_future()
        try:
            await self._ask(work)
        finally:
            del self._under_way[key]
            done.set_result(None)

    async def _ask(self, work: Work) -> None:
        try:
            entry = await self._entry(work)
        except JournalError as error:
            self.asker.halt("journal", error.message)
            return
        if entry is None:
            self.tally.left += 1
            return
        if self.policy.asks_again:
            self._asked.add(bytes.fromhex(entry.key))
        self.tally.paid(entry)
        await self._judge(work, entry)

    async def _entry(self, work: Work) -> Entry | None:
        """What became of a row's ask, once the disk has it. Raises JournalError."""
        made = work if work.pictures is None else await asyncio.to_thread(work.ready)
        if made.refused is not None:
            why = made.refused
            entry = Entry(key=work.ask.key, ended=why.ended, reason=why.message, attempts=0, row=work.ask.id)
            await self.journal.append(entry)
            return entry
        return await self.asker.entry(made.ask, tokens_of(work.ask, work.sizes))

    async def _again(self, work: Work, known: Entry) -> bool:
        """Whether to ask again for what the journal holds."""
        if not self.policy.asks_again or bytes.fromhex(known.key) in self._asked:
            return False
        return self.policy.again((await asyncio.to_thread(self.judge.verdicts, [(known, work.values)]))[0])

    async def _judge(self, work: Work, entry: Entry) -> None:
        """Count what a row ends with; many rows at a time, which takes hardly longer than one."""
        self._unjudged.append((entry, work.values))
        if len(self._unjudged) >= JUDGED_AT_A_TIME:
            await self._judge_all()

    async def _judge_all(self) -> None:
        entries, self._unjudged = self._unjudged, []
        for verdict in await asyncio.to_thread(self.judge.verdicts, entries):
            self.tally.judged(verdict)


@contextmanager
def interruptible(halt: Halt, tasks: list[asyncio.Task[None]]) -> Iterator[None]:
    """Ctrl-C lets what is on its way finish and begins nothing; a second one stops at once."""

    def interrupted() -> None:
        if halt.kind == "interrupted":
            for task in tasks:
                task.cancel()
        halt("interrupted", "what was on its way was finished")

    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except NotImplementedError:  # Windows: asyncio.run cancels everything at the first Ctrl-C
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
