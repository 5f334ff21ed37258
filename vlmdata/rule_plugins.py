"""Rules from outside: what an outsider declares, and the checks that look for them as if they were ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from vlmdata.check_settings import CheckSettings, forget_wanted
from vlmdata.errors import PluginError
from vlmdata.plugins import blamed, imported
from vlmdata.protocols import Check, DatasetCheck
from vlmdata.record import Problem
from vlmdata.rules import Rule, add_rules, built_in_rules, rulebook

if TYPE_CHECKING:
    import pyarrow as pa

Made = TypeVar("Made")
ID = re.compile(r"[a-z]+\.[a-z_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlugin:
    """Rules from outside, and what looks for them: named in a recipe's `check.plugins`, or `plugins` of vlmdata.toml.

    `rules` are the entries of the rulebook, each `family.name` with a family of one's own. `check` makes a Check of the
    settings, `dataset_check` a fresh DatasetCheck for each dataset that is looked at; rules that a source of one's own
    rejects rows by need neither. A build runs the checks alone; a validation runs both.
    """

    rules: tuple[Rule, ...]
    check: Callable[[CheckSettings], Check] | None = None
    dataset_check: Callable[[CheckSettings], DatasetCheck] | None = None


@cache
def rule_plugin(name: str) -> RulePlugin:
    """The plug-in of a name, its rules put into the rulebook. Runs its module's code. Raises PluginError."""
    found = imported(name)
    if not isinstance(found, RulePlugin):
        raise PluginError(f"{name} is of the type {type(found).__name__}, expected a vlmdata.rule_plugins.RulePlugin")
    faults = list(plugin_faults(found))
    if faults:
        raise PluginError(f"{name}: {'; '.join(faults)}")
    add_rules(found.rules)
    forget_wanted()
    return found


def plugin_faults(plugin: RulePlugin) -> Iterator[str]:
    """What keeps a plug-in from being used, in words."""
    if not plugin.rules:
        yield "it has no rules"
    ours = {rule.family for rule in built_in_rules().values()}
    seen: set[str] = set()
    named: tuple[object, ...] = plugin.rules  # an outsider's words, which no type checker has seen
    for rule in named:
        if not isinstance(rule, Rule):
            yield f"found {rule!r} among its rules, expected a vlmdata.rules.Rule"
            continue
        yield from _rule_faults(rule, ours)
        if rule.id in seen:
            yield f"the rule {rule.id} stands in it twice"
        if rulebook().get(rule.id, rule) != rule and rule.family not in ours:
            yield f"the rule {rule.id} is another plug-in's already"
        seen.add(rule.id)


def _rule_faults(rule: Rule, ours: set[str]) -> Iterator[str]:
    if not ID.fullmatch(rule.id):
        yield f"found the id {rule.id!r}, expected family.name in a-z and _, such as shop.price"
    elif rule.family in ours:
        yield f"the family {rule.family!r} of {rule.id} is vlmdata's own; take another"
    if rule.severity not in ("error", "warning"):
        yield f"found the severity {rule.severity!r} of {rule.id}, expected 'error' or 'warning'"
    if rule.change or rule.stops:
        yield f"{rule.id} is a change, or stops, which only vlmdata's own rules are"
    missing = [key for key in ("summary", "why", "fix") if not getattr(rule, key).strip()]
    if missing:
        yield f"{rule.id} has no {', '.join(missing)}"


def plugged_checks(settings: CheckSettings) -> tuple[Check, ...]:
    """The checks of the settings' plug-ins, but for those of which no rule is wanted. Raises PluginError."""
    return tuple(
        PluggedCheck(name, plugin, _made(name, plugin.check, settings))
        for name, plugin in _wanted(settings)
        if plugin.check is not None
    )


def plugged_dataset_checks(settings: CheckSettings) -> tuple[PluggedDatasetCheck, ...]:
    """The dataset checks of the settings' plug-ins, fresh ones. Raises PluginError."""
    return tuple(
        PluggedDatasetCheck(name, plugin, _made(name, plugin.dataset_check, settings))
        for name, plugin in _wanted(settings)
        if plugin.dataset_check is not None
    )


