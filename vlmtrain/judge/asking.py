"""A judge asked many questions: each answer is on disk before it counts, and nothing is paid for twice or over the cap.

Requests, waits, repeats and the purse are those of descriptions (vlmdata.description); the journal has their form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path

from vlmdata.describe_settings import DescribeConfig, Limits, Prices
from vlmdata.description.asking import Asker, Halt
from vlmdata.description.asks import Tokens, tokens_of
from vlmdata.description.journal import Entry, GroupCommit, Journal, open_journal
from vlmdata.description.limits import Clock
from vlmdata.description.money import Purse, Tariff, most_output
from vlmdata.description.provider import Ask, Picture, Provider, ProviderSettings, Usage, open_provider
from vlmdata.description.runner import interruptible
from vlmdata.errors import VlmError
from vlmtrain.judge.access import Judge
from vlmtrain.judge.judgement import Bill
from vlmtrain.judge.settings import JudgeConfig

LIMITS = Limits(concurrency=8)
KEPT = frozenset({"stop", "length", "blocked", "empty"})
"""How an ask ends that was answered. What failed on the way is asked again by the next evaluation."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request, still without its pictures, their sizes, and what makes them ready."""

    ask: Ask
    sizes: tuple[tuple[int, int], ...]
    pictures: Callable[[], tuple[Picture, ...]]

    @property
    def tokens(self) -> Tokens:
        """What it takes to be read."""
        return tokens_of(self.ask, self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of the questions, by their keys; `stopped` says why some are missing."""

    entries: Mapping[str, Entry]
    bill: Bill
    stopped: str = ""


def hear(judge: Judge, questions: Mapping[str, Question], path: Path, progress: Progress | None = None) -> Heard:
    """Ask what the journal at `path` does not hold, once its cost has been told and is not over the cap."""
    with open_journal(path) as journal:
        left = {key: each for key, each in questions.items() if not _is_kept(journal, key)}
        bill, stopped = estimate(judge.config, left, known=len(questions) - len(left)), ""
        _tell(judge, before_words(judge.config, bill))
        cap = judge.config.max_cost
        if cap is not None and bill.about > _exact(cap):
            stopped = f"about {money(bill.about, bill)} is more than eval.judge.max_cost ({cap:g}): nobody was asked"
        elif left:
            bill, stopped = asyncio.run(_Sitting(judge, journal, bill, progress).run(left))
            _tell(judge, after_words(judge.config, bill))
        found = {key: entry for key in questions if (entry := journal.get(key)) is not None}
    return Heard(entries=found, bill=bill, stopped=stopped)


def _is_kept(journal: Journal, key: str) -> bool:
    entry = journal.get(key)
    return entry is not None and entry.ended in KEPT


def estimate(config: JudgeConfig, left: Mapping[str, Question], *, known: int) -> Bill:
    """What questions would come to, without asking anybody. Answers count with the most that they may have."""
    asked, tariff = as_asked(config), tariff_of(config)
    tokens = [each.tokens for each in left.values()]
    output = most_output(asked.max_output_tokens, asked.thinking_budget) * len(left)
    about, most = sum(each.about for each in tokens), sum(each.at_most for each in tokens)
    return Bill(
        requests=len(left),
        known=known,
        about=tariff.cost(Usage(input_tokens=about, output_tokens=config.max_new_tokens * len(left))),
        at_most=tariff.cost(Usage(input_tokens=most, output_tokens=output)),
        currency=config.prices.currency if config.prices else "",
        as_of=config.prices.as_of if config.prices else "",
    )


def as_asked(config: JudgeConfig) -> DescribeConfig:
    """The judge in the words of what asks for descriptions. Only Gemini counts thinking beside the answer."""
    return DescribeConfig(
        provider=config.provider,
        model=config.model,
        max_output_tokens=config.max_new_tokens,
        thinking_budget=config.thinking_budget if config.provider == "gemini" else 0,
        limits=LIMITS,
    )


def tariff_of(config: JudgeConfig) -> Tariff:
    """The prices, as they are added up."""
    return Tariff(Prices(**asdict(config.prices)) if config.prices else None)


def before_words(config: JudgeConfig, bill: Bill) -> str:
    """What is told before anybody is asked."""
    known = f"; {bill.known:,} were answered before and cost nothing" if bill.known else ""
    cost = f", about {money(bill.about, bill)}, at most {money(bill.at_most, bill)} (prices of {bill.as_of})"
    return f"judge {config.model}: {bill.requests:,} requests{cost if config.prices else _UNKNOWN}{known}"


def after_words(config: JudgeConfig, bill: Bill) -> str:
    """What is told in the end."""
    if config.prices is None:
        return f"judge {config.model}: {bill.requests:,} answers{_UNKNOWN}"
    lost = f", and at most {money(bill.lost, bill)} for answers that never came" if bill.lost else ""
    return f"judge {config.model}: {money(bill.paid, bill)} paid for {bill.requests:,} answers{lost}"


_UNKNOWN = " (eval.judge.prices is not given, so that no cost is known)"


def money(amount: Decimal, bill: Bill) -> str:
    """An amount in the price list's currency."""
    return f"{amount:.4f} {bill.currency}".rstrip()


def _tell(judge: Judge, line: str) -> None:
    if judge.tell:
        judge.tell(line)


def _exact(price: float) -> Decimal:
    return Decimal(str(price))


class _Sitting:
    """One run through the questions that have no answer yet."""

    def __init__(self, judge: Judge, journal: Journal, bill: Bill, progress: Progress | None) -> None:
        self.judge, self.bill, self.progress = judge, bill, progress
        self.journal = GroupCommit(journal)
        self.answered = 0
        self.paid = Decimal(0)

    async def run(self, left: Mapping[str, Question]) -> tuple[Bill, str]:
        """Ask all of them. What was paid, and why it stopped early, if it did."""
        provider = open_provider(self.judge.config.provider, _settings(self.judge))
        asker, questions = self._asker(provider), iter(left.values())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._work(asker, questions)) for _ in range(LIMITS.concurrency)]
                with interruptible(asker.halt, tasks):
                    await asyncio.wait(tasks)
        except* VlmError as errors:
            raise errors.exceptions[0] from None
        finally:
            await provider.close()
        if asker.halt.kind == "interrupted":
            raise KeyboardInterrupt
        return replace(self.bill, requests=self.answered, paid=self.paid, lost=asker.lost), asker.halt.message

    def _asker(self, provider: Provider) -> Asker:
        clock, cap = Clock(), self.judge.config.max_cost
        return Asker(
            config=as_asked(self.judge.config),
            provider=provider,
            purse=Purse(cap=None if cap is None else _exact(cap)),
            tariff=tariff_of(self.judge.config),
            clock=clock,
            halt=Halt(clock),
            journal=self.journal,
            form_problem=lambda _: "",
        )

    async def _work(self, asker: Asker, questions: Iterator[Question]) -> None:
        for question in questions:
            if asker.halt:
                return
            pictures = await asyncio.to_thread(question.pictures)
            entry = await asker.entry(replace(question.ask, pictures=pictures), question.tokens)
            if entry is not None:
                await self.journal.append(entry)
                self.answered += 1
                self.paid += entry.cost
                if self.progress:
                    self.progress(f"judge: {self.answered:,} of {self.bill.requests:,} requests answered")


def _settings(judge: Judge) -> ProviderSettings:
    config = judge.config
    return ProviderSettings(
        model=config.model,
        key=judge.key,
        endpoint=judge.endpoint,
        timeout=LIMITS.timeout,
        temperature=0.0,
        max_output_tokens=config.max_new_tokens,
        thinking_budget=config.thinking_budget,
        safety={},
    )
