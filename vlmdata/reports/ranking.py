"""The findings that reports show: known from run to run, and the worst first where not all can be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from posixpath import normpath

from vlmdata.record import Problem
from vlmdata.rules import Rule, rulebook
from vlmdata.validation_result import Target, ValidationResult

TRAINING = frozenset({"budget", "run"})
"""Families of rules about training alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, the target it was found in, and what it is known by from run to run."""

    target: Target
    problem: Problem
    fingerprint: str

    @property
    def place(self) -> str:
        """The path of the file it is in, relative to the current folder."""
        return self.target.place(self.problem)


def findings(result: ValidationResult) -> list[Finding]:
    """The problems that a result keeps, in order.

    A fingerprint covers record, field, rule and file, and never the line, which moves. Findings that agree in all of
    it are told apart by a number, in their order.
    """
    seen: Counter[str] = Counter()
    found = []
    for target, problem in result.found():
        words = (problem.rule, problem.id, problem.field, normpath(target.place(problem)))
        digest = sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        seen[digest] += 1
        found.append(Finding(target=target, problem=problem, fingerprint=f"{digest}:{seen[digest]}"))
    return found


def findable_rules() -> Mapping[str, Rule]:
    """The rules that a validation may name, by id: neither what a build does on request, nor what training looks at."""
    return {name: rule for name, rule in rulebook().items() if not rule.change and rule.family not in TRAINING}


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """All of them: errors first, and of each severity every rule's first, then every rule's second, and so on.

    However many are cut from the end, no rule with thousands of problems hides one with a few.
    """
    seen: Counter[tuple[str, str]] = Counter()
    ranked: list[tuple[bool, int, str, Finding]] = []
    for each in found:
        severity, rule = each.problem.severity, each.problem.rule
        ranked.append((severity != "error", seen[severity, rule], rule, each))
        seen[severity, rule] += 1
    return [each for *_, each in sorted(ranked, key=lambda entry: entry[:3])]
