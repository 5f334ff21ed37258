"""Every score of every candidate with its interval, drawn and in figures, beside what the references get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmdata.page import section, text
from vlmdata.words import plural
from vlmtrain.page.colours import kind_of
from vlmtrain.page.lanes import Dot, even_scale, key, lane, scale_of
from vlmtrain.page.tables import folding_table
from vlmtrain.score_words import around, chance_words, difference, figure, score_words
from vlmtrain.verdict import called, headline, holding, main_comparison, sure_scores, verdict_words

if TYPE_CHECKING:
    from vlmtrain.comparing import Change, Comparison, Estimate
    from vlmtrain.evaluation import EvalResult

MOST_SCORES, MOST_CANDIDATES = 60, 8


def scores_section(result: EvalResult) -> str:
    """The table, the key to its colours, and what stands behind the figures."""
    candidates = list(result.candidates)[:MOST_CANDIDATES]
    names = sorted(score_names(result), key=lambda name: name != headline(result))
    comparison = main_comparison(result)
    sure = sure_scores(result, comparison) if comparison else set()
    rows = [_row(result, name, candidates, comparison, sure) for name in names[:MOST_SCORES]]
    head = ["Score", "Where it lies", *candidates, "reference"]
    head += [f"{comparison.after} less {comparison.before}"] if comparison else []
    kinds = [(kind_of(result, name), name) for name in candidates]
    shown = folding_table(head, rows, caption="Scores of the candidates")
    body = f"{key(kinds, mark='the references themselves')}{shown}{_left_out(result, names)}{_without_failed(result)}"
    return section("scores", "Scores", f'<div class="scores">{body}</div>{_each(result)}', note=_note(result))


def score_names(result: EvalResult) -> list[str]:
    """Every score that some candidate has."""
    return list(dict.fromkeys(name for each in result.candidates.values() for name in each.metrics))


def _note(result: EvalResult) -> str:
    first = next(iter(result.candidates.values()))
    groups = max((each.groups for each in first.estimates.values()), default=0)
    independent = f", in {plural(groups, 'group')} of which each counts once" if groups != len(first.answered) else ""
    return (
        f"{plural(len(first.answered), 'row')}{independent}. Lines and small figures are "
        f"{result.chance.confidence:.0%} intervals: where the score may lie by chance."
    )


def _row(
    result: EvalResult,
    score: str,
    candidates: list[str],
    comparison: Comparison | None,
    sure: set[str],
) -> list[str]:
    found = {name: each for name in candidates if (each := result.candidates[name].estimates.get(score))}
    dots = [_dot(result, score, name, each) for name, each in found.items()]
    reference = result.reference.get(score)
    drawn = lane(dots, scale_of(score, dots, reference), mark=reference)
    cells = [_figure(score, found.get(name)) for name in candidates]
    row = [_name(result, score), drawn, *cells, figure(score, reference)]
    return row if comparison is None else [*row, change_cell(score, comparison.changes.get(score), score in sure)]


def _name(result: EvalResult, score: str) -> str:
    better = {True: "higher is better", False: "lower is better", None: "neither way is better"}
    code = f"<code>{text(score)}</code>, " if score_words(score) != score else ""
    main = ' <span class="badge">the main score</span>' if score == headline(result) else ""
    return (
        f'<span dir="auto">{text(score_words(score))}</span>{main}'
        f"<small>{code}{better[result.higher_is_better(score)]}</small>"
    )


def _dot(result: EvalResult, score: str, name: str, estimate: Estimate) -> Dot:
    sure = around(score, estimate.interval)
    said = f"{name}: {figure(score, estimate.value)}{f' ({sure})' if sure else ''}"
    return Dot(value=estimate.value, interval=estimate.interval, kind=kind_of(result, name), said=said)


def _figure(score: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"<b>{figure(score, estimate.value)}</b><small>{around(score, estimate.interval)}</small>"


def change_cell(score: str, change: Change | None, sure: bool) -> str:
    """A difference with its interval, and below it what it says."""
    if change is None:
        return "-"
    reach = around(score, change.interval, signed=True)
    return f"<b>{difference(score, change.delta)}</b><small>{reach}</small><small>{verdict_badge(change, sure)}</small>"


def verdict_badge(change: Change, sure: bool) -> str:
    """A change's verdict as a badge; one that could be the chance of many looks is called so."""
    title = f"{change.test}, {chance_words(change.p)}" if change.p is not None else "too few rows for an interval"
    word = verdict_words(change, sure=sure)
    return f'<span class="badge {word.split()[0]}" title="{text(title)}">{word}</span>'


def _each(result: EvalResult) -> str:
    """Of several candidates each one against the first, by the main score."""
    score = headline(result)
    found = [each for each in result.comparisons if score in each.changes]
    if score is None or len(found) < 2:
        return ""
    changes = [each.changes[score] for each in found]
    scale = even_scale([change.interval for change in changes], [change.delta for change in changes])
    sure = holding({each.after: each.changes[score] for each in found})
    rows = []
    for each, change in zip(found, changes, strict=True):
        told = f"{difference(score, change.delta)} ({around(score, change.interval, signed=True) or 'no interval'})"
        dot = Dot(value=change.delta, interval=change.interval, kind=kind_of(result, each.after), said=told)
        sides = [f"{len(each.fixed):,}", f"{len(each.broken):,}"] if each.correct else ["-", "-"]
        name = f'<span dir="auto">{text(each.after)}</span>'
        rows.append([name, lane([dot], scale, mark=0.0), change_cell(score, change, each.after in sure), *sides])
    head = ["Candidate", "Difference", score_words(score), "Rows fixed", "Broken"]
    title = f"Each against {called(found[0].before)}"
    return f'<h3 class="sub" dir="auto">{text(title)}</h3>{folding_table(head, rows, caption=title)}'


def _left_out(result: EvalResult, names: list[str]) -> str:
    said = []
    if len(names) > MOST_SCORES:
        said.append(plural(len(names) - MOST_SCORES, "more score"))
    if len(result.candidates) > MOST_CANDIDATES:
        said.append(plural(len(result.candidates) - MOST_CANDIDATES, "more candidate"))
    return f'<p class="more">… {text(" and ".join(said))} in results.json</p>' if said else ""


def _without_failed(result: EvalResult) -> str:
    """The rows that a candidate could not take, why, and its scores without them."""
    parts = []
    for name, each in result.candidates.items():
        if not each.failed:
            continue
        taken = [
            f"{score_words(score)} {figure(score, value)}" for score, value in list(each.metrics_taken.items())[:6]
        ]
        row, why = next(iter(each.failed.items()))
        said = (
            f"{called(name)} could not take {len(each.failed):,} of {plural(len(each.answered), 'row')}, and each "
            f"counts as wrong. Without them: {', '.join(taken)}. The first is {row!r}: {why[:300]}"
        )
        parts.append(f'<p class="aside" dir="auto">{text(said[:1].upper() + said[1:])}</p>')
    return "".join(parts)
