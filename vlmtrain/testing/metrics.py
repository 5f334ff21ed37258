"""Whether a metric does what its Protocol says: of rows, of all rows, and of any choice of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlmdata.testing.conformance import attempted, refuse, shortened
from vlmtrain.metric import METRICS, Answered
from vlmtrain.protocols import Fitted, Summed, Whole
from vlmtrain.scoring import direction, scores_of

if TYPE_CHECKING:
    from vlmtrain.protocols import Metric

NAME = re.compile(r"[a-z][a-z0-9_]*")
MEMBERS = ("name", "about", "higher_is_better", "score")
CLOSE = 1e-9
Bounds = tuple[float, float]
Scores = Mapping[str, float]


def conforms_metric(
    metric: Metric | type[Metric],
    rows: Sequence[Answered],
    *,
    bounds: Bounds | Mapping[str, Bounds] | None = None,
    perfect: float | None = None,
) -> None:
    """Hold a Metric to its Protocol. Raises ConformanceError with everything that does not hold.

    `rows` are a few with answers of all kinds: right, half right and wrong. `bounds` are the least and the most that a
    score may be, for all scores or by name; `perfect` is the metric's own score where every answer is its reference.
    """
    made = metric() if isinstance(metric, type) else metric
    refuse(metric, _faults(made, rows, bounds, perfect))


def _faults(
    metric: Any, rows: Sequence[Answered], bounds: Bounds | Mapping[str, Bounds] | None, perfect: float | None
) -> Iterator[str]:
    found = [*_member_faults(metric), *(["give it at least three rows"] if len(rows) < 3 else [])]
    yield from found
    if found:
        return
    yield from _fitting_faults(metric, rows)
    fitted = attempted(lambda: metric.fitted(rows), "when it is fitted") if isinstance(metric, Fitted) else metric
    yield from _row_faults(fitted, rows)
    yield from _odd_faults(fitted, rows)
    sums = list(_sum_faults(fitted, rows))
    yield from sums
    if sums:
        return
    overall = _overall(metric, rows)
    yield from _bound_faults(bounds, [overall, *(fitted.score(row) for row in rows)])
    yield from _order_faults(metric, rows, overall)
    yield from _direction_faults(metric, rows, overall, perfect)


def _member_faults(metric: Any) -> Iterator[str]:
    if missing := [member for member in MEMBERS if not hasattr(metric, member)]:
        yield f"the metric has no {', '.join(missing)}"
        return
    if not isinstance(metric.name, str) or not NAME.fullmatch(metric.name):
        yield f"its name is {metric.name!r}, expected a word in a-z, 0-9 and _"
    elif metric.name in METRICS and not type(metric).__module__.startswith("vlmtrain.metric."):
        yield f"its name {metric.name!r} is one of vlmtrain's own metrics"
    if not isinstance(metric.about, str) or not metric.about.strip() or "\n" in metric.about:
        yield "its about is not one line of words"
    if metric.higher_is_better not in (True, False, None):
        yield f"its higher_is_better is {metric.higher_is_better!r}, expected True, False or None"
    named = [*getattr(metric, "directions", {}), *filter(None, [getattr(metric, "correct", None)])]
    if strangers := [name for name in named if not _is_own(metric, name)]:
        yield f"directions or correct name {strangers[0]!r}, which is none of its scores"


def _is_own(metric: Any, name: object) -> bool:
    return name == metric.name or (isinstance(name, str) and name.startswith(f"{metric.name}."))


def _fitting_faults(metric: Any, rows: Sequence[Answered]) -> Iterator[str]:
    """What a metric knows of all rows must not come from their answers."""
    is_fitted: bool = isinstance(metric, Fitted)
    if not is_fitted:
        return
    blind = [replace(row, prediction="") for row in rows]
    seeing: Any
    unseeing: Any
    seeing, unseeing = (attempted(lambda of=of: metric.fitted(of), "when it is fitted") for of in (rows, blind))  # type: ignore[misc]
    if getattr(seeing, "name", None) != metric.name:
        yield "is another metric once it is fitted"
    elif [seeing.score(row) for row in rows] != [unseeing.score(row) for row in rows]:
        yield "scores rows differently where it was fitted to other answers"


def _row_faults(metric: Any, rows: Sequence[Answered]) -> Iterator[str]:
    before = deepcopy(list(rows))
    scores = [attempted(lambda row=row: metric.score(row), f"for the row {row.id!r}") for row in rows]  # type: ignore[misc]
    for row, found in zip(rows, scores, strict=True):
        yield from _score_faults(metric, row, found)
    if list(rows) != before:
        yield "changes the rows that it scores"
    if [metric.score(row) for row in rows] != scores:
        yield "scores the same rows differently the second time"
    if not isinstance(metric, Whole) and not any(scores):
        yield "has no score for any of the rows"
    correct = getattr(metric, "correct", None)
    if any(found.get(correct) not in (0, 1, None) for found in scores if isinstance(found, Mapping)):
        yield f"{correct} is to be 1 for a right answer and 0 for a wrong one"


def _score_faults(metric: Any, row: Answered, found: Any) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"gives {shortened(found)} for {row.id!r}, expected scores by name"
        return
    for name, value in found.items():
        if not _is_own(metric, name):
            yield f"calls a score {name!r}, expected {metric.name!r}, or that with a dot and a word"
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            yield f"gives {name} {value!r} for {row.id!r}, expected a number"


def _odd_faults(metric: Any, rows: Sequence[Answered]) -> Iterator[str]:
    """Answers and references of any kind have a score or none, and never raise."""
    for text in ("", " \n", "\u200b", "𝄞é", "[]{}%s\\", "a " * 300):
        for row in rows[:3]:
            changed = (
                replace(row, prediction=text),
                replace(row, reference=text),
                replace(row, fields={}, tags={}, prompt=text, prediction=text, reference=text),
                replace(row, prediction="", failed="the row is over the budget"),
            )
            for odd in changed:
                found = attempted(lambda odd=odd: metric.score(odd), f"where a text is {text[:9]!r}")  # type: ignore[misc]
                yield from _score_faults(metric, odd, found)


def _overall(metric: Any, rows: Sequence[Answered]) -> Scores:
    return attempted(lambda: scores_of(list(rows), [metric]), "for all rows together")


def _bound_faults(bounds: Bounds | Mapping[str, Bounds] | None, found: Sequence[Scores]) -> Iterator[str]:
    for scores in found if bounds is not None else ():
        for name, value in scores.items():
            low, high = (bounds.get(name, (-math.inf, math.inf)) if isinstance(bounds, Mapping) else bounds) or (0, 0)
            if not low - CLOSE <= value <= high + CLOSE:
                yield f"gives {name} {value:g}, expected {low:g} to {high:g}"


def _order_faults(metric: Any, rows: Sequence[Answered], overall: Scores) -> Iterator[str]:
    """The order of the rows says nothing; twice the same rows score as once, but for what sees all rows at once."""
    for other in (rows[::-1], [*rows[1:], rows[0]]):
        if not _alike(_overall(metric, other), overall):
            yield "scores the same rows differently in another order"
            break
    if not isinstance(metric, Whole) and not _alike(_overall(metric, [*rows, *rows]), overall):
        yield "scores all rows differently where each stands twice: it is neither a mean nor a ratio of sums"


def _sum_faults(metric: Any, rows: Sequence[Answered]) -> Iterator[str]:
    """What a metric over sums must hold to: the score of one row is that of its sums, for one and for many."""
    is_summed: bool = isinstance(metric, Summed)
    if not is_summed:
        return
    import numpy as np

    sums = [attempted(lambda row=row: metric.sums(row), f"for the sums of {row.id!r}") for row in rows]  # type: ignore[misc]
    widths: dict[str, set[int]] = {}
    for row, mine in zip(rows, sums, strict=True):
        for name, numbers in mine.items():
            widths.setdefault(name, set()).add(len(numbers))
            if not all(math.isfinite(number) for number in numbers):
                yield f"a sum of {name} for {row.id!r} is no number"
            value = float(metric.value(name, np.array(numbers, dtype=float)))
            score = metric.score(row).get(name)
            if score is not None and not math.isclose(value, score, rel_tol=1e-6, abs_tol=CLOSE):
                yield f"scores {row.id!r} {score:g} by {name}, and {value:g} by its sums"
    for name, found in widths.items():
        if len(found) > 1:
            yield f"{name} has now {min(found)} sums and now {max(found)}, expected always as many"
        else:
            yield from _value_faults(metric, name, np.array([mine[name] for mine in sums if name in mine], dtype=float))


def _value_faults(metric: Any, name: str, sums: Any) -> Iterator[str]:
    """`value` takes sums of any shape [..., K], the sums of no row too."""
    import numpy as np

    one = [float(metric.value(name, each)) for each in sums]
    many = attempted(lambda: np.asarray(metric.value(name, sums)), f"for {name} of several rows at once")
    if many.shape != sums.shape[:-1] or not np.allclose(many, one, equal_nan=True):
        yield f"value gives other scores of {name} for several rows at once than one by one"
        return
    with np.errstate(all="ignore"):
        attempted(lambda: metric.value(name, np.zeros((2, 2, sums.shape[-1]))), f"for {name} of no rows")


def _direction_faults(metric: Any, rows: Sequence[Answered], overall: Scores, perfect: float | None) -> Iterator[str]:
    """An answer that is its reference is the best there is, in the direction that the metric names."""
    if getattr(metric, "reads_losses", False):
        return
    right = _overall(metric, [replace(row, prediction=row.reference) for row in rows])
    wrong = _overall(metric, [replace(row, prediction="zzzz") for row in rows])
    if perfect is not None and not math.isclose(right.get(metric.name, math.nan), perfect, abs_tol=1e-6):
        yield f"gives {right.get(metric.name)} where every answer is its reference, expected {perfect:g}"
    for name, best in right.items():
        higher = direction([metric], name)
        for words, other in (("the rows' own answers", overall), ("nonsense", wrong)):
            worse = higher is not None and name in other and (best < other[name] - CLOSE) == higher
            if worse and not math.isclose(best, other[name], abs_tol=CLOSE):
                way = "higher" if higher else "lower"
                yield f"{name}: {words} score {other[name]:g} and right answers {best:g}, though {way} is better"
    if _alike(right, wrong) and _alike(right, overall):
        yield "scores right answers, nonsense and the rows' own answers alike"


def _alike(one: Scores, other: Scores) -> bool:
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=1e-9, abs_tol=CLOSE) for name in one
    )
