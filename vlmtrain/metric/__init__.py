"""The metrics, one file each. This file holds what they score and finds them by name, without importing any."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmdata.errors import ConfigError
from vlmdata.settings import nearest

if TYPE_CHECKING:
    from vlmtrain.protocols import Metric

METRICS: dict[str, str] = {
    "answer_loss": "vlmtrain.metric.answer_loss:AnswerLoss",
    "exact_match": "vlmtrain.metric.exact_match:ExactMatch",
    "rouge_l": "vlmtrain.metric.rouge_l:RougeL",
    "chrf": "vlmtrain.metric.chrf:ChrF",
    "attribute_recall": "vlmtrain.metric.attribute_recall:AttributeRecall",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One held-out row with one candidate's answer to it: all that a metric may look at.

    `nll` is the summed negative log-likelihood, in nats, of the reference's `learned_tokens` tokens (the answer and its
    end token) under the candidate; None where it was not computed, as for answers that were made elsewhere.
    """

    id: str
    prediction: str
    reference: str
    fields: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    nll: float | None = None
    learned_tokens: int = 0


def find(names: Sequence[str | Metric]) -> tuple[Metric, ...]:
    """The metrics of these names, in order; a metric that was made in Python passes through.

    Raises ConfigError with the nearest spelling for a name that is none.
    """
    return tuple(_find(name) if isinstance(name, str) else name for name in names)


def _find(name: str) -> Metric:
    if name not in METRICS:
        hint = nearest(name, list(METRICS)) or f"known: {', '.join(METRICS)}"
        raise ConfigError(f"there is no metric {name!r}; {hint}")
    module, _, attribute = METRICS[name].partition(":")
    made: Metric = getattr(importlib.import_module(module), attribute)()
    return made


def mean_scores(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the rows that have it; a row without it counts neither way."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
