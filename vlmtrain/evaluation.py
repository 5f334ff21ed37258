"""Candidates' answers to the same held-out rows, scored side by side: the result as values.

No model is needed here: answers come from generation, or from anywhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain.comparing import Comparison, Estimate, compare_tables, estimates, sliced
from vlmtrain.intervals import Chance
from vlmtrain.metric import Answered
from vlmtrain.scoring import Table, correctness, direction, score_table, scores_of

if TYPE_CHECKING:
    from vlmtrain.controls import Tampered
    from vlmtrain.generation import Answer, AnswerLoss
    from vlmtrain.protocols import Metric

Row = Mapping[str, Any]
Scores = Mapping[str, float]
Kind = Literal["base", "adapter", "model", "answers", "endpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """What a reader must know of a metric: which way is better, its unit, its library's signature."""

    name: str
    higher_is_better: bool | None
    about: str = ""
    signature: str = ""
    directions: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows that share a tag's value, and their scores."""

    tag: str
    value: str
    rows: int
    groups: int
    metrics: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model's answers to the rows, in their order, with the scores of each row and of all.

    `failed` says, by id, why it could not take a row: such a row counts as wrong in `metrics`; `metrics_taken` are the
    scores without these rows. `about` is what is known of the model: its place, precision, digests.
    """

    name: str
    kind: Kind
    table: Table
    estimates: Mapping[str, Estimate]
    slices: tuple[Slice, ...] = ()
    answer_tokens: int = 0
    cut: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    metrics_taken: Scores = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answered(self) -> tuple[Answered, ...]:
        """The rows with its answers."""
        return self.table.answered

    @property
    def scores(self) -> tuple[Scores, ...]:
        """The scores of each row."""
        return self.table.rows

    @property
    def metrics(self) -> dict[str, float]:
        """The scores of all rows."""
        return {name: estimate.value for name, estimate in self.estimates.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A candidate on rows whose images were tampered with, compared with the same rows as they are.

    `left_out` rows could not take part: without images, or without a partner. `table` holds the answers.
    """

    name: str
    candidate: str
    rows: int
    left_out: int
    comparison: Comparison
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Rows that were asked one by one too, and the ids of those that were answered otherwise than in a batch."""

    candidate: str
    rows: int
    different: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """An evaluation: every candidate on the same rows, each compared with the first.

    `correct` is the score that says whether an answer is right, where there is one. `reference` holds the scores that
    the reference answers themselves get, the most that can be asked for. `setup` says what was measured and how
    (dataset, model, settings, versions); `timing` how long it took, in seconds. `rows` are without pixels.
    """

    rows: Sequence[Row]
    metrics: tuple[MetricInfo, ...]
    candidates: Mapping[str, Candidate]
    correct: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    reference: Scores = field(default_factory=dict)
    controls: tuple[Control, ...] = ()
    alone: tuple[Alone, ...] = ()
    judgements: tuple[Any, ...] = ()
    setup: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    slice_tags: tuple[str, ...] | None = None
    chance: Chance = field(default_factory=Chance)
    path: Path | None = None

    def compare(self, before: str, after: str) -> Comparison:
        """What changed from one candidate to another. Raises KeyError for a name that is none."""
        for known in self.comparisons:
            if (known.before, known.after) == (before, after):
                return known
        first, second = self.candidates[before], self.candidates[after]
        return compare_tables((before, after), first.table, second.table, slices=self.slice_tags, chance=self.chance)

    def higher_is_better(self, score: str) -> bool | None:
        """Which way a score is better, by the metric that it belongs to; None where neither is by itself."""
        return direction(self.metrics, score)


def result_of(  # noqa: PLR0913  (what an evaluation is made of, each by its name)
    rows: Sequence[Row],
    candidates: Mapping[str, Candidate],
    metrics: Sequence[Metric],
    *,
    controls: Sequence[Control] = (),
    alone: Sequence[Alone] = (),
    setup: Mapping[str, Any] | None = None,
    timing: Mapping[str, float] | None = None,
    slice_tags: tuple[str, ...] | None = None,
    chance: Chance | None = None,
) -> EvalResult:
    """The candidates side by side, each after the first compared with it."""
    chance = chance or Chance()
    (first, *others) = candidates.values()
    compared = (
        compare_tables((first.name, each.name), first.table, each.table, slices=slice_tags, chance=chance)
        for each in others
    )
    return EvalResult(
        rows=rows,
        metrics=describe(metrics),
        candidates=dict(candidates),
        correct=correctness(first.table),
        comparisons=tuple(compared),
        reference=reference_scores(first.answered, metrics),
        controls=tuple(controls),
        alone=tuple(alone),
        setup=setup or {},
        timing=timing or {},
        slice_tags=slice_tags,
        chance=chance,
    )


def answered_rows(
    rows: Iterable[Row], answers: Iterable[Answer], losses: Sequence[AnswerLoss | None] | None = None
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
                prompt=prompt_of(row),
                fields=named(row.get("fields")),
                tags=named(row.get("tags")),
                group=str(row.get("group") or ""),
                images=sum(part["type"] == "image" for turn in row["messages"] for part in turn["content"]),
                nll=loss.nll if loss else None,
                learned_tokens=loss.tokens if loss else 0,
                failed=answer.failed,
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


def evaluate_candidate(  # noqa: PLR0913  (what is known of a candidate, each by its name)
    name: str,
    answered: Sequence[Answered],
    metrics: Sequence[Metric],
    answers: Sequence[Answer] = (),
    *,
    kind: Kind = "answers",
    slices: Sequence[str] | None = None,
    chance: Chance | None = None,
    about: Mapping[str, Any] | None = None,
) -> Candidate:
    """One candidate's scores: by row, by slice, and over all rows with their intervals."""
    table = score_table(answered, metrics)
    failed = {row.id: row.failed for row in answered if row.failed is not None}
    taken = [index for index, row in enumerate(answered) if row.failed is None]
    return Candidate(
        name=name,
        kind=kind,
        table=table,
        estimates=estimates(table, chance),
        slices=tuple(_slice(table, *found) for found in sliced(table, slices)),
        answer_tokens=sum(answer.tokens for answer in answers),
        cut=tuple(answer.id for answer in answers if not answer.finished),
        failed=failed,
        metrics_taken=table.scores(taken) if failed else {},
        about=about or {},
    )


