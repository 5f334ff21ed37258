"""Which rules are looked for, how bad each is, and where its thresholds lie, as a team has settled it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from vlmdata.record import Problem, Severity
from vlmdata.rules import matching_rules, rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """Settings of the checks. Without any, every rule is looked for but those in preview.

    `select` and `ignore` are ids, families or `all`; what stands in both is ignored. A preview rule is looked for where
    `preview` is set, or `select` has its own id. `always` are rules that are looked for, as bad as the rulebook has
    them, whatever the rest says. `plugins` are rules from outside, each `package.module:NAME`. A validation fails on
    more than `max_errors` errors, and on warnings where `fail_on` says so, or where there are more than `max_warnings`.
    """

    select: tuple[str, ...] = ("all",)
    ignore: tuple[str, ...] = ()
    preview: bool = False
    severities: Mapping[str, Severity] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    plugins: tuple[str, ...] = ()
    fail_on: Severity = "error"
    max_errors: int = 0
    max_warnings: int | None = None

    def wants(self, name: str) -> bool:
        """Whether a rule is looked for. A rule that the rulebook does not know, such as a plug-in's, is."""
        return name in self.always or _wanted(name, self.select, self.ignore, self.preview)

    def severity(self, name: str, said: Severity = "error") -> Severity:
        """How bad a rule's findings are: as settled here, else as the rulebook has it, else as the finding `said`.

        Where a rule is milder in some cases, what the finding said of itself counts before the rulebook.
        """
        if name in self.severities and name not in self.always:
            return self.severities[name]
        known = rulebook().get(name)
        return known.severity if known is not None and not known.milder else said

    def threshold(self, name: str, key: str) -> float:
        """A threshold of a rule: as settled here, else as the rulebook has it."""
        return self.thresholds.get(name, {}).get(key, rulebook()[name].thresholds[key])

    def applied(self, problems: Iterable[Problem]) -> Iterator[Problem]:
        """The problems that are wanted, each as bad as it is settled here."""
        for problem in problems:
            if self.wants(problem.rule):
                severity = self.severity(problem.rule, problem.severity)
                yield problem if severity == problem.severity else replace(problem, severity=severity)


@lru_cache(maxsize=4_096)
def _wanted(name: str, select: tuple[str, ...], ignore: tuple[str, ...], preview: bool) -> bool:
    known = rulebook().get(name)
    if known is not None and known.stops:
        return True
    if any(name == selector or name in matching_rules(selector) for selector in ignore):
        return False
    if known is None or name in select:
        return True
    if known.preview and not preview:
        return False
    return any(name in matching_rules(selector) for selector in select)


def forget_wanted() -> None:
    """Forget which rules are wanted, since the rulebook has changed."""
    _wanted.cache_clear()


DEFAULT = CheckSettings()
STRUCTURE = frozenset({"messages.roles", "messages.part", "messages.images", "text.empty", "text.surrogate"})
"""Rules that a build holds every record to, whatever a team's settings say: without them it is no record."""
