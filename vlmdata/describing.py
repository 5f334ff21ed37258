"""The descriptions that a recipe's rows lack: asked for, judged, and kept in the journal that a build reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from vlmdata.describe_access import Access, LazyProvider
from vlmdata.describe_basis import Basis, KnownExample, basis_of, catalog_rows, described_config, rules_of_texts
from vlmdata.describe_by_hand import RowsSeen
from vlmdata.describe_lookup import infos_of
from vlmdata.describe_pictures import Sender
from vlmdata.describe_settings import DescribeConfig, Prices
from vlmdata.description.asking import Asker, Halt, StopKind
from vlmdata.description.asks import ask_of
from vlmdata.description.batches import BatchRunner
from vlmdata.description.journal import GroupCommit, Journal, open_journal
from vlmdata.description.limits import Clock
from vlmdata.description.money import Purse, Tariff
from vlmdata.description.provider import Example, Picture
from vlmdata.description.runner import Policy, Runner, Tally
from vlmdata.description.work import NotSentError, Work
from vlmdata.errors import RecipeError, VlmError
from vlmdata.image.verifying import Reader, quick_turns
from vlmdata.opening import check_columns, reader_of, refuse_missing_roots, refuse_odd_names
from vlmdata.pixels import QUIET
from vlmdata.progress import SHOWN_SECONDS, Pace, Progress, Watch, nobody
from vlmdata.protocols import CatalogRow
from vlmdata.recipe import Recipe
from vlmdata.source import open_source
from vlmdata.templates import TemplateError

COMPANY_SECONDS = 0.005
"""What an answer may wait for others that the disk is to have with it; few of those of a batch come at once."""


class DescribeStoppedError(VlmError):
    """A run that stopped before every row had its answer: the provider refuses the key, or nothing answers."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeResult:
    """What a run has come to. `stopped` says why it ended early, if it did; `spent` is all that the journal
    has cost so far, `lost` the most that this run has paid for answers that never came; `notice` is what a person is
    to know of the provider, and `by_hand` that people wrote the answers."""

    tally: Tally
    requests: int
    faults: Mapping[str, int]
    lost: Decimal
    spent: Decimal
    cap: Decimal | None
    prices: Prices | None
    journal: Path
    damaged: int
    stopped: StopKind | None = None
    message: str = ""
    notice: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where rows are made into asks."""

    basis: Basis
    reader: Reader
    sender: Sender
    examples: tuple[Example, ...]
    example_sizes: tuple[tuple[int, int], ...]

    def work(self, row: CatalogRow) -> Work | None:
        """What is to be asked of a row; None where its images are no good, so that the build will reject it."""
        looked = [self.sender.looked_at(reference) for reference in row.images]
        infos, problems = infos_of([verdict for verdict, _ in looked])
        try:
            prompt = None if problems else self.basis.prompt(row, infos)
        except TemplateError:
            return None
        if prompt is None:
            return None
        config = self.basis.config
        shown = list(zip(row.images, (data for _, data in looked), strict=True))[: config.pictures.max]
        sent = shown if config.provider != "file" else []
        sizes = tuple(self.sender.size(info) for info in infos[: config.pictures.max])

        def pictures() -> tuple[Picture, ...]:
            return self.sender.pictures(sent)

        ask = ask_of(config, self.basis.key(prompt), prompt, (), self.examples)
        return Work(ask=ask, values=row.values, sizes=(*sizes, *self.example_sizes), pictures=pictures)


def desk_of(recipe: Recipe, reader: Reader, *, load: bool) -> Desk:
    """The desk of a recipe; examples have their pictures where these are to be sent (`load`)."""
    basis = basis_of(recipe, reader)
    sender = Sender(reader, basis.config.pictures)
    try:
        examples = tuple(_example(example, sender if load else None) for example in basis.examples)
    except NotSentError as error:
        why = "a photo of an example says where it was taken" if error.ended == "location" else "a photo of an example"
        message = f"{recipe.settings.source}: {why}: {error.message}"
        raise RecipeError(f"{message}; name other rows in describe.examples.ids") from None
    sizes = tuple(sender.size(info) for example in basis.examples for info in example.infos)
    return Desk(basis=basis, reader=reader, sender=sender, examples=examples, example_sizes=sizes)


def _example(example: KnownExample, sender: Sender | None) -> Example:
    pictures = tuple(map(sender.picture, example.images)) if sender is not None else ()
    return Example(prompt=example.turn.prompt, pictures=pictures, answer=example.turn.answer)


def rows_without_text(recipe: Recipe, reader: Reader) -> Iterator[CatalogRow | None]:
    """The rows that are to be described."""
    column = described_config(recipe).column
    for row in catalog_rows(recipe, reader.matching):
        yield row if row is not None and row.values.get(column) is None else None


@contextmanager
def opened(recipe: Recipe) -> Iterator[Reader]:
    """The reader of a recipe's images, once what can be refused before anything is read has been.

    It holds them to be whole pictures; what a build looks for beside that, nobody needs to be asked.
    """
    described_config(recipe)
    source = open_source(recipe.source)
    check_columns(recipe, source)
    refuse_missing_roots(recipe)
    refuse_odd_names(source)
    with QUIET, quick_turns(), reader_of(recipe, spool=None) as reader:
        yield replace(reader, hashed=False)


def describe(  # noqa: PLR0913  (what a person may ask of a run, each by its name)
    recipe: Recipe,
    *,
    max_cost: float | None = None,
    retry_failed: bool = False,
    redo: str | None = None,
    batch: bool | None = None,
    limit: int | None = None,
    endpoint: str | None = None,
    key_variable: str | None = None,
    on_progress: Watch | None = None,
) -> DescribeResult:
    """Have the texts written that a recipe's rows lack. Its journal keeps them; what is there is not asked again.

    `max_cost` stands over the recipe's. `retry_failed` asks again for answers that were rejected, `redo` for those that
    a rule rejected. `endpoint` and `key_variable` say where to ask, and which environment variable holds the key.
    Raises RecipeError, SourceError and JournalError before anything is asked. A run that stops early says so in
    `stopped`; everything that was answered is kept.
    """
    config = described_config(recipe)
    wanted = replace(config, max_cost=config.max_cost if max_cost is None else max_cost)
    wanted = replace(wanted, batch=config.batch if batch is None else batch)
    refuse_impossible(recipe, wanted)
    policy = Policy(retry_failed=retry_failed, redo=redo, limit=limit)
    access = Access.of(endpoint, key_variable, os.environ)
    with opened(recipe) as reader, open_journal(config.journal) as journal:
        desk = desk_of(recipe, reader, load=True)
        work = _Run(recipe, wanted, desk, journal, policy, access, on_progress or nobody)
        return asyncio.run(work.run(Clock()))


def refuse_impossible(recipe: Recipe, config: DescribeConfig) -> None:
    """Raise RecipeError for what the command line asks and the recipe lacks."""
    if config.max_cost is not None and config.prices is None:
        name = recipe.settings.source
        raise RecipeError(f"{name}: --max-cost needs describe.prices: without them nobody knows what an answer costs")
    if config.batch and config.provider != "gemini":
        raise RecipeError(f"{recipe.settings.source}: the provider {config.provider!r} takes no batches; gemini does")


@dataclass(slots=True)
class _Run:
    """One run, with all that it needs."""

    recipe: Recipe
    config: DescribeConfig
    desk: Desk
    journal: Journal
    policy: Policy
    access: Access
    watch: Watch
    pace: Pace = field(default_factory=lambda: Pace(SHOWN_SECONDS))

    async def run(self, clock: Clock) -> DescribeResult:
        """Ask for everything that is missing."""
        provider = LazyProvider(self.config, self.access)
        cap = Decimal(str(self.config.max_cost)) if self.config.max_cost is not None else None
        judge = self.desk.basis.judge(rules_of_texts(self.recipe.check))
        asker = Asker(
            config=self.config,
            provider=provider,
            purse=Purse(cap=cap, spent=self.journal.spent),
            tariff=Tariff(self.config.prices, batch=self.config.batch),
            clock=clock,
            halt=Halt(clock),
            journal=GroupCommit(self.journal, company=0.0 if self.config.batch else COMPANY_SECONDS),
            form_problem=judge.form_problem,
        )
        seen = RowsSeen(self.desk.work)
        given: dict[str, Any] = {
            "rows": lambda: rows_without_text(self.recipe, self.desk.reader),
            "prepare": seen if self.by_hand else self.desk.work,
            "judge": judge,
            "journal": asker.journal,
            "asker": asker,
            "policy": self.policy,
            "watch": self._said,
        }
        runner = BatchRunner(**given, provider=provider.batches) if self.config.batch else Runner(**given)
        try:
            await runner.run()
        finally:
            await provider.close()
            await asker.let_go()
            await asker.journal.written()
        notice = provider.notice
        if self.by_hand and self.config.path is not None and not asker.halt and not runner.tally.left:
            notice = seen.unanswered_names(self.config.path)
        return replace(self._result(runner.tally, asker), notice=notice)

    @property
    def by_hand(self) -> bool:
        """Whether people write the answers, into a file."""
        return self.config.provider == "file"

    def _said(self, tally: Tally) -> None:
        if self.pace.due():
            prices = self.config.prices
            cost = f"{tally.spent:.4f} {prices.currency}" if prices is not None else ""
            rejected = tally.rejected_rows
            self.watch(Progress(phase="describe", rows=tally.rows, answers=tally.asked, rejected=rejected, cost=cost))

    def _result(self, tally: Tally, asker: Asker) -> DescribeResult:
        return DescribeResult(
            tally=tally,
            requests=asker.requests,
            faults=dict(sorted(asker.faults.items())),
            lost=asker.lost,
            spent=self.journal.spent,
            cap=asker.purse.cap,
            prices=self.config.prices,
            journal=self.journal.path,
            damaged=self.journal.damaged,
            by_hand=self.by_hand,
            stopped=asker.halt.kind,
            message=asker.halt.message,
        )