def _slice(table: Table, tag: str, value: str, rows: Sequence[int]) -> Slice:
    of = table.groups
    groups = len({of[index] for index in rows})
    return Slice(tag=tag, value=value, rows=len(rows), groups=groups, metrics=table.scores(rows))


def evaluate_control(
    name: str, candidate: Candidate, tampered: Tampered, answers: Sequence[Answer], chance: Chance | None = None
) -> Control:
    """A candidate's scores on tampered rows, beside those that it got on the same rows as they are."""
    metrics = candidate.table.metrics
    same = [dataclasses.replace(candidate.answered[index], nll=None) for index in tampered.kept]
    asked = [
        dataclasses.replace(row, prediction=answer.text, failed=answer.failed)
        for row, answer in zip(same, answers, strict=True)
    ]
    table = score_table(asked, metrics)
    before = score_table(same, metrics)
    names = "as they are", name
    return Control(
        name=name,
        candidate=candidate.name,
        rows=len(asked),
        left_out=tampered.left_out,
        comparison=compare_tables(names, before, table, slices=(), chance=chance),
        table=table,
    )


def reference_scores(answered: Sequence[Answered], metrics: Sequence[Metric]) -> dict[str, float]:
    """What the references score as answers: 1 for a match, but less for attributes that they do not name."""
    told = [dataclasses.replace(row, prediction=row.reference, nll=None, failed=None) for row in answered]
    return scores_of(told, metrics)


def describe(metrics: Iterable[Metric]) -> tuple[MetricInfo, ...]:
    """The metrics as a reader of the result needs them."""
    return tuple(
        MetricInfo(
            name=metric.name,
            higher_is_better=metric.higher_is_better,
            about=getattr(metric, "about", ""),
            signature=str(getattr(metric, "signature", "")),
            directions=dict(getattr(metric, "directions", {})),
        )
        for metric in metrics
    )
