"""What a run of descriptions would come to, without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from vlmdata.describe_basis import described_config
from vlmdata.describe_settings import DescribeConfig, Prices
from vlmdata.describing import Desk, desk_of, opened, rows_without_text
from vlmdata.description.asks import tokens_of
from vlmdata.description.journal import Journal, read_journal
from vlmdata.description.money import Tariff, most_output
from vlmdata.description.provider import Usage
from vlmdata.description.quality import require_language
from vlmdata.protocols import CatalogRow
from vlmdata.recipe import Recipe

SAMPLE = 1_000
"""Answers of the journal from which the usual length of one is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run would come to. `alike` rows are asked as another row is, and share its answer.

    `output_tokens` are about as many as the journal's answers have, where it has some of them (`from_answers`), else
    the most that answers may have.
    """

    rows: int
    known: int
    to_ask: int
    unusable: int
    input_tokens: int
    output_tokens: int
    from_answers: int
    cost: Decimal
    at_most: Decimal
    spent: Decimal
    prices: Prices | None
    by_hand: bool = False
    alike: int = 0


@dataclass(slots=True, kw_only=True)
class _Counting:
    """An estimate on its way."""

    config: DescribeConfig
    journal: Journal
    tariff: Tariff
    rows: int = 0
    known: int = 0
    alike: int = 0
    unusable: int = 0
    input_about: int = 0
    input_most: int = 0
    _asked: set[str] = field(default_factory=set)
    _answered: list[int] = field(default_factory=list)

    def add(self, desk: Desk, row: CatalogRow) -> None:
        """Count a row without a text. Rows that are asked alike are asked once."""
        self.rows += 1
        work = desk.work(row)
        if work is None:
            self.unusable += 1
            return
        entry = self.journal.get(work.ask.key)
        if entry is not None or work.ask.key in self._asked:
            self.known += entry is not None
            self.alike += entry is None
            if entry is not None and entry.ended == "stop" and len(self._answered) < SAMPLE:
                self._answered.append(entry.usage.output_tokens + entry.usage.thinking_tokens)
            return
        self._asked.add(work.ask.key)
        tokens = tokens_of(work.ask, work.sizes)
        self.input_about += tokens.about
        self.input_most += tokens.at_most

    @property
    def to_ask(self) -> int:
        """Requests that would be sent, if none failed."""
        return len(self._asked)

    def estimate(self) -> Estimate:
        """The sum of it."""
        most = most_output(self.config.max_output_tokens, self.config.thinking_budget) * self.to_ask
        usual = sum(self._answered) / len(self._answered) if self._answered else 0
        output = round(usual * self.to_ask) if self._answered else most
        return Estimate(
            rows=self.rows,
            known=self.known,
            to_ask=self.to_ask,
            unusable=self.unusable,
            input_tokens=self.input_about,
            output_tokens=output,
            from_answers=len(self._answered),
            cost=self.tariff.cost(Usage(input_tokens=self.input_about, output_tokens=output)),
            at_most=self.tariff.cost(Usage(input_tokens=self.input_most, output_tokens=most)),
            spent=self.journal.spent,
            prices=self.config.prices,
            by_hand=self.config.provider == "file",
            alike=self.alike,
        )


def estimate_descriptions(recipe: Recipe, *, batch: bool | None = None, limit: int | None = None) -> Estimate:
    """What `describe` would ask for, and about what that would cost.

    Raises MissingPackageError and ConfigError where the run itself would, over the recipe's language.
    """
    config = described_config(recipe)
    if config.language is not None:
        require_language(config.language)
    tariff = Tariff(config.prices, batch=config.batch if batch is None else batch)
    with opened(recipe) as reader, read_journal(config.journal) as journal:
        desk = desk_of(recipe, reader, load=False)
        counting = _Counting(config=config, journal=journal, tariff=tariff)
        for row in rows_without_text(recipe, reader):
            if row is not None:
                counting.add(desk, row)
            if limit is not None and counting.to_ask >= limit:
                break
        return counting.estimate()
