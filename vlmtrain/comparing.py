"""What changed from one candidate to another on the same rows: by how much, how sure that is, and which rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vlmtrain.drawing import Pair, draw_scores
from vlmtrain.intervals import Chance, Interval, mcnemar_p, permutation_p
from vlmtrain.scoring import Table, correctness, direction

Verdict = Literal["better", "worse", "different", "no difference shown"]

SMALL = 30
"""A slice of fewer groups is called small: what looks like a difference there is mostly chance."""

MOST_SLICES = 50
"""A tag with more values than this is no slice but an identifier."""

LEVEL = 0.05
"""A difference is shown where its interval leaves out nothing and its test gives less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score and its interval, None where there is none; over how many rows and groups."""

    value: float
    interval: Interval | None
    rows: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One score of two candidates on the rows that both have it for. `delta` is `after` less `before`.

    `p` is that of `test`: mcnemar for right and wrong where each group is one row, else a permutation of groups.
    """

    before: float
    after: float
    delta: float
    interval: Interval | None
    p: float | None
    test: str
    verdict: Verdict
    rows: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceChange:
    """The rows that share a tag's value, and what changed on them. `small` says not to make much of it."""

    tag: str
    value: str
    rows: int
    groups: int
    changes: Mapping[str, Change]

    @property
    def small(self) -> bool:
        """Whether there are too few groups to show much."""
        return self.groups < SMALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """From one candidate to another: every score's change, and the rows.

    By `correct`, the score that says whether an answer is right, `fixed` rows were wrong and are right, `broken` ones
    were right and are wrong; `changed` are all whose answers differ. By score, `improved` and `worsened` are ids, the
    largest change first.
    """

    before: str
    after: str
    changes: Mapping[str, Change]
    correct: str | None = None
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    improved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    worsened: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slices: tuple[SliceChange, ...] = ()

    @property
    def delta(self) -> dict[str, float]:
        """By score, the difference."""
        return {name: change.delta for name, change in self.changes.items()}

    @property
    def interval(self) -> dict[str, Interval | None]:
        """By score, where the difference lies."""
        return {name: change.interval for name, change in self.changes.items()}


def estimates(table: Table, chance: Chance | None = None) -> dict[str, Estimate]:
    """Every score of a candidate with its interval."""
    drawn = draw_scores(table, chance or Chance())
    groups = len(set(table.groups))
    found = {}
    for name, value in table.scores().items():
        around = drawn.get(name)
        if around is None:
            found[name] = Estimate(value=value, interval=None, rows=len(table.answered), groups=groups)
        else:
            found[name] = Estimate(value=value, interval=around.interval, rows=around.rows, groups=around.groups)
    return found


def compare_tables(
    names: tuple[str, str],
    before: Table,
    after: Table,
    *,
    slices: Sequence[str] | None = None,
    chance: Chance | None = None,
) -> Comparison:
    """What changed between two candidates that answered the same rows, in the same order.

    `slices` are tags; None takes every tag of 2 to 50 values. Raises ValueError where the rows are not the same.
    """
    if [row.id for row in before.answered] != [row.id for row in after.answered]:
        raise ValueError(f"{names[0]} and {names[1]} did not answer the same rows")
    chance, of = chance or Chance(), after.groups
    right = correctness(after)
    correct = right if right == correctness(before) else None
    improved, worsened = moved(before, after)
    fixed, broken = sides(before, after, correct)
    return Comparison(
        before=names[0],
        after=names[1],
        changes=changes(before, after, chance),
        correct=correct,
        fixed=fixed,
        broken=broken,
        changed=tuple(
            now.id
            for was, now in zip(before.answered, after.answered, strict=True)
            if was.prediction != now.prediction or was.failed != now.failed
        ),
        improved=improved,
        worsened=worsened,
        slices=tuple(
            SliceChange(
                tag=tag,
                value=value,
                rows=len(rows),
                groups=len({of[index] for index in rows}),
                changes=changes(before, after, chance, rows),
            )
            for tag, value, rows in sliced(after, slices)
        ),
    )


