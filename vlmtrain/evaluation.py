"""Candidates' answers to the same held-out rows, scored side by side, and the result as values and as files.

No model is needed here: answers come from generation, or from anywhere else.
"""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.version import __version__
from vlmtrain.metric import Answered

if TYPE_CHECKING:
    from vlmtrain.controls import Swapped
    from vlmtrain.generation import Answer, AnswerLoss
    from vlmtrain.protocols import Metric

CONTRACT = "results.v1"
RESULTS_FILE = "results.json"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "pillow", "sacrebleu", "rouge-score")
MOST_SLICES = 50
"""A tag with more values than this is no slice but an identifier."""

Row = Mapping[str, Any]
Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """What a reader must know of a metric: which way is better, its unit, its library's signature."""

    name: str
    higher_is_better: bool
    about: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows that share a tag's value, and their scores."""

    tag: str
    value: str
    rows: int
    metrics: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model's answers to the rows, in their order, with the scores of each row and of all."""

    name: str
    answered: tuple[Answered, ...]
    scores: tuple[Scores, ...]
    metrics: Scores
    slices: tuple[Slice, ...] = ()
    answer_tokens: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A candidate on rows whose images were tampered with: its scores there, and on the same rows as they are."""

    name: str
    candidate: str
    rows: int
    left_out: int
    metrics: Scores
    untouched: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """From one candidate to another: the difference of every score, and by metric the ids that got better or worse."""

    before: str
    after: str
    delta: Scores
    improved: Mapping[str, tuple[str, ...]]
    worsened: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """An evaluation: every candidate on the same rows.

    `reference` holds the scores that the reference answers themselves get, the most that can be asked for. `setup` says
    what was measured and how (dataset, model, settings, versions); `timing` how long it took, in seconds.
    """

    rows: Sequence[Row]
    metrics: tuple[MetricInfo, ...]
    candidates: Mapping[str, Candidate]
    reference: Scores = field(default_factory=dict)
    controls: tuple[Control, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None

    def compare(self, before: str, after: str) -> Comparison:
        """What changed from one candidate to another. Raises KeyError for a name that is none."""
        first, second = self.candidates[before], self.candidates[after]
        improved: dict[str, list[str]] = {}
        worsened: dict[str, list[str]] = {}
        for row, was, now in zip(first.answered, first.scores, second.scores, strict=True):
            for name in was.keys() & now.keys():
                change = now[name] - was[name]
                if change:
                    side = improved if (change > 0) == self.higher_is_better(name) else worsened
                    side.setdefault(name, []).append(row.id)
        return Comparison(
            before=before,
            after=after,
            delta={
                name: second.metrics[name] - value for name, value in first.metrics.items() if name in second.metrics
            },
            improved={name: tuple(ids) for name, ids in improved.items()},
            worsened={name: tuple(ids) for name, ids in worsened.items()},
        )

    def higher_is_better(self, score: str) -> bool:
        """Which way a score is better, by the metric that it belongs to."""
        known = {metric.name: metric.higher_is_better for metric in self.metrics}
        return known.get(score.partition(".")[0], True)


def answered_rows(
    rows: Iterable[Row], answers: Iterable[Answer], losses: Sequence[AnswerLoss] | None = None
) -> tuple[Answered, ...]:
    """Rows and a candidate's answers to them, joined to what metrics look at."""
    joined = []
    for index, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        if str(row["id"]) != answer.id:
            raise ValueError(f"the answer to {answer.id!r} stands at the place of row {row['id']!r}")
        loss = losses[index] if losses is not None else None
        joined.append(
            Answered(
                id=answer.id,
                prediction=answer.text,
                reference=reference_of(row),
                fields=named(row.get("fields")),
                tags=named(row.get("tags")),
                nll=loss.nll if loss else None,
                learned_tokens=loss.tokens if loss else 0,
            )
        )
    return tuple(joined)


def reference_of(row: Row) -> str:
    """The text of the row's last turn, where the assistant speaks it; else nothing."""
    last = row["messages"][-1]
    return text_of(last) if last["role"] == "assistant" else ""


def prompt_of(row: Row) -> str:
    """What is asked, for a person to read: every turn before the answer, images as `[image]`."""
    turns = row["messages"][:-1] if row["messages"][-1]["role"] == "assistant" else row["messages"]
    return "\n\n".join(text_of(turn) for turn in turns)


def text_of(message: Row) -> str:
    """The text of a message, images as `[image]`."""
    return "".join("[image]" if part["type"] == "image" else part["text"] or "" for part in message["content"])


def named(pairs: Iterable[Row] | None) -> dict[str, str]:
    """The contract's list of name and value as a mapping."""
    return {pair["name"]: pair["value"] for pair in pairs or ()}


def evaluate_candidate(
    name: str, answered: tuple[Answered, ...], metrics: Sequence[Metric], answers: Sequence[Answer] = ()
) -> Candidate:
    """One candidate's scores: by row, by slice, and over all rows."""
    return Candidate(
        name=name,
        answered=answered,
        scores=tuple(_joined(metric.score(row) for metric in metrics) for row in answered),
        metrics=aggregate(answered, metrics),
        slices=tuple(_slices(answered, metrics)),
        answer_tokens=sum(answer.tokens for answer in answers),
        cut=sum(not answer.finished for answer in answers),
    )


