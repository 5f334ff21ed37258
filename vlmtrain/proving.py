"""The collator on a few real rows, before any training: its batch holds what was measured, and its labels the answers.

The rows are those that decide: the longest ones, and those with the most images. What their batch is like is the shape
that memory is estimated for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.errors import VlmError
from vlmdata.record import Problem
from vlmtrain.inspection import inspect
from vlmtrain.memory import BatchShape
from vlmtrain.order import by_length
from vlmtrain.turns import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

    from vlmtrain.collate import Collator
    from vlmtrain.survey import Survey

RULE = "budget.measured"
MOST_PROVED = 8
"""Batches that are made. Ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is wrong with the batches, and the shape of the largest of them; None where there was no row to take."""

    problems: tuple[Problem, ...]
    shape: BatchShape | None


def prove(rows: Dataset, survey: Survey, collator: Collator, batch_size: int, patch_pixels: int) -> Proof:
    """Make the batches that decide, from the rows of a survey that are trained on, and compare them with it.

    `patch_pixels` is how many pixels make a patch of the vision tower.
    """
    used = survey.used()
    if not used:
        return Proof(problems=(), shape=None)
    chosen, unbounded = survey.chosen(rows), collator.without_bound()
    problems: list[Problem] = []
    shapes = []
    for batch in _deciding(survey, used, collator, batch_size):
        taken = [chosen[place] for place in batch]
        expected = [(survey.tokens[used[place]], survey.learned[used[place]]) for place in batch]
        problems += inspect(collator.processor, taken, unbounded).problems
        try:
            made = unbounded(taken)
        except VlmError:  # among the problems already
            continue
        problems += _measured_problems(taken, made, expected)
        shapes.append(_shape(made, patch_pixels))
    largest = max(shapes, key=lambda shape: (shape.rows * shape.tokens, shape.patches), default=None)
    if largest is not None:
        patches, learned = max(shape.patches for shape in shapes), max(shape.learned for shape in shapes)
        largest = BatchShape(rows=largest.rows, tokens=largest.tokens, learned=learned, patches=patches)
    return Proof(problems=tuple(dict.fromkeys(problems)), shape=largest)


def _deciding(survey: Survey, used: Sequence[int], collator: Collator, size: int) -> Iterator[list[int]]:
    """Places among the used rows: of each key the longest rows; then those with the most images."""
    shapes = survey.shapes(collator.family.batch_key)
    longest = sorted(by_length(shapes, size), key=lambda batch: -int(shapes.lengths[batch].max()) * len(batch))
    seen: set[int] = set()
    for batch in longest:
        key = int(shapes.keys[batch[0]])
        if key not in seen and len(seen) < MOST_PROVED - 1:
            seen.add(key)
            yield batch
    most = max(range(len(used)), key=lambda place: survey.images[used[place]])
    same = [place for place in range(len(used)) if shapes.keys[place] == shapes.keys[most]]
    yield sorted(same, key=lambda place: -survey.images[used[place]])[:size]


def _measured_problems(rows: Sequence[Any], made: Any, expected: Sequence[tuple[int, int]]) -> Iterator[Problem]:
    """Where a batch has other tokens, or learns more or fewer, than were measured."""
    for place, (row, (tokens, learned)) in enumerate(zip(rows, expected, strict=True)):
        here = int(made["attention_mask"][place].sum())
        taught = int((made["labels"][place] != IGNORED).sum())
        if (here, taught) != (tokens, learned):
            name = str(row.get("id") or "")
            message = (
                f"{tokens:,} tokens, {learned:,} of them learned, were measured; the batch has {here:,} and {taught:,};"
            )
            hint = "the processor counts other than it writes, so no budget can be kept; please report it"
            yield Problem(rule=RULE, message=message, source=name, id=name, hint=hint)


def _shape(made: Any, patch_pixels: int) -> BatchShape:
    """What the memory of a batch depends on; squares that only pad an image are seen by the tower too."""
    rows, tokens = made["input_ids"].shape
    learned = int((made["labels"] != IGNORED).sum())
    pixels = made.get("pixel_values")
    patches = 0 if pixels is None else int(pixels.numel()) // (3 * patch_pixels)
    return BatchShape(rows=rows, tokens=tokens, learned=learned, patches=patches)
