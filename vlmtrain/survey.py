"""Every row of a split measured, and which of them are trained on, under what the run says of rows over its budget."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmdata.record import Problem
from vlmtrain.budget import Measure, RowLength, measured
from vlmtrain.errors import over_budget
from vlmtrain.order import RowShapes
from vlmtrain.pictures import SHRUNK_TO
from vlmtrain.shrinking import shrunk_sizes

if TYPE_CHECKING:
    from datasets import Dataset

    from vlmtrain.budget import Size
    from vlmtrain.config import Over
    from vlmtrain.turns import Row

NOTHING_LEARNED = "budget.nothing_learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that is not trained on, and by which rule. `tokens` is None where it can't be measured."""

    number: int
    id: str
    rule: str
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A row whose images are made smaller: its tokens before and after, and the new sizes of its images."""

    number: int
    id: str
    tokens_before: int
    tokens: int
    sizes: tuple[Size, ...]


@dataclass(slots=True, kw_only=True)
class Survey:
    """A split, measured. The arrays hold one value a row, in order; of a row that can't be measured, zeros.

    `problems` are those of rows that stop the run; `over` the numbers of all rows over the bound, and what is done
    with them, if anything, stands in `dropped` and `shrunk`. `refused` are rows that no run can take.
    """

    split: str
    bound: int | None
    over_is: Over = "error"
    tokens: array[int] = field(default_factory=lambda: array("q"))
    image_tokens: array[int] = field(default_factory=lambda: array("q"))
    learned: array[int] = field(default_factory=lambda: array("q"))
    images: array[int] = field(default_factory=lambda: array("q"))
    problems: list[Problem] = field(default_factory=list)
    over: list[LeftOut] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)
    dropped: list[LeftOut] = field(default_factory=list)
    shrunk: list[Shrunk] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def left_out(self) -> list[LeftOut]:
        """The rows that a training goes without, in order: those that are dropped, and those that no run can take."""
        return sorted([*self.dropped, *self.refused], key=lambda row: row.number)

    def used(self) -> list[int]:
        """The numbers of the rows that are trained on."""
        without = {row.number for row in self.left_out}
        return [number for number in range(len(self)) if number not in without]

    def shapes(self, batch_key: Callable[[int], int]) -> RowShapes:
        """What orders the rows that are used."""
        import numpy as np

        used = self.used()
        return RowShapes(
            lengths=np.asarray([self.tokens[number] for number in used], dtype=np.int64),
            keys=np.asarray([batch_key(self.images[number]) for number in used], dtype=np.int64),
        )

    def chosen(self, split: Dataset) -> Dataset:
        """The rows that are trained on, with the sizes that their images are shrunk to. Nothing is copied."""
        if self.shrunk:
            sizes: dict[int, list[list[int]]] = {
                row.number: [[width, height] for height, width in row.sizes] for row in self.shrunk
            }
            split = split.add_column(SHRUNK_TO, [sizes.get(number) for number in range(len(self))])
        return split.select(self.used()) if self.left_out else split


def survey(
    split: str,
    rows: Iterable[Row],
    measure: Measure,
    over: Over = "error",
    on_row: Callable[[Row, RowLength | None], None] = lambda *_: None,
) -> Survey:
    """Measure every row, and decide on those over the collator's `max_length`. Memory: 32 bytes a row."""
    found = Survey(split=split, bound=measure.collator.max_length, over_is=over)
    for number, row in enumerate(rows):
        length = measured(row, measure)
        if isinstance(length, Problem):
            found.problems.append(length)
            found.refused.append(LeftOut(number=number, id=length.id, rule=length.rule))
            on_row(row, None)
            _add(found, None)
        else:
            on_row(row, length)
            _add(found, _decided(found, number, row, length, measure))
    return found


def refuse_rows(found: Survey, problems: Iterable[tuple[int, Problem]]) -> None:
    """Add what is wrong with rows, by their numbers, that no run can take."""
    gone = {row.number for row in found.left_out}
    for number, problem in problems:
        found.problems.append(problem)
        if number not in gone:
            found.refused.append(LeftOut(number=number, id=problem.id, rule=problem.rule))
            found.shrunk[:] = [row for row in found.shrunk if row.number != number]


def _add(found: Survey, length: RowLength | None) -> None:
    found.tokens.append(length.tokens if length else 0)
    found.image_tokens.append(length.image_tokens if length else 0)
    found.learned.append(length.learned if length else 0)
    found.images.append(length.images if length else 0)


def _decided(found: Survey, number: int, row: Row, length: RowLength, measure: Measure) -> RowLength:
    """The row's lengths as it is trained on, once what the run says of such a row is done and noted."""
    if length.learned < 2:  # the end token alone
        found.problems.append(_nothing_learned(length))
        found.refused.append(LeftOut(number=number, id=length.id, rule=NOTHING_LEARNED, tokens=length.tokens))
        return length
    if found.bound is None or length.tokens <= found.bound:
        return length
    problem = over_budget(length.id, length.tokens, found.bound)
    left = LeftOut(number=number, id=length.id, rule=problem.rule, tokens=length.tokens)
    found.over.append(left)
    if found.over_is == "drop":
        found.dropped.append(left)
        return length
    if found.over_is == "shrink_images":
        return _shrunk(found, number, row, length, measure)
    found.problems.append(problem)
    return length


def _shrunk(found: Survey, number: int, row: Row, length: RowLength, measure: Measure) -> RowLength:
    assert found.bound is not None
    fits = shrunk_sizes(row, length, measure, found.bound)
    if isinstance(fits, Problem):
        found.problems.append(fits)
        return length
    sizes, after = fits
    found.shrunk.append(
        Shrunk(number=number, id=length.id, tokens_before=length.tokens, tokens=after.tokens, sizes=tuple(sizes))
    )
    return after


def _nothing_learned(length: RowLength) -> Problem:
    message = "holds no text to learn, only the end of an empty answer;"
    return Problem(rule=NOTHING_LEARNED, message=message, source=length.id, id=length.id, hint="leave the row out")
