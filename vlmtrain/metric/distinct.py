"""How varied the answers are as a whole: different words, and different pairs of words, per word.

Source: distinct-1 and distinct-2 of Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation
Models" (N16-1014): the number of different n-grams over the number of all words, over all answers together. It falls
with the number of rows, so compare candidates on the same rows only, and with what the references have: a model that
says the same of every product is far below them, one that babbles is above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmtrain.metric import Answered
from vlmtrain.metric.words import ngrams


class Distinct:
    """distinct-1 and distinct-2, 0 to 1. They are of all answers together, so that no row has one by itself."""

    name = "distinct"
    higher_is_better = None
    about = "different words (1) and pairs of words (2) per word of all answers, 0 to 1"

    def score(self, row: Answered) -> Mapping[str, float]:  # noqa: ARG002
        """Nothing: one answer says nothing of how the answers differ."""
        return {}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """Both over all answers; nothing where these have no word."""
        singles = [found for row in rows for found in ngrams(row.prediction, 1)]
        pairs = {found for row in rows for found in ngrams(row.prediction, 2)}
        if not singles:
            return {}
        return {"distinct.1": len(set(singles)) / len(singles), "distinct.2": len(pairs) / len(singles)}
