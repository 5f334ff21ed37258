"""Which steps of cleaning would change a catalog's texts, and how many of them: proposed, never done unasked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vlmdata.draft.photos import spread
from vlmdata.draft.table import Column

MOST_TEXTS = 2_000
STEPS = {
    "mojibake": "garbled letters",
    "html_to_text": "HTML",
    "nfc": "accents as signs of their own",
    "whitespace": "odd white space",
}
"""The steps in the order in which they are proposed, and what each finds."""

ENOUGH = {"whitespace": 0.05}
"""The share of texts from which a step is proposed; else one text is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidying:
    """Steps for a column, and how many texts of those looked at each would change."""

    column: str
    counts: Mapping[str, int]
    texts: int

    @property
    def words(self) -> str:
        """`HTML in 40, odd white space in 3 of 50 texts`."""
        counted = ", ".join(f"{STEPS[step]} in {count:,}" for step, count in self.counts.items())
        return f"{counted} of {self.texts:,} texts"


def proposed(columns: Sequence[Column], steps: Mapping[str, Callable[[str], str]]) -> list[Tidying]:
    """What cleaning would change in columns of text, for those in which it would change something."""
    found = (_tidying(column, steps) for column in columns)
    return [each for each in found if each.counts]


def _tidying(column: Column, steps: Mapping[str, Callable[[str], str]]) -> Tidying:
    texts = list(spread([value for value in column.values if isinstance(value, str)], MOST_TEXTS))
    counts = {}
    for step in STEPS:
        cleaned = [steps[step](text) for text in texts]
        changed = sum(before != after for before, after in zip(texts, cleaned, strict=True))
        if changed and changed >= ENOUGH.get(step, 0) * len(texts):
            counts[step] = changed
            texts = cleaned
    return Tidying(column=column.name, counts=counts, texts=len(texts))
