"""What an answer claims that nothing supports: numbers, brands and other values that it was not told.

Source: our own definition, after the entity- and number-level precision that work on faithful generation reports (for
instance Nan et al. 2021, "Entity-level Factual Consistency of Abstractive Text Summarization", arXiv:2102.09130: the
share of an output's entities that its source has). A claim is supported where the prompt, the reference, or one of the
row's own fields holds it. Not every unsupported claim is false: a photo may show what no text says. Nor is every false
claim found: only numbers, codes, and values that a field of some row has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vlmtrain.metric import Answered
from vlmtrain.metric.attribute_recall import attributes
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.quantities import quantities
from vlmtrain.metric.words import words

Words = tuple[str, ...]

CODE = re.compile(r"(?<![A-Za-z0-9-])(?=[A-Za-z-]*\d)[A-Za-z][A-Za-z0-9-]*")
"""A word with digits that begins with a letter, such as a model's number: XR-500."""

ENUMERATION = re.compile(r"^\s*\d+[.)]\s+", re.MULTILINE)
"""The numbers that count an answer's own points claim nothing."""

LONGEST = 6
"""A value of more words is a text of its own, and no answer claims it by chance."""


@dataclass(frozen=True)
class UnsupportedClaims:
    """1 for an answer with an unsupported claim, else 0, so that the mean is the share of such answers: 0 is best.

    `numbers`, `brands` and `fields` are the same of each kind that the rows' fields have. `vocabulary` holds the values
    of all these fields by their words, with the field's name; `fitted` fills it in, and without it numbers alone are
    looked for.
    """

    vocabulary: Mapping[Words, str] = field(default_factory=dict)

    name = "unsupported_claims"
    higher_is_better = False
    about = "share of answers with a number, brand or field value that prompt, reference and fields lack"

    def fitted(self, rows: Sequence[Answered]) -> UnsupportedClaims:
        """This metric with the values that the fields of these rows have."""
        found: dict[Words, str] = {}
        for row in rows:
            for name, value in attributes(row).items():
                if _telling(value):
                    found.setdefault(tuple(words(value)), name)
        return UnsupportedClaims(found)

    def score(self, row: Answered) -> Mapping[str, float]:
        """All of them, 0.0 or 1.0."""
        found = {f"{self.name}.{kind}": float(bool(claims)) for kind, claims in self.unsupported(row).items()}
        return {self.name: max(found.values()), **found}

    def unsupported(self, row: Answered) -> dict[str, list[str]]:
        """What an answer claims without support, each once, as it stands in the answer or in the vocabulary."""
        support = "\n".join((row.prompt, row.reference, *row.fields.values()))
        supported = set(self._values(support, inside=True))
        claims = [value for value in dict.fromkeys(self._values(row.prediction)) if value not in supported]
        found = {"numbers": [*_numbers(row.prediction, support)]} | {kind: [] for kind in self._kinds}
        for value in claims:
            found[_kind(self.vocabulary[value])].append(" ".join(value))
        return found

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        return tuple(sorted({*map(_kind, self.vocabulary.values())}))

    def _values(self, text: str, *, inside: bool = False) -> Iterator[Words]:
        """The values of the vocabulary in a text: at each place the longest, and with `inside` every one."""
        told, place = words(text), 0
        while place < len(told):
            runs = (tuple(told[place : place + length]) for length in range(LONGEST, 0, -1))
            found = [run for run in runs if run in self.vocabulary]
            yield from found if inside else found[:1]
            place += len(found[0]) if found and not inside else 1


def _kind(name: str) -> str:
    return "brands" if name == "brand" else "fields"


def _telling(value: str) -> bool:
    """Whether a value can be claimed: some words, and more than a digit or a letter."""
    told = words(value)
    return 0 < len(told) <= LONGEST and len("".join(told)) > 1 and not all(word.isdecimal() for word in told)


def _numbers(answer: str, support: str) -> Iterator[str]:
    """The numbers and codes of an answer that the support lacks, each once."""
    known = list(quantities(support))
    for quantity in quantities(ENUMERATION.sub("", answer)):
        if not any(quantity.equals(each) for each in known):
            known.append(quantity)
            yield quantity.text
    codes = {normalised(code) for code in CODE.findall(support)}
    for code in dict.fromkeys(CODE.findall(answer)):
        if normalised(code) not in codes:
            yield code
