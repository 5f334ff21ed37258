"""A judgement in sentences, for the terminal and the page: who is preferred, how sure that is, what to make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vlmtrain.judge.judgement import EVEN, POINTS, Outcome
from vlmtrain.score_words import chance_words, listed, plural

if TYPE_CHECKING:
    from vlmtrain.comparing import Estimate
    from vlmtrain.judge.judgement import Judgement

COUNTED: Mapping[Outcome, tuple[str, str]] = {
    "win": ("win", "wins"),
    "tie": ("tie", "ties"),
    "loss": ("loss", "losses"),
    "inconsistent": ("inconsistent", "inconsistent"),
}


def judge_name(judgement: Judgement) -> str:
    """The judge's model."""
    return str(judgement.about.get("judge", {}).get("model", "the judge"))


def preference_words(judgement: Judgement) -> str:
    """`adapter wins 71% against base (100 rows, a tie as half a win; 95% interval 60% to 80%; ...): better`."""
    rate = judgement.win_rate
    if rate is None:
        return f"Whether {judgement.after} is better than {judgement.before} can't be told: no row has a verdict."
    test, p = judgement.tested
    sure = "too few independent rows for an interval"
    if rate.interval is not None:
        sure = f"{share_words(rate, judgement.chance.confidence)}; {test} test, {chance_words(p)}"
    counted = f"{plural(rate.rows, 'row')}, a tie as half a win"
    return (
        f"{judgement.after} wins {rate.value:.0%} against {judgement.before} ({counted}; {sure}): {judgement.verdict}."
    )


def count_words(judgement: Judgement) -> str:
    """`52 wins, 12 ties, 20 losses, 14 inconsistent, 2 without a verdict`."""
    counts = judgement.counts
    said = [f"{counts[outcome]:,} {one if counts[outcome] == 1 else many}" for outcome, (one, many) in COUNTED.items()]
    without = without_verdict(judgement)
    return ", ".join([*said, *([f"{without:,} without a verdict"] if without else [])])


def without_verdict(judgement: Judgement) -> int:
    """Rows of which the judge said nothing that can be counted."""
    return sum(count for outcome, count in judgement.counts.items() if outcome not in POINTS)


def agreement_words(judgement: Judgement) -> str:
    """How often the judge says the same when the sides are swapped."""
    found = judgement.agreement
    if found is None:
        return "The judge gave no two verdicts on any row, so that its agreement with itself is not known."
    alike = f"{found.value:.0%} of {plural(found.rows, 'row')} ({share_words(found, judgement.chance.confidence)})"
    first = judgement.first_preferred
    side = "" if first is None else f"; of its verdicts for a side, {first:.0%} are for the answer that stands first"
    return f"With the sides swapped the judge says the same in {alike}{side}."


def share_words(found: Estimate, confidence: float) -> str:
    """The interval of a share; nothing where there is none."""
    if found.interval is None:
        return ""
    return f"{confidence:.0%} interval {found.interval.low:.0%} to {found.interval.high:.0%}"


def judge_warnings(judgement: Judgement) -> Iterator[str]:
    """What must be known before the verdicts are believed."""
    if judgement.stopped:
        yield f"The judge stopped before its end: {judgement.stopped}."
    found = judgement.agreement
    if found is not None and found.interval is not None and found.interval.low <= EVEN:
        yield "The judge is not shown to agree with itself more often than a coin does: make nothing of its verdicts."
    rows = [row.id for row in judgement.rows if row.outcome not in POINTS]
    if rows:
        yield f"Without a verdict: {listed([repr(row) for row in rows], 5)}."


def judge_lines(judgement: Judgement) -> list[str]:
    """A judgement on the terminal."""
    return [
        f"judge {judge_name(judgement)}: {preference_words(judgement)}",
        f"  {count_words(judgement)}. {agreement_words(judgement)}",
    ]
