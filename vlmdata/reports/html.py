"""A validation's result as a page, and as the piece of a page that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vlmdata.page import coded, document, section, shortened, table, text
from vlmdata.page.gallery import Card, card_html, filters
from vlmdata.record import Problem, problem_dict
from vlmdata.reports.html_rejected import problem_html
from vlmdata.rules import rulebook
from vlmdata.words import plural

if TYPE_CHECKING:
    from vlmdata.validation_result import Target, ValidationResult

OF_RULE, MOST_PROBLEMS, MOST_RULES = 25, 1_500, 300
MOST_BYTES = 4_500_000
NOTEBOOK_RULES, NOTEBOOK_PROBLEMS = 12, 3
STYLE = """
.vlmdata { max-width: 60em; } .vlmdata table { border-collapse: collapse; margin: .5em 0; }
.vlmdata th, .vlmdata td { text-align: left; padding: .25em 1em .25em 0; vertical-align: top; }
.vlmdata td.number { text-align: right; } .vlmdata code { font-weight: 600; }
.vlmdata .error { color: #b3261e; } .vlmdata .warning { color: #8a5a00; }
@media (prefers-color-scheme: dark) { .vlmdata .error { color: #ff9a90; } .vlmdata .warning { color: #e9bb62; } }
"""


def html_page(result: ValidationResult) -> str:
    """A whole page: the verdict, what was looked at, findings by rule, and the problems themselves, to be filtered."""
    sections = [
        _head(result),
        _targets(result),
        _rules(result),
        _problems(result),
    ]
    links = {"targets": "Looked at", "findings": "Findings", "rows": "Problems"}
    body = "\n".join(part for part in sections if part)
    shown = {name: words for name, words in links.items() if f'<section id="{name}"' in body}
    return document(title="Validation", body=body, links=shown)


def verdict_words(result: ValidationResult) -> str:
    """The result in one sentence."""
    looked = f"{plural(result.records, 'record')} and {plural(result.images, 'image')} looked at"
    if not result.errors and not result.warnings:
        said = f"{looked}: nothing wrong was found"
    else:
        said = f"{looked}: {plural(result.errors, 'error')}, {plural(result.warnings, 'warning')}"
    if result.known:
        said += f"; {plural(result.known, 'more finding')} the baseline knows"
    reason = result.reason()
    return f"{said}. It failed: {reason}." if reason else f"{said}."


def _head(result: ValidationResult) -> str:
    kind = "bad" if result.exit_code else "good"
    state = "Failed" if result.exit_code else "Passed"
    return (
        f'<header class="title"><p class="over">Validation</p><h1>{state}</h1>'
        f'<p class="verdict {kind}">{text(verdict_words(result))}</p></header>'
    )


def _targets(result: ValidationResult) -> str:
    rows = [
        [
            f'<span dir="auto">{text(shortened(target.path, 200))}</span>',
            f'<span dir="auto">{text(_target_words(target))}</span>',
            f"{target.records:,}",
            f"{target.images:,}",
            f"{target.count('error'):,}",
            f"{target.count('warning'):,}",
        ]
        for target in result.targets[:MOST_RULES]
    ]
    head = ["Path", "What it is", "Records", "Images", "Errors", "Warnings"]
    rest = len(result.targets) - MOST_RULES
    more = f'<p class="more">… {plural(rest, "more path")}</p>' if rest > 0 else ""
    return section("targets", "What was looked at", table(head, rows, caption="Paths", numbers=4) + more)


def _target_words(target: Target) -> str:
    splits = ", ".join(f"{name} {count:,}" for name, count in list(target.splits.items())[:12])
    said = [target.kind, *([splits] if splits else []), *([target.error] if target.error else [])]
    said += [f"not checked: {words}" for words in target.not_checked]
    return shortened("; ".join(said), 600)


def _counts(result: ValidationResult) -> list[tuple[str, str, int]]:
    """(severity, rule, count), errors first, then the most frequent."""
    total: dict[tuple[str, str], int] = {}
    for target in result.targets:
        for (rule, severity), count in target.counts.items():
            total[severity, rule] = total.get((severity, rule), 0) + count
    return sorted(((*key, count) for key, count in total.items()), key=lambda entry: (entry[0], -entry[2], entry[1]))


def _rules(result: ValidationResult) -> str:
    counts = _counts(result)
    if not counts:
        return ""
    shown = {problem.rule for problem in result.problems}
    items = "".join(_rule(*entry, entry[1] in shown) for entry in counts[:MOST_RULES])
    return section("findings", "Findings by rule", f'<ul class="findings">{items}</ul>')


def _rule(severity: str, rule: str, count: int, shown: bool) -> str:
    known = rulebook().get(rule)
    summary = f"<p>{coded(known.summary)}</p>" if known is not None else ""
    fix = f'<p class="fix">{coded(known.fix)}</p>' if known is not None else ""
    button = f'<button type="button" class="to-rows" data-rule="{text(rule)}" hidden>See them</button>' if shown else ""
    return (
        f'<li class="finding {severity}"><div class="what"><h3><code>{text(rule)}</code></h3>'
        f'<span class="badge {severity}">{severity}</span> <strong>{count:,}</strong> {button}</div>{summary}{fix}</li>'
    )


def _problems(result: ValidationResult) -> str:
    """The first problems of each rule, as many as the page has room for."""
    of_rule: dict[str, int] = {}
    lines: list[str] = []
    cards: list[Card] = []
    left = MOST_BYTES
    for target, problem in result.found():
        of_rule[problem.rule] = of_rule.get(problem.rule, 0) + 1
        if of_rule[problem.rule] > OF_RULE or len(cards) >= MOST_PROBLEMS:
            continue
        card = _card(target, problem)
        line = card_html(card, {})
        left -= len(line.encode())
        if left < 0:
            break
        cards.append(card)
        lines.append(line)
    if not cards:
        return ""
    total = result.errors + result.warnings
    note = f"{len(cards):,} of {plural(total, 'finding')}, at most {OF_RULE} of each rule."
    body = f'{filters(cards, {})}<div class="cards" id="cards">{"".join(lines)}</div>'
    return section("rows", "Problems", body, note=note)


def _card(target: Target, problem: Problem) -> Card:
    place = target.place(problem)
    where = f"{place}:{problem.line}" if problem.line else place
    body = f'<ul class="problems"><li>{problem_html(problem_dict(problem))}</li></ul>'
    return Card(title=problem.id or where, where=where, kinds=(problem.severity,), rules=(problem.rule,), body=body)


def notebook_html(result: ValidationResult) -> str:
    """What a notebook shows: the verdict, counts by rule, the first problems of each. No script, no page."""
    counts = _counts(result)
    rows = "".join(_notebook_row(result.problems, *entry) for entry in counts[:NOTEBOOK_RULES])
    rest = len(counts) - NOTEBOOK_RULES
    more = f"<p>… {plural(rest, 'more rule')}</p>" if rest > 0 else ""
    head = '<tr><th scope="col">rule</th><th scope="col">found</th><th scope="col">such as</th></tr>'
    shown = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else ""
    path = ", ".join(shortened(target.path, 80) for target in result.targets[:4])
    return (
        f'<div class="vlmdata"><style>{STYLE}</style><p><strong dir="auto">{text(path)}</strong><br>'
        f"{text(verdict_words(result))}</p>{shown}{more}</div>"
    )


def _notebook_row(problems: Iterable[Problem], severity: str, rule: str, count: int) -> str:
    samples = [problem for problem in problems if problem.rule == rule][:NOTEBOOK_PROBLEMS]
    lines = "<br>".join(
        f'<span dir="auto">{text(shortened(f"{problem.where}: {problem.message}", 240))}</span>' for problem in samples
    )
    name = f'<code class="{severity}">{text(rule)}</code>'
    return f'<tr><td>{name}</td><td class="number">{count:,}</td><td>{lines}</td></tr>'
