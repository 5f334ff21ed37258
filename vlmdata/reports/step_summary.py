"""A validation's result as the Markdown that GitHub shows on the page of a run: counts, splits and first examples."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

from vlmdata.record import Severity
from vlmdata.reports.ranking import Finding, findings, worst_first
from vlmdata.rules import rulebook
from vlmdata.terminal import printable
from vlmdata.validation_result import ValidationResult

MOST_EXAMPLES = 20
MOST_TARGETS = 50
MOST_CHARACTERS = 300
MARKS = str.maketrans({mark: f"&#{ord(mark)};" for mark in string.punctuation if mark not in ",'-/"} | {"\n": " "})


def render(result: ValidationResult) -> str:
    """The result in Markdown. Whatever comes from data is text in it: no markup, no link, no mention."""
    sections = [_heading(result), _targets(result), _rules(result), _splits(result), _examples(result)]
    return "\n\n".join(section for section in sections if section) + "\n"


def literal(text: str) -> str:
    """Text as Markdown that shows just that text, in a table's cell too, cut where it is long."""
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return printable(cut).translate(MARKS)


def _heading(result: ValidationResult) -> str:
    verdict = "failed" if result.exit_code else "passed"
    known = f", {result.known:,} known from {literal(result.baseline)}" if result.baseline else ""
    return (
        f"## vlmdata validate: {verdict}\n\n"
        f"**{result.errors:,} errors, {result.warnings:,} warnings**{known} in {result.records:,} records"
        f" with {result.images:,} images. {literal(result.reason())}"
    ).rstrip(" ")


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], right: int = 0) -> str:
    """A table whose last columns, `right` of them, hold numbers."""
    marks = ["---"] * (len(names) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(row)} |" for row in (names, marks, *rows))


def _targets(result: ValidationResult) -> str:
    shown = sorted(result.targets, key=lambda target: (not target.error, not target.counts))[:MOST_TARGETS]
    rows = [
        (literal(target.path), literal(target.error) or target.kind, f"{target.records:,}", f"{target.images:,}")
        for target in shown
    ]
    rest = len(result.targets) - len(shown)
    table = _table(("looked at", "kind", "records", "images"), rows, right=2)
    unread = [(target.path, words) for target in shown for words in target.not_checked][:MOST_EXAMPLES]
    told = "\n".join(f"- {literal(path)}, not checked: {literal(words)}" for path, words in unread)
    return table + (f"\n\n… and {rest:,} more" if rest else "") + (f"\n\n{told}" if told else "")


def _rules(result: ValidationResult) -> str:
    counts: dict[tuple[Severity, str], int] = {}
    for target in result.targets:
        for (rule, severity), count in target.counts.items():
            counts[severity, rule] = counts.get((severity, rule), 0) + count
    known = rulebook()
    rows = [
        (literal(rule), severity, literal(known[rule].summary) if rule in known else "", f"{count:,}")
        for (severity, rule), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    ]
    return _table(("rule", "severity", "what it finds", "found"), rows, right=1) if rows else ""


def _splits(result: ValidationResult) -> str:
    rows = [(literal(name), f"{count:,}") for name, count in result.splits.items() if name]
    return _table(("split", "records"), rows, right=1) if rows else ""


def _examples(result: ValidationResult) -> str:
    ranked = worst_first(findings(result))[:MOST_EXAMPLES]
    if not ranked:
        return ""
    return "### First of each\n\n" + _table(("where", "what", "rule"), [tuple(_example(each)) for each in ranked])


def _example(finding: Finding) -> Iterator[str]:
    problem = finding.problem
    place = f"{finding.place}:{problem.line}" if problem.line else finding.place
    yield literal(" ".join(word for word in (place, problem.id, problem.field) if word))
    yield literal("; ".join(word for word in (problem.message, problem.hint) if word))
    yield literal(problem.rule)