def evaluate_control(
    name: str, candidate: Candidate, tampered: Swapped, answers: Sequence[Answer], metrics: Sequence[Metric]
) -> Control:
    """A candidate's scores on tampered rows, beside those that it got on the same rows as they are."""
    asked = answered_rows(tampered, answers)
    same = [dataclasses.replace(candidate.answered[index], nll=None) for index in tampered.kept]
    return Control(
        name=name,
        candidate=candidate.name,
        rows=len(asked),
        left_out=tampered.left_out,
        metrics=aggregate(asked, metrics),
        untouched=aggregate(same, metrics),
    )


def reference_scores(answered: Sequence[Answered], metrics: Sequence[Metric]) -> dict[str, float]:
    """What the references score as answers: 1 for a match, but less for attributes that they do not name."""
    return aggregate([dataclasses.replace(row, prediction=row.reference, nll=None) for row in answered], metrics)


def describe(metrics: Iterable[Metric]) -> tuple[MetricInfo, ...]:
    """The metrics as a reader of the result needs them."""
    return tuple(
        MetricInfo(
            name=metric.name,
            higher_is_better=metric.higher_is_better,
            about=getattr(metric, "about", ""),
            signature=getattr(metric, "signature", ""),
        )
        for metric in metrics
    )


def aggregate(answered: Sequence[Answered], metrics: Sequence[Metric]) -> dict[str, float]:
    """All metrics over all rows, in one mapping."""
    return _joined(metric.aggregate(answered) for metric in metrics)


def _joined(parts: Iterable[Scores]) -> dict[str, float]:
    return {name: value for part in parts for name, value in part.items()}


def _slices(answered: Sequence[Answered], metrics: Sequence[Metric]) -> Iterable[Slice]:
    by_tag: dict[str, dict[str, list[Answered]]] = {}
    for row in answered:
        for tag, value in row.tags.items():
            by_tag.setdefault(tag, {}).setdefault(value, []).append(row)
    for tag, values in sorted(by_tag.items()):
        if 1 < len(values) <= MOST_SLICES:
            for value, rows in sorted(values.items()):
                yield Slice(tag=tag, value=value, rows=len(rows), metrics=aggregate(rows, metrics))


def write_result(result: EvalResult, folder: Path) -> None:
    """Write results.json and one predictions-NAME.jsonl for each candidate into a folder that exists."""
    for candidate in result.candidates.values():
        with (folder / predictions_file(candidate.name)).open("w", encoding="utf-8", newline="\n") as file:
            for row, answer, scores in zip(result.rows, candidate.answered, candidate.scores, strict=True):
                line = _prediction(row, answer, scores, str(result.setup.get("dataset", {}).get("split", "")))
                file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    text = json.dumps(as_data(result), ensure_ascii=False, indent=2, allow_nan=False)
    (folder / RESULTS_FILE).write_text(text + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions that a score depends on."""
    found = {"python": platform.python_version(), "vlmtrain": __version__}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def predictions_file(candidate: str) -> str:
    """The file of a candidate's answers."""
    return f"predictions-{candidate}.jsonl"


def _prediction(row: Row, answered: Answered, scores: Scores, split: str) -> dict[str, Any]:
    return {
        "id": answered.id,
        "split": split,
        "prompt": prompt_of(row),
        "reference": answered.reference,
        "prediction": answered.prediction,
        "scores": _finite(scores),
        "tags": dict(answered.tags),
        "fields": dict(answered.fields),
    }


def as_data(result: EvalResult) -> dict[str, Any]:
    """The result as results.v1 has it. All but `timing` is the same whenever the same is measured."""
    names = list(result.candidates)
    return {
        "contract": CONTRACT,
        **result.setup,
        "metrics": [dataclasses.asdict(metric) for metric in result.metrics],
        "reference": _finite(result.reference),
        "candidates": {name: _candidate_data(candidate) for name, candidate in result.candidates.items()},
        "comparisons": [_comparison_data(result.compare(names[0], name)) for name in names[1:]],
        "controls": [_scores_data(dataclasses.asdict(control)) for control in result.controls],
        "timing": dict(result.timing),
    }


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    return {
        "rows": len(candidate.answered),
        "answer_tokens": candidate.answer_tokens,
        "cut": candidate.cut,
        "predictions": predictions_file(candidate.name),
        "metrics": _finite(candidate.metrics),
        "slices": [_scores_data(dataclasses.asdict(each)) for each in candidate.slices],
    }


def _comparison_data(comparison: Comparison) -> dict[str, Any]:
    return {
        "before": comparison.before,
        "after": comparison.after,
        "delta": _finite(comparison.delta),
        "improved": {name: len(ids) for name, ids in sorted(comparison.improved.items())},
        "worsened": {name: len(ids) for name, ids in sorted(comparison.worsened.items())},
    }


def _scores_data(data: dict[str, Any]) -> dict[str, Any]:
    return {name: _finite(value) if isinstance(value, dict) else value for name, value in data.items()}


def _finite(scores: Scores) -> dict[str, float | None]:
    """JSON knows no NaN; a score that is no number (the loss of a model that diverged) is null."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
