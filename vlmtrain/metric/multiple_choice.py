"""Accuracy in multiple choice, by the letter that an answer chooses.

Source: MMIU (Meng et al. 2024, arXiv:2408.02718): an answer that chooses no option counts as wrong (their script's
class "Z"), and the overall score is the mean of the tasks' accuracies, each task counting once (OpenGVLab/MMIU,
evaluate_correct.py: accuracy by task, then the mean over tasks). That is `multiple_choice.by_task`, for rows with the
tag `task`; `multiple_choice` counts every row once. How a letter is found: `vlmtrain.metric.choosing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vlmtrain.metric import Answered
from vlmtrain.metric.choosing import chosen
from vlmtrain.metric.ratio import ratio

TASK = "task"
UNPARSED = "unparsed"


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """The share of rows whose answer chooses the right option; `unparsed` is the share that chooses none.

    A row has a score where its fields hold the options (`option.A`, ...) and its reference is one of them. `tasks` are
    those that `by_task` is over; `fitted` fills them in.
    """

    tasks: tuple[str, ...] = ()

    name = "multiple_choice"
    higher_is_better = True
    directions = {"multiple_choice.unparsed": False}  # noqa: RUF012
    correct = "multiple_choice"
    about = "share of right options; unparsed: answers that choose none; by_task: mean over tasks, as MMIU has it"

    def fitted(self, rows: Sequence[Answered]) -> MultipleChoice:
        """This metric with the tasks of these rows."""
        return MultipleChoice(tuple(sorted({row.tags[TASK] for row in rows if row.options and TASK in row.tags})))

    def score(self, row: Answered) -> Mapping[str, float]:
        """1 for the right option, and 1 for none, else 0."""
        right = right_option(row)
        if right is None:
            return {}
        given = given_option(row)
        return {self.name: float(given == right), f"{self.name}.{UNPARSED}": float(given is None)}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """Each score and 1; for `by_task` the same for every task, 0 for all but the row's own."""
        sums: dict[str, Sequence[float]] = {name: (value, 1.0) for name, value in self.score(row).items()}
        task = row.tags.get(TASK)
        if sums and task in self.tasks:
            by_task = np.zeros((len(self.tasks), 2))
            by_task[self.tasks.index(task)] = sums[self.name]
            sums[f"{self.name}.by_task"] = by_task.ravel().tolist()
        return sums

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Right rows over rows; of several tasks the mean over those that have rows. One task is a mean like any."""
        sums = np.asarray(sums, dtype=float)
        right, rows = sums[..., 0::2], sums[..., 1::2]
        return ratio(ratio(right, rows, nothing=0.0).sum(axis=-1), (rows > 0).sum(axis=-1))


def right_option(row: Answered) -> str | None:
    """The letter of the reference; None where the row is no multiple choice."""
    options = row.options
    if row.reference.strip() in options:
        return row.reference.strip()
    return chosen(row.reference, options) if options else None


def given_option(row: Answered) -> str | None:
    """The letter that the answer chooses; None where it chooses none."""
    return None if row.failed else chosen(row.prediction, row.options)


def confusion(rows: Sequence[Answered]) -> dict[str, dict[str, int]]:
    """How often each right letter was answered by each: `{"A": {"A": 40, "C": 3, "unparsed": 2}, ...}`, sorted."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if (right := right_option(row)) is not None:
            given = given_option(row) or UNPARSED
            of = counts.setdefault(right, {})
            of[given] = of.get(given, 0) + 1
    return {right: dict(sorted(of.items(), key=_unparsed_last)) for right, of in sorted(counts.items())}


def _unparsed_last(entry: tuple[str, int]) -> tuple[bool, str]:
    return entry[0] == UNPARSED, entry[0]
