"""A validation's result as lines for a terminal: grouped by path and rule, cut with counts, the reason at the end."""

from __future__ import annotations

from collections.abc import Iterator

from vlmdata.record import Problem
from vlmdata.validation_result import Known, Target, ValidationResult

SHOWN = 10
"""Findings of each rule that are shown of a target, where not all of them are."""

GONE_SHOWN = 5


def terminal_text(result: ValidationResult) -> str:
    """For each target its findings, rule by rule, and what was looked at; then the totals."""
    lines = [line for target in result.targets for line in _target_lines(target, result.show_all)]
    lines += _gone_lines(result)
    return "\n".join([*lines, _totals(result)])


def _target_lines(target: Target, show_all: bool) -> Iterator[str]:
    by_rule: dict[str, list[Problem]] = {}
    for problem in target.problems:
        by_rule.setdefault(problem.rule, []).append(problem)
    counts = target.by_rule()
    for rule, problems in by_rule.items():
        shown = problems if show_all else problems[:SHOWN]
        for problem in shown:
            yield _line(target, problem)
        rest = counts[rule] - len(shown)
        if rest:
            yield f"  … {rest:,} more of {rule}; --all shows them"
    yield from _summary(target, counts)


def _line(target: Target, problem: Problem) -> str:
    """`data/products.csv:37 images[0]: … [images.truncated] export the photo again`; a warning says that it is one."""
    place = target.place(problem)
    where = f"{place}:{problem.line}" if problem.line else place
    record = f" {problem.id}" if problem.id else ""
    field = f" {problem.field}" if problem.field else ""
    warning = "warning: " if problem.severity == "warning" else ""
    hint = f" {problem.hint}" if problem.hint else ""
    return f"{where}{record}{field}: {warning}{problem.message} [{problem.rule}]{hint}"


def _summary(target: Target, counts: dict[str, int]) -> Iterator[str]:
    if target.error and not counts:
        yield target.error if target.error.startswith(target.path) else f"{target.path}: {target.error}"
    if target.kind != "unknown" and not (target.error and not target.records):
        splits = "  ".join(f"{name} {count:,}" for name, count in target.splits.items() if name)
        rows = f"{_counted(target.rows, 'row')}, " if target.kind != "dataset" else ""
        named = f"    for {', '.join(target.named_by)}" if target.named_by else ""
        held = f"{_counted(target.records, 'record')}, {_counted(target.images, 'image')}"
        yield f"{target.path}    {rows}{held}    {splits}{named}".rstrip()
    if counts:
        yield "  found        " + "   ".join(f"{rule} {count:,}" for rule, count in counts.items())
    if target.known:
        yield "  known        " + "   ".join(f"{rule} {count:,}" for rule, count in target.known.items())
    for words in target.not_checked:
        yield f"  not checked  {words}"


def _gone_lines(result: ValidationResult) -> Iterator[str]:
    if not result.gone:
        return
    count = sum(known.count for known in result.gone)
    gone = f"{_counted(count, 'known finding')} {'is' if count == 1 else 'are'} gone"
    yield f"{result.baseline}: {gone}; --write-baseline {result.baseline} takes what is gone out"
    for known in result.gone[:GONE_SHOWN]:
        yield f"  gone         {_known_words(known)}"


def _known_words(known: Known) -> str:
    words = (known.target, known.id or known.source, known.field, f"[{known.rule}]")
    return " ".join(word for word in words if word)


def _totals(result: ValidationResult) -> str:
    """The last line: the counts, and why the exit code is what it is."""
    known = f", {result.known:,} known" if result.known else ""
    looked = _counted(result.records, "record") if len(result.targets) == 1 else f"{len(result.targets):,} paths"
    if not result.exit_code and not result.errors and not result.warnings:
        return f"nothing wrong was found in {looked}{known}"
    counts = f"{_counted(result.errors, 'error')}, {_counted(result.warnings, 'warning')}{known} in {looked}"
    return f"{counts}    exit {result.exit_code}: {result.reason() or 'nothing that stops a pipeline'}"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' if count != 1 else ''}"
