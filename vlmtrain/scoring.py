"""Answers to scores: of each row, of all rows, and of any choice of rows, by sums that are made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vlmdata.plugins import blamed
from vlmtrain.metric import Answered
from vlmtrain.protocols import Fitted, Summed, Whole

if TYPE_CHECKING:
    import numpy as np

    from vlmtrain.protocols import Metric

Scores = Mapping[str, float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What each row adds to one score: sums [rows, K], zero where a row has none, and how a score is made of sums."""

    sums: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]
    has: np.ndarray

    def over(self, rows: Sequence[int] | None = None) -> float:
        """The score over some rows, or all; NaN where none has it."""
        chosen = self.sums if rows is None else self.sums[list(rows)]
        return float(self.value(chosen.sum(axis=0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows, their scores, and the columns that the scores over several rows are made of."""

    answered: tuple[Answered, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[Scores, ...]
    columns: Mapping[str, Column]

    @property
    def groups(self) -> list[str]:
        """The group of each row: what is alike and counts once."""
        return [row.group or row.id for row in self.answered]

    def scores(self, rows: Sequence[int] | None = None) -> dict[str, float]:
        """Every score over some rows, or all; a score that no row has is missing."""
        found = {name: column.over(rows) for name, column in self.columns.items()}
        kept = {name: value for name, value in found.items() if not math.isnan(value) or name in self._diverged(rows)}
        chosen = self.answered if rows is None else [self.answered[index] for index in rows]
        for metric in self.metrics:
            if isinstance(metric, Whole) and chosen:
                kept |= metric.aggregate(chosen)
        return kept

    def _diverged(self, rows: Sequence[int] | None) -> set[str]:
        """Scores that some row has and that are no number all the same: the loss of a model that diverged."""
        return {
            name
            for name, column in self.columns.items()
            if (column.has if rows is None else column.has[list(rows)]).any()
        }


def score_table(answered: Sequence[Answered], metrics: Sequence[Metric]) -> Table:
    """Score every row by every metric."""
    metrics = [metric.fitted(answered) if isinstance(metric, Fitted) else metric for metric in metrics]
    columns: dict[str, Column] = {}
    rows: list[dict[str, float]] = [{} for _ in answered]
    for metric in metrics:
        found = [_counted(metric, row, _scored(metric, row)) for row in answered]
        for place, scores in enumerate(found):
            rows[place] |= scores
        columns |= _summed(metric, answered) if isinstance(metric, Summed) else {}
        if not isinstance(metric, Summed | Whole):
            columns |= _means(found)
    return Table(answered=tuple(answered), metrics=tuple(metrics), rows=tuple(rows), columns=columns)


def _scored(metric: Metric, row: Answered) -> Mapping[str, float]:
    """A row's scores by a metric. Raises PluginError where one from outside raises anything."""
    if type(metric).__module__.startswith("vlmtrain."):
        return metric.score(row)
    with blamed(f"the metric {metric.name}", lambda: f"at the row {row.id!r}"):
        return metric.score(row)


def _counted(metric: Metric, row: Answered, scores: Mapping[str, T]) -> dict[str, T]:
    """A row's scores; of one that a candidate could not take, those by which it counts as wrong.

    An empty answer makes no false claim and repeats nothing, so that only scores that are better when higher count.
    """
    return {name: found for name, found in scores.items() if row.failed is None or direction([metric], name)}


def scores_of(answered: Sequence[Answered], metrics: Sequence[Metric]) -> dict[str, float]:
    """Every score over all rows, where nothing else is asked."""
    return score_table(answered, metrics).scores()


def _means(found: Sequence[Scores]) -> dict[str, Column]:
    import numpy as np

    names = dict.fromkeys(name for scores in found for name in scores)
    columns = {}
    for name in names:
        sums = np.array([(scores[name], 1.0) if name in scores else (0.0, 0.0) for scores in found])
        columns[name] = Column(sums=sums, value=mean, has=sums[:, 1] > 0)
    return columns


def _summed(metric: Any, answered: Sequence[Answered]) -> dict[str, Column]:
    import numpy as np

    found: list[Mapping[str, Sequence[float]]] = [_counted(metric, row, metric.sums(row)) for row in answered]
    widths = {name: len(sums) for scores in found for name, sums in scores.items()}
    columns = {}
    for name, width in widths.items():
        sums = np.array([scores.get(name) or (0.0,) * width for scores in found], dtype=float)
        has = np.array([name in scores for scores in found])
        columns[name] = Column(sums=sums, value=_value(metric, name), has=has)
    return columns


def _value(metric: Summed, name: str) -> Callable[[np.ndarray], np.ndarray]:
    def value(sums: np.ndarray) -> np.ndarray:
        return metric.value(name, sums)

    return value


def mean(sums: np.ndarray) -> np.ndarray:
    """The mean of sums [..., 2] of values and of ones; NaN of nothing."""
    import numpy as np

    total, count = sums[..., 0], sums[..., 1]
    found: np.ndarray = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return found


class Directed(Protocol):
    """What a metric, and a description of one, say of which way is good."""

    @property
    def name(self) -> str:
        """The name that its scores begin with."""

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is good."""


def direction(metrics: Iterable[Directed], score: str) -> bool | None:
    """Which way a score is better, by the metric that it belongs to; None where neither is by itself."""
    for metric in metrics:
        own: Mapping[str, bool | None] = getattr(metric, "directions", {})
        if score in own:
            return own[score]
        if score == metric.name or score.startswith(f"{metric.name}."):
            return metric.higher_is_better
    return True


PREFERRED = ("multiple_choice", "label", "numeric", "json_fields", "attribute_recall", "exact_match")
"""What says best whether an answer is right, first of all where rows have it. A metric from outside comes before."""


HALF = 0.5


def correctness(table: Table) -> str | None:
    """The score by which a row counts as right or wrong: a metric's `correct`, where most rows have it.

    The references themselves must be right by it, more often than not: else it asks for what they do not say.
    """
    told = [replace(row, prediction=row.reference, failed=None) for row in table.answered]
    known = {metric.name: getattr(metric, "correct", None) for metric in table.metrics}
    order = [name for name in known if name not in PREFERRED] + [name for name in PREFERRED if name in known]
    for name in order:
        score = known[name]
        if score and 2 * sum(score in row for row in table.rows) > len(table.rows):
            (metric,) = [metric for metric in table.metrics if metric.name == name]
            if scores_of(told, [metric]).get(score, 0.0) >= HALF:
                return str(score)
    return None
