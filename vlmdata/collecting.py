"""Problems as they are found: settled by the settings, those of a baseline set aside, all counted, some kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from vlmdata.baseline import Baseline, Key, key_of
from vlmdata.check_settings import CheckSettings
from vlmdata.record import Problem, Severity

KEPT = 1_000
"""Problems that are kept of each rule, so that memory does not grow with what is wrong."""

OF_BUILDS = frozenset({"images.repeated", "split.empty"})
"""Rules that a build tells of as well, row by row."""


def place_of(problem: Problem) -> tuple[str, str, int]:
    """Its rule, and where it is."""
    return problem.rule, problem.source, problem.line


@dataclass(slots=True, kw_only=True)
class Collector:
    """What was found in one target. `target` is its name in a baseline; `bound` how many of a rule are kept, or all.

    `all_keys` holds every finding by what a baseline knows it by, where one is to be written.
    """

    settings: CheckSettings
    target: str = ""
    baseline: Baseline | None = None
    bound: int | None = KEPT
    counts: Counter[tuple[str, Severity]] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    all_keys: Counter[Key] | None = None
    _kept: dict[str, list[Problem]] = field(default_factory=dict)
    _told_at: set[tuple[str, str, int]] = field(default_factory=set)

    def add(self, problem: Problem, rejecting: bool = False) -> None:
        """Take one problem, unless its rule is not wanted or the baseline knows it.

        What a row is rejected for stays an error, though its rule be a warning elsewhere, unless settings say so.
        """
        for settled in self.settings.applied((problem,)):
            if settled.rule in OF_BUILDS:
                self._told_at.add(place_of(settled))
            if rejecting and problem.severity == "error" and problem.rule not in self.settings.severities:
                settled = problem  # noqa: PLW2901
            if self.all_keys is not None or self.baseline is not None:
                key = key_of(self.target, settled)
                if self.all_keys is not None:
                    self.all_keys[key] += 1
                if self.baseline is not None and self.baseline.knows(key):
                    self.known[settled.rule] += 1
                    continue
            self.counts[settled.rule, settled.severity] += 1
            kept = self._kept.setdefault(settled.rule, [])
            if self.bound is None or len(kept) < self.bound:
                kept.append(settled)

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Take problems one by one."""
        for problem in problems:
            self.add(problem)

    def told_so_far(self) -> frozenset[tuple[str, str, int]]:
        """The places at which rules that a build tells of as well have found something, by `place_of`."""
        return frozenset(self._told_at)

    def problems(self) -> tuple[Problem, ...]:
        """What was kept: errors first, then by rule, source and line; equal ones in the order they were found in."""
        found = [problem for kept in self._kept.values() for problem in kept]
        return tuple(sorted(found, key=lambda each: (each.severity, each.rule, each.source, each.line)))
