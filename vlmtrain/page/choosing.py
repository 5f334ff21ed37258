"""Which rows an evaluation's page shows: fixed, broken, the worst by each metric, and some where nothing happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlmtrain.score_words import score_words
from vlmtrain.verdict import main_candidate, main_comparison

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate, EvalResult

MOST_ROWS = 60
OF_KIND = {
    **{"broken": 14, "fixed": 14, "failed": 4, "changed": 8, "same answer": 5, "cut": 3},
    **{"wrong": 20, "right": 8, "answered": 20},
}
"""The most of each kind; the last three are of a candidate that stands alone."""

WORST, MOST_METRICS = 3, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A row by its place, what became of it, and what else it was chosen for."""

    place: int
    became: str
    reasons: tuple[str, ...] = ()


def chosen_rows(result: EvalResult) -> list[Chosen]:
    """Rows to look at, taken in turn from every kind, so that each kind is there whatever the page has room for."""
    candidate = result.candidates[main_candidate(result)]
    states = became(result)
    queues = [(kind, _spread(places, OF_KIND[kind])) for kind, places in _by_kind(states, candidate).items()]
    queues += _worst(result, candidate)
    reasons: dict[int, list[str]] = {}
    for turn in range(max((len(places) for _, places in queues), default=0)):
        for kind, places in queues:
            if turn < len(places):
                reasons.setdefault(places[turn], []).append(kind)
    return [
        Chosen(
            place=place,
            became=states[place],
            reasons=tuple(why for why in dict.fromkeys(reasons[place]) if why != states[place]),
        )
        for place in list(reasons)[:MOST_ROWS]
    ]


def became(result: EvalResult) -> list[str]:
    """Of every row, in order, what became of it from the first candidate to the one that the evaluation is about."""
    comparison = main_comparison(result)
    rows = next(iter(result.candidates.values())).answered
    if comparison is None:
        return [_alone(result.correct, scores) for scores in next(iter(result.candidates.values())).scores]
    fixed, broken, changed = set(comparison.fixed), set(comparison.broken), set(comparison.changed)
    return [
        "fixed"
        if row.id in fixed
        else "broken"
        if row.id in broken
        else "changed"
        if row.id in changed
        else "same answer"
        for row in rows
    ]


def _alone(correct: str | None, scores: Mapping[str, float]) -> str:
    if correct is None or correct not in scores:
        return "answered"
    return "right" if scores[correct] == 1 else "wrong"


def _by_kind(states: Sequence[str], candidate: Candidate) -> Mapping[str, list[int]]:
    cut = set(candidate.cut)
    found: dict[str, list[int]] = {kind: [] for kind in OF_KIND}
    for place, (state, row) in enumerate(zip(states, candidate.answered, strict=True)):
        found[state].append(place)
        if row.failed is not None:
            found["failed"].append(place)
        if row.id in cut:
            found["cut"].append(place)
    return found


def _spread(places: Sequence[int], most: int) -> list[int]:
    """As many of them as asked for, evenly from first to last."""
    if len(places) <= most:
        return list(places)
    return [places[round(number * (len(places) - 1) / (most - 1))] for number in range(most)]


def _worst(result: EvalResult, candidate: Candidate) -> list[tuple[str, list[int]]]:
    """By each metric's first score that has a better way, the rows with the worst; nothing where all are alike."""
    found = []
    for metric in result.metrics[:MOST_METRICS]:
        higher = result.higher_is_better(metric.name)
        held = [
            (row[metric.name], place)
            for place, row in enumerate(candidate.scores)
            if row.get(metric.name) is not None and row[metric.name] == row[metric.name]
        ]
        if higher is None or len({value for value, _ in held}) < 2:
            continue
        held.sort(key=lambda pair: (pair[0] if higher else -pair[0], pair[1]))
        found.append((f"worst: {score_words(metric.name)}", [place for _, place in held[:WORST]]))
    return found
