"""The texts of a journal put into the rows of a scan: the same journal gives the same dataset, whoever scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from vlmdata.describe_basis import Basis, basis_of, described_config, rules_of_texts
from vlmdata.description.answers import Judge, missing
from vlmdata.description.journal import Entry, Journal, read_journal
from vlmdata.image.verifying import Reader, Verified
from vlmdata.protocols import CatalogRow, Describe, Described
from vlmdata.recipe import Recipe
from vlmdata.record import ImageInfo, ImageReference, Problem, Provenance
from vlmdata.templates import TemplateError

Verdicts = Callable[[tuple[ImageReference, ...]], list[Verified]]
"""From a row's images to what is known of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Finds the text that was written for a row. Rows that have one of their own are left alone."""

    basis: Basis
    judge: Judge
    journal: Journal
    verdicts: Verdicts

    def __call__(self, row: CatalogRow) -> Described | tuple[Problem, ...] | None:
        """The row's text, every reason why it has none, or None where a person has written one."""
        config = self.basis.config
        if row.values.get(config.column) is not None:
            return None
        infos, problems = infos_of(self.verdicts(row.images))
        if problems:
            return tuple(_at(row, problem) for problem in problems)
        try:
            entry = self.journal.get(self.basis.key(self.basis.prompt(row, infos)))
        except TemplateError as error:
            problem = Problem(rule="text.template", message=error.message, field="prompt", hint=error.hint)
            return (_at(row, problem),)
        if entry is None:
            return (_at(row, replace(missing(), field=config.column)),)
        verdict = self.judge.verdict(entry, row.values)
        if not verdict.good:
            return tuple(_at(row, problem) for problem in self._all_problems(entry, row))
        return Described(text=verdict.text, provenance=self._provenance(entry))

    def _all_problems(self, entry: Entry, row: CatalogRow) -> tuple[Problem, ...]:
        """What is wrong with a text that makes no conversation; the rules of texts too, as no scan will look at it."""
        (verdict,) = self.judge.verdicts([(entry, row.values)])
        return verdict.problems

    def _provenance(self, entry: Entry) -> Provenance:
        config = self.basis.config
        written_in = config.path.name if config.path is not None else config.model
        return Provenance(
            description=config.provider, model=entry.model or written_in, prompt_sha256=config.prompt_sha256
        )


def infos_of(verdicts: list[Verified]) -> tuple[list[ImageInfo], list[Problem]]:
    """What is known of a row's images, and what is wrong with them, each at its place."""
    infos, problems = [], []
    for place, verdict in enumerate(verdicts):
        if verdict.problem is not None:
            problems.append(replace(verdict.problem, field=f"images[{place}]"))
        elif verdict.image is not None:
            infos.append(verdict.image.info)
    return infos, problems


def _at(row: CatalogRow, problem: Problem) -> Problem:
    return replace(problem, source=row.origin.source, line=row.origin.line)


@contextmanager
def lookup(recipe: Recipe, reader: Reader, verdicts: Verdicts) -> Iterator[Describe | None]:
    """What finds the written texts of a recipe, None where it asks for none. Raises JournalError."""
    if recipe.describe is None:
        yield None
        return
    with read_journal(described_config(recipe).journal) as journal:
        basis = basis_of(recipe, reader)
        judge = basis.judge(rules_of_texts(recipe.check))
        yield Lookup(basis=basis, judge=judge, journal=journal, verdicts=verdicts)