def _wanted(settings: CheckSettings) -> Iterator[tuple[str, RulePlugin]]:
    for name in settings.plugins:
        plugin = rule_plugin(name)
        if any(settings.wants(rule.id) for rule in plugin.rules):
            yield name, plugin


def _made(name: str, make: Callable[[CheckSettings], Made], settings: CheckSettings) -> Made:
    with blamed(name, lambda: "while its check was made"):
        return make(settings)


@dataclass(frozen=True, slots=True)
class PluggedCheck:
    """A check of a plug-in. What it says is looked at: its own rules alone, about records of the batch."""

    name: str
    plugin: RulePlugin
    check: Check

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Problem]:
        """The problems of a batch, each with the file and line of its record, which a plug-in may leave out."""
        try:
            found = self._found(batch)
        except PluginError as error:
            raise self._at_its_row(batch, error) from error.__cause__
        rows = {name: row for row, name in enumerate(batch.column("id").to_pylist())} if found else {}
        for problem in found:
            own_problem(self.name, self.plugin, problem)
            if problem.id not in rows:
                raise PluginError(
                    f"{self.name} names the record {problem.id!r}, which is not in the batch it was given"
                )
            yield _placed(problem, batch, rows[problem.id])

    def _found(self, batch: pa.RecordBatch) -> Sequence[Problem]:
        with blamed(self.name, lambda: ""):
            return list(self.check(batch))

    def _at_its_row(self, batch: pa.RecordBatch, error: PluginError) -> PluginError:
        """The error with the row that it comes of: the first that fails alone."""
        for row in range(batch.num_rows):
            try:
                self._found(batch.slice(row, 1))
            except PluginError as alone:
                return PluginError(f"{alone.message} at {shown_row(batch, row)}")
        return PluginError(f"{error.message} {between(batch)}")


def own_problem(name: str, plugin: RulePlugin, problem: object) -> None:
    """Raise PluginError for what is no problem, or a problem of a rule that is not the plug-in's."""
    if not isinstance(problem, Problem):
        raise PluginError(f"{name} found {problem!r}, which is no vlmdata.Problem")
    if problem.rule not in {rule.id for rule in plugin.rules}:
        own = ", ".join(rule.id for rule in plugin.rules)
        raise PluginError(f"{name} names the rule {problem.rule!r}, which is none of its own ({own})")


def _placed(problem: Problem, batch: pa.RecordBatch, row: int) -> Problem:
    if problem.source and problem.line:
        return problem
    origin = batch.column("origin")[row].as_py() or {}
    source, line = problem.source or origin.get("source") or "", problem.line or origin.get("line") or 0
    return replace(problem, source=source, line=line)


def shown_row(batch: pa.RecordBatch, row: int) -> str:
    """Where a row of a batch comes from: its file and line."""
    origin = batch.column("origin")[row].as_py() or {}
    return f"{origin.get('source') or 'a row'}:{origin.get('line') or '?'}"


def between(batch: pa.RecordBatch) -> str:
    """Where the rows of a batch come from."""
    if not batch.num_rows:
        return "at a batch without rows"
    return f"between {shown_row(batch, 0)} and {shown_row(batch, batch.num_rows - 1)}"


@dataclass(frozen=True, slots=True)
class PluggedDatasetCheck:
    """A dataset check of a plug-in."""

    name: str
    plugin: RulePlugin
    check: DatasetCheck

    @property
    def rules(self) -> Sequence[str]:
        """The ids of the plug-in's rules."""
        return tuple(rule.id for rule in self.plugin.rules)

    def see(self, split: str, batch: pa.RecordBatch) -> None:
        """Show it a batch."""
        with blamed(self.name, lambda: between(batch)):
            self.check.see(split, batch)

    def findings(self) -> Iterator[Problem]:
        """What it found."""
        with blamed(self.name, lambda: "at the end of the dataset"):
            found = list(self.check.findings())
        for problem in found:
            own_problem(self.name, self.plugin, problem)
            yield problem
