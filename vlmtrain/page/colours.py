"""Which colour a candidate has, everywhere on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmtrain.verdict import main_candidate

if TYPE_CHECKING:
    from vlmtrain.evaluation import EvalResult


def kind_of(result: EvalResult, name: str) -> str:
    """The colour of a candidate: grey for the first one, blue for the one that the evaluation is about."""
    first, *others = result.candidates
    if name == first:
        return "k0"
    main = main_candidate(result)
    if name == main:
        return "k1"
    return f"k{2 + [each for each in others if each != main].index(name) % 4}"
