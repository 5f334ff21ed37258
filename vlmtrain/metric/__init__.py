"""The metrics, one file each. This file holds what they score and finds them by name, without importing any."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmdata.errors import ConfigError, PluginError
from vlmdata.plugins import blamed, imported
from vlmdata.settings import nearest

if TYPE_CHECKING:
    from vlmtrain.protocols import Metric

METRICS: dict[str, str] = {
    "answer_loss": "vlmtrain.metric.answer_loss:AnswerLoss",
    "perplexity": "vlmtrain.metric.perplexity:Perplexity",
    "exact_match": "vlmtrain.metric.exact_match:ExactMatch",
    "rouge_1": "vlmtrain.metric.rouge:ROUGE_1",
    "rouge_2": "vlmtrain.metric.rouge:ROUGE_2",
    "rouge_l": "vlmtrain.metric.rouge:ROUGE_L",
    "bleu": "vlmtrain.metric.bleu:Bleu",
    "chrf": "vlmtrain.metric.chrf:ChrF",
    "length_ratio": "vlmtrain.metric.length_ratio:LengthRatio",
    "distinct": "vlmtrain.metric.distinct:Distinct",
    "repetition": "vlmtrain.metric.repetition:Repetition",
    "multiple_choice": "vlmtrain.metric.multiple_choice:MultipleChoice",
    "label": "vlmtrain.metric.label:Label",
    "numeric": "vlmtrain.metric.numeric:Numeric",
    "json_fields": "vlmtrain.metric.json_fields:JsonFields",
    "attribute_recall": "vlmtrain.metric.attribute_recall:AttributeRecall",
    "unsupported_claims": "vlmtrain.metric.unsupported_claims:UnsupportedClaims",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One held-out row with one candidate's answer to it: all that a metric may look at.

    `prompt` is what was asked, images as `[image]`. `nll` is the summed negative log-likelihood, in nats, of the
    reference's `learned_tokens` tokens (the answer and its end token) under the candidate; None where it was not
    computed, as for answers that were made elsewhere. `failed` says why a candidate could not take the row: its
    prediction is empty then, and counts as wrong.
    """

    id: str
    prediction: str
    reference: str
    prompt: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    images: int = 0
    nll: float | None = None
    learned_tokens: int = 0
    failed: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The options of a multiple choice by their letters: the fields `option.A`, `option.B` and so on."""
        found = {name.removeprefix("option."): text for name, text in self.fields.items() if name.startswith("option.")}
        return dict(sorted(found.items()))


def find(names: Sequence[str | Metric], *, allow_plugins: bool = True) -> tuple[Metric, ...]:
    """The metrics of these names, in order; a metric that was made in Python passes through.

    A name with a colon is one from outside, `package.module:NAME`, which is imported where `allow_plugins` says so.
    Raises ConfigError with the nearest spelling for a name that is none.
    """
    return tuple(_find(name, allow_plugins) if isinstance(name, str) else name for name in names)


def _find(name: str, allow_plugins: bool) -> Metric:
    if ":" in name:
        return _from_outside(name, allow_plugins)
    if name not in METRICS:
        hint = nearest(name, list(METRICS)) or f"known: {', '.join(METRICS)}"
        raise ConfigError(f"there is no metric {name!r}; {hint}")
    module, _, attribute = METRICS[name].partition(":")
    return _made(getattr(importlib.import_module(module), attribute))


def _from_outside(name: str, allow_plugins: bool) -> Metric:
    if not allow_plugins:
        raise ConfigError(f"the metric {name!r} is code from outside; it runs with --allow-plugins only")
    try:
        with blamed(name, lambda: "while it was made"):
            return _made(imported(name))
    except PluginError as error:
        raise ConfigError(f"the metric {error.message}") from error


def _made(found: Any) -> Metric:
    made: Metric = found() if isinstance(found, type) else found
    return made


def mean_scores(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the rows that have it; a row without it counts neither way."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}
