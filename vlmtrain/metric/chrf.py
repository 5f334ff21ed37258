"""chrF: character n-grams of up to 6, as an F-score with recall counted twice, over the whole corpus.

Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation" (W15-3049), as sacrebleu has it:
precision and recall are means over the orders that both texts have, F = 5PR / (4P + R). The corpus score adds the
n-gram counts of all rows first and is no mean of row scores. It needs no words, so it works in any script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from vlmtrain.metric import Answered
from vlmtrain.metric.ratio import ratio

ORDERS = 6
BETA = 2


class ChrF:
    """The chrF score, 0 to 100."""

    name = "chrf"
    higher_is_better = True
    about = "character n-grams, corpus level, 0 to 100"

    @cached_property
    def signature(self) -> str:
        """What sacrebleu asks to be printed beside a score: its settings and version."""
        from sacrebleu.metrics import CHRF

        library: Any = CHRF(char_order=ORDERS, beta=BETA)
        library.corpus_score(["a"], [["a"]])  # it knows its number of references after a score only
        return str(library.get_signature())

    def score(self, row: Answered) -> Mapping[str, float]:
        """The sentence score of one row."""
        return {name: float(self.value(name, np.array(sums))) for name, sums in self.sums(row).items()}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """1 for the row, then for each order the n-grams of the answer, of the reference, and of both."""
        return {self.name: (1.0, *_counts(row.prediction, row.reference))}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """The corpus score."""
        counts = np.asarray(sums, dtype=float)[..., 1:]
        given, wanted, both = (counts[..., place::3] for place in range(3))
        there = (given > 0) & (wanted > 0)
        orders = there.sum(axis=-1)
        precision, recall = (
            ratio((ratio(both, of, nothing=0.0) * there).sum(axis=-1), orders, nothing=0.0) for of in (given, wanted)
        )
        score = 100 * ratio((1 + BETA**2) * precision * recall, BETA**2 * precision + recall, nothing=0.0)
        return np.where(np.asarray(sums)[..., 0] > 0, score, np.nan)


@lru_cache(maxsize=8192)
def _counts(answer: str, reference: str) -> tuple[float, ...]:
    """For each order the n-grams of an answer, of the reference, and of both; kept, since a row is scored twice.

    As in sacrebleu, an answer's n-grams count only where the reference has some of their order.
    """
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    counts: list[float] = []
    answers, references = (extract_all_char_ngrams(text, ORDERS) for text in (answer, reference))
    for given, wanted in zip(answers, references, strict=True):
        counts += [given.total() if wanted else 0, wanted.total(), (given & wanted).total()]
    return tuple(counts)
