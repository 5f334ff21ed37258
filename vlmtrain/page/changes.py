"""What changed between two candidates: rows fixed and broken, and by score how many got better and worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmdata.page import section, text
from vlmdata.words import plural
from vlmtrain.page.scores import verdict_badge
from vlmtrain.page.tables import folding_table
from vlmtrain.score_words import chance_words, score_words
from vlmtrain.verdict import called, sure_scores

if TYPE_CHECKING:
    from vlmtrain.comparing import Comparison
    from vlmtrain.evaluation import EvalResult

MOST_SCORES = 20


def changes_section(result: EvalResult, comparison: Comparison) -> str:
    """The rows as one bar, from right before and after to wrong both times; then the scores."""
    before, after = called(comparison.before), called(comparison.after)
    note = f"The same rows, answered by {before} and by {after}."
    return section("changed", "What changed", _sides(result, comparison) + _by_score(result, comparison), note=note)


def _sides(result: EvalResult, comparison: Comparison) -> str:
    score, total = comparison.correct, len(result.candidates[comparison.after].answered)
    changed = f"The words of {len(comparison.changed):,} of {plural(total, 'answer')} changed."
    if score is None:
        return f'<p class="lead">{changed} No score says of an answer whether it is right.</p>'
    shares = shares_of(result, comparison)
    entries = "".join(
        f'<div class="{kind}"><dt>{text(words)}</dt><dd><strong>{count:,}</strong></dd></div>'
        for kind, words, count in shares
    )
    change = comparison.changes.get(score)
    tested = f" By {_test(change.test)}, {chance_words(change.p)}." if change and change.p is not None else ""
    said = (
        f"Right here means: {score_words(score)}. {len(comparison.fixed):,} fixed and "
        f"{len(comparison.broken):,} broken.{tested} {changed}"
    )
    return f'{sides_bar(shares)}<dl class="figures sides">{entries}</dl><p class="note">{text(said)}</p>'


def _test(name: str) -> str:
    return {"mcnemar": "McNemar's test", "permutation": "a permutation test over groups"}.get(name, name)


def shares_of(result: EvalResult, comparison: Comparison) -> list[tuple[str, str, int]]:
    """How many rows were right and wrong, before and after; each with its colour and in words."""
    score = comparison.correct
    now = result.candidates[comparison.after].scores
    right = sum(row.get(score) == 1 for row in now) if score else 0
    total = sum(score in row for row in now)
    fixed, broken = len(comparison.fixed), len(comparison.broken)
    return [
        ("kept", "right before and after", right - fixed),
        ("fixed", "fixed: wrong before, right now", fixed),
        ("broken", "broken: right before, wrong now", broken),
        ("unmoved", "wrong before and after", total - right - broken),
    ]


def sides_bar(shares: list[tuple[str, str, int]], height: int = 26) -> str:
    """Rows by what became of them, as one bar."""
    total = sum(count for _, _, count in shares) or 1
    parts, start = [], 0.0
    for kind, words, count in shares:
        wide = 100 * count / total
        title = f"<title>{text(f'{words}: {count:,}')}</title>"
        parts.append(f'<rect class="{kind}" x="{start:.3f}%" width="{wide:.3f}%" height="{height}">{title}</rect>')
        start += wide
    said = "; ".join(f"{words}: {count:,}" for _, words, count in shares)
    return (
        f'<svg class="stack" width="100%" height="{height}" role="img" aria-label="{text(said)}">{"".join(parts)}</svg>'
    )


def _by_score(result: EvalResult, comparison: Comparison) -> str:
    """By score the number of rows that got better and worse, as bars to either side."""
    total = len(result.candidates[comparison.after].answered) or 1
    names = [name for name in comparison.changes if result.higher_is_better(name) is not None]
    moved = [name for name in names if comparison.improved.get(name) or comparison.worsened.get(name)]
    sure = sure_scores(result, comparison)
    rows = []
    for name in moved[:MOST_SCORES]:
        better, worse = len(comparison.improved.get(name, ())), len(comparison.worsened.get(name, ()))
        badge = verdict_badge(comparison.changes[name], name in sure)
        score = f'<span dir="auto">{text(score_words(name))}</span>'
        rows.append([score, _both_ways(better / total, worse / total), f"{better:,}", f"{worse:,}", badge])
    if not rows:
        return '<p class="lead">No row\'s score moved.</p>'
    head = ["Score", "Rows worse, and better", "Better", "Worse", "Over all rows"]
    rest = len(moved) - MOST_SCORES
    more = f'<p class="more">… {plural(rest, "more score")}</p>' if rest > 0 else ""
    return (
        f'<h3 class="sub">Rows that got better and worse</h3>{folding_table(head, rows, caption="Rows by score")}{more}'
    )


def _both_ways(better: float, worse: float) -> str:
    return (
        '<svg class="ways" width="100%" height="12" aria-hidden="true" focusable="false">'
        f'<rect class="worse" x="{50 - 50 * worse:.2f}%" width="{50 * worse:.2f}%" height="12"/>'
        f'<rect class="better" x="50%" width="{50 * better:.2f}%" height="12"/>'
        '<line class="axis" x1="50%" x2="50%" y1="0" y2="12"/></svg>'
    )