def changes(before: Table, after: Table, chance: Chance, rows: Sequence[int] | None = None) -> dict[str, Change]:
    """Every score's change over the rows, or some of them, that both candidates have it for."""
    pair = Pair(before, after, rows, chance)
    found = {name: change for name in pair.scores if (change := _change(name, pair))}
    return found | _without_interval(before, after) if rows is None else found


def _change(name: str, pair: Pair) -> Change | None:
    was, now = pair.score(name)
    if not (math.isfinite(was) and math.isfinite(now)):
        return None
    delta, around = now - was, pair.interval(name)
    test, p = _test(name, pair, delta) if around else ("", None)
    shown = around is not None and around.excludes_zero and p is not None and p < LEVEL
    return Change(
        before=was,
        after=now,
        delta=delta,
        interval=around,
        p=p,
        test=test,
        verdict=_verdict(delta, direction(pair.after.metrics, name)) if shown else "no difference shown",
        rows=len(pair.rows_of(name)),
        groups=pair.groups_of(name),
    )


def _test(name: str, pair: Pair, delta: float) -> tuple[str, float]:
    rows = pair.rows_of(name)
    sides = [(pair.before.rows[index].get(name), pair.after.rows[index].get(name)) for index in rows]
    if len(rows) == pair.groups_of(name) and all(was in (0, 1) and now in (0, 1) for was, now in sides):
        return "mcnemar", mcnemar_p(sides.count((0, 1)), sides.count((1, 0)))
    return "permutation", permutation_p(delta, pair.tossed(name), every=pair.every)


def _verdict(delta: float, higher_is_better: bool | None) -> Verdict:
    if higher_is_better is None:
        return "different"
    return "better" if (delta > 0) == higher_is_better else "worse"


def _without_interval(before: Table, after: Table) -> dict[str, Change]:
    """Scores of all rows at once, of which nothing can be said but how much they differ."""
    was, now = before.scores(), after.scores()
    return {
        name: Change(
            before=was[name],
            after=value,
            delta=value - was[name],
            interval=None,
            p=None,
            test="",
            verdict="no difference shown",
            rows=len(after.answered),
            groups=len(set(after.groups)),
        )
        for name, value in now.items()
        if name in was and name not in after.columns
    }


def sides(before: Table, after: Table, correct: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of rows that were wrong and are right, and of those that were right and are wrong."""
    if correct is None:
        return (), ()
    fixed: list[str] = []
    broken: list[str] = []
    for was, now, row in zip(before.rows, after.rows, after.answered, strict=True):
        right = was.get(correct) == 1, now.get(correct) == 1
        if correct in was and correct in now and right[0] != right[1]:
            (fixed if right[1] else broken).append(row.id)
    return tuple(fixed), tuple(broken)


def moved(before: Table, after: Table) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """By score, the ids of rows that got better and of those that got worse, the largest change first."""
    better: dict[str, list[tuple[float, str]]] = {}
    worse: dict[str, list[tuple[float, str]]] = {}
    ways = {name: direction(after.metrics, name) for scores in after.rows for name in scores}
    for was, now, row in zip(before.rows, after.rows, after.answered, strict=True):
        for name in [name for name in now if name in was and ways[name] is not None]:
            change = now[name] - was[name]
            if change:
                side = better if (change > 0) == ways[name] else worse
                side.setdefault(name, []).append((-abs(change), row.id))
    return _largest_first(better), _largest_first(worse)


def _largest_first(found: Mapping[str, list[tuple[float, str]]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(row for _, row in sorted(pairs)) for name, pairs in found.items()}


def sliced(table: Table, tags: Sequence[str] | None = None) -> list[tuple[str, str, list[int]]]:
    """The tags' values, each with the places of its rows: those of `tags`, or every tag of 2 to 50 values.

    The number of images is a tag too, `images`, where rows differ in it.
    """
    places: dict[str, dict[str, list[int]]] = {}
    for index, row in enumerate(table.answered):
        own = {"images": f"{row.images:,}", **row.tags}
        for tag, value in own.items():
            places.setdefault(tag, {}).setdefault(value, []).append(index)
    wanted = [
        tag for tag, values in places.items() if (tag in tags if tags is not None else 1 < len(values) <= MOST_SLICES)
    ]
    return [(tag, value, places[tag][value]) for tag in sorted(wanted) for value in sorted(places[tag])]
