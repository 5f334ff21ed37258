"""A validation's result for GitHub Actions: annotations on the files, and a summary on the run's page.

Annotations are workflow commands (`::error file=…,line=…,title=…::message`). GitHub shows ten errors and ten warnings
of a step, so the worst are kept, one of each rule before a second of any.
"""

from __future__ import annotations

from pathlib import Path

from vlmdata.reports.places import Places
from vlmdata.reports.ranking import Finding, findings, worst_first
from vlmdata.terminal import printable
from vlmdata.validation_result import ValidationResult

MOST_ANNOTATIONS = 10


def render(result: ValidationResult, *, folder: Path | None = None) -> str:
    """The annotations, one a line. `folder` is where the result's paths start: the current one unless given."""
    places = Places.around(folder or Path.cwd())
    broken = [
        command("error", target.error, file=_inside(target.path, places), title="not validated")
        for target in result.targets
        if target.error
    ]
    ranked = worst_first(findings(result))
    errors = [each for each in ranked if each.problem.severity == "error"][: max(MOST_ANNOTATIONS - len(broken), 0)]
    warnings = [each for each in ranked if each.problem.severity == "warning"][:MOST_ANNOTATIONS]
    counts = _Counts(result.by_rule())
    lines = broken[:MOST_ANNOTATIONS] + [counts.annotation(each, places) for each in (*errors, *warnings)]
    return "\n".join([*lines, command("notice", _total(result, len(errors), len(warnings)), title="vlmdata")])


class _Counts:
    """How often each rule was broken, told once: beside the first annotation of the rule."""

    def __init__(self, by_rule: dict[str, int]) -> None:
        self.rest = by_rule

    def annotation(self, finding: Finding, places: Places) -> str:
        problem = finding.problem
        more = self.rest.pop(problem.rule, 1) - 1
        words = (
            ": ".join(word for word in (problem.id, problem.field, problem.message) if word),
            problem.hint,
            f"{more:,} more of {problem.rule}" if more else "",
        )
        return command(
            problem.severity,
            "; ".join(word for word in words if word),
            file=_inside(finding.place, places),
            line=str(problem.line or ""),
            title=problem.rule,
        )


def command(name: str, message: str, **properties: str) -> str:
    """A workflow command, escaped so that nothing in it ends it, or begins another."""
    stated = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if stated else ''}{stated}::{_data(message)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return printable(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _inside(place: str, places: Places) -> str:
    """A path that GitHub can show an annotation at; nothing where it leads out of the repository."""
    return places.path(place) if places.is_inside(place) else ""


def _total(result: ValidationResult, errors: int, warnings: int) -> str:
    known = f"; {result.known:,} more are known from {result.baseline}" if result.baseline else ""
    return (
        f"{result.errors:,} errors and {result.warnings:,} warnings in {result.records:,} records"
        f" ({errors:,} and {warnings:,} are shown as annotations){known}"
    )
