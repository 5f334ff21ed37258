"""`budget.over: shrink_images`: the sizes at which a row's images let it fit, found by the processor's own counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vlmdata.record import Problem
from vlmtrain.budget import image_sizes
from vlmtrain.errors import over_budget

if TYPE_CHECKING:
    from vlmtrain.budget import Measure, RowLength, Size
    from vlmtrain.turns import Row

FEWEST_PIXELS = 64 * 64
"""No image is made smaller than this many pixels: it would show nothing that could be learned."""

GROWN = 8
"""Sides of so many times the length tell a family of as many tokens at any size from one that only has a floor."""


def shrunk_sizes(row: Row, length: RowLength, measure: Measure, most: int) -> tuple[list[Size], RowLength] | Problem:
    """The largest sizes at which a row has at most `most` tokens, and its lengths then; else why there are none.

    All images of a row are held to one number of pixels, so that the largest give way first. Where more pixels once
    make fewer tokens, as tiles can, a larger size than the one that is found may fit too.
    """
    sizes = image_sizes(row)
    low, high = FEWEST_PIXELS, max((height * width for height, width in sizes), default=0)
    other = length.tokens - _tokens(measure, sizes)
    if other + _tokens(measure, _bounded(sizes, low)) > most:
        return _unfit(length, most, other, measure, sizes)
    while high - low > max(low // 100, 1):
        middle = (low + high) // 2
        if other + _tokens(measure, _bounded(sizes, middle)) <= most:
            low = middle
        else:
            high = middle
    found = _bounded(sizes, low)
    again = measure.row(row, found)
    return (found, again) if again.tokens <= most else _unfit(again, most, other, measure, sizes)


def _tokens(measure: Measure, sizes: Sequence[Size]) -> int:
    return sum(measure.placeholders.tokens(size) for size in sizes)


def _bounded(sizes: Sequence[Size], most: int) -> list[Size]:
    """The sizes, each with at most so many pixels and of its own shape."""
    found = []
    for height, width in sizes:
        scale = math.sqrt(min(1.0, most / (height * width)))
        found.append((max(1, int(height * scale)), max(1, int(width * scale))) if scale < 1 else (height, width))
    return found


def _unfit(length: RowLength, most: int, other: int, measure: Measure, sizes: Sequence[Size]) -> Problem:
    """The problem of a row that fits with no images of its shape."""
    problem = over_budget(length.id, length.tokens, most)
    name = measure.collator.family.name
    if other > most or not sizes:
        why = f"its text alone has {other:,}, and no text is cut"
    elif _tokens(measure, _bounded(sizes, FEWEST_PIXELS)) == _tokens(measure, sizes):
        grown = [(height * GROWN, width * GROWN) for height, width in sizes]
        fixed = _tokens(measure, grown) == _tokens(measure, sizes)
        floor = "no fewer tokens at smaller sizes, since it enlarges those; budget.min_pixels says to how many pixels"
        why = f"{name} gives its images {'as many tokens at any size' if fixed else floor}"
    else:
        why = f"nor do they with its images at {FEWEST_PIXELS:,} pixels each"
    hint = "raise budget.max_length, or leave the row out (budget.over: drop)"
    return replace(problem, message=f"{problem.message}: {why};", hint=hint)
