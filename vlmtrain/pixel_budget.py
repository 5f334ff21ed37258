"""How many pixels an image may have for every row to fit, by the processor's own counts under the family's bounds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.pixels import PIXEL_LIMIT
from vlmtrain.budget import Placeholders, image_sizes
from vlmtrain.collate import Collator
from vlmtrain.errors import ModelError

if TYPE_CHECKING:
    from vlmtrain.budget import Measure, RowLength, Size
    from vlmtrain.turns import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelBudget:
    """The largest `max_pixels` under which no row is longer than `bound`; None with a reason where there is none."""

    bound: int | None
    largest: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Rows with an image that the budget makes smaller than the model would, and larger; None where it is not known."""

    smaller: int | None
    larger: int | None


class PixelSearch:
    """Sees every row as it is measured, and keeps only what decides: rows that would be over with all their pixels.

    Of rows with images of the same sizes, that with the most other tokens decides for all.
    """

    def __init__(self, processor: Any, measure: Measure, low: int | None, bound: int | None) -> None:
        """`processor`: as it was loaded, no bound of pixels set; `measure` is under the run's, `low` its min_pixels."""
        self._processor, self._measure, self._low, self._bound = processor, measure, low, bound
        self._mixes: dict[tuple[Size, ...], int] = {}
        self._refused = ""
        self._wide = self._under(low, PIXEL_LIMIT)
        self._narrow = self._under(1, None)
        self._rows = {"smaller": 0, "larger": 0}

    def see(self, row: Row, length: RowLength) -> None:
        """Count a row."""
        sizes = image_sizes(row)
        tokens = self._measure.placeholders.tokens
        now = [tokens(size) for size in sizes]
        if self._narrow:
            self._rows["larger"] += any(each > self._narrow.tokens(size) for each, size in zip(now, sizes, strict=True))
        if not self._wide:
            return
        whole = [self._wide.tokens(size) for size in sizes]
        self._rows["smaller"] += any(each < most for each, most in zip(now, whole, strict=True))
        other = length.tokens - sum(now)
        if self._bound is not None and sizes and other + sum(whole) > self._bound:
            mix = tuple(sizes)
            self._mixes[mix] = max(self._mixes.get(mix, 0), other)

    def counted(self) -> Scaled:
        """How many rows since the last time have images that the run's budget scales beyond what the model would."""
        found = Scaled(
            smaller=self._rows["smaller"] if self._wide else None,
            larger=self._rows["larger"] if self._narrow else None,
        )
        self._rows = {"smaller": 0, "larger": 0}
        return found

    def found(self) -> PixelBudget:
        """The answer, after all rows were seen."""
        if self._bound is None:
            return self._answer(None, "there is no bound of tokens")
        if not self._wide:
            return self._answer(None, self._refused)
        if not self._mixes:
            return self._answer(None, f"every row fits in {self._bound:,} tokens with all its pixels")
        largest = self._largest()
        if largest is None:
            return self._answer(None, f"no number of pixels lets every row fit in {self._bound:,} tokens")
        return self._answer(largest, f"the most at which every row fits in {self._bound:,} tokens")

    def _answer(self, largest: int | None, why: str) -> PixelBudget:
        return PixelBudget(bound=self._bound, largest=largest, why=why)

    def _largest(self) -> int | None:
        """By halving: rows that fit at some bound fit at every smaller one, and are not asked again."""
        low, high, best = 1, PIXEL_LIMIT, None
        asked = list(self._mixes.items())
        while low <= high:
            middle = (low + high) // 2
            placeholders = self._under(None, middle)
            over = [mix for mix in asked if placeholders and not self._fits(placeholders, *mix)]
            if placeholders is None:  # fewer pixels than this family has a setting for
                low = middle + 1
            elif over:
                asked, high = over, middle - 1
            else:
                best, low = middle, middle + 1
        return best

    def _fits(self, placeholders: Placeholders, sizes: Sequence[Size], other: int) -> bool:
        return other + sum(placeholders.tokens(size) for size in sizes) <= (self._bound or 0)

    def _under(self, low: int | None, high: int | None) -> Placeholders | None:
        """The processor's counts under these bounds; None where the family has no such setting."""
        family = self._measure.collator.family
        processor = copy.copy(self._processor)
        processor.image_processor = copy.deepcopy(self._processor.image_processor)
        try:
            family.set_pixels(processor, low, high)
        except ModelError as error:
            self._refused = error.message
            return None
        return Placeholders(Collator(processor, family=family))
