"""How much of an answer says again what it has said: the sign of a model that fell into a loop.

Source: seq-rep-4 of Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training" (arXiv:1908.04319): of the
runs of four words, 1 - different / all. Mean over the answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmtrain.metric import Answered
from vlmtrain.metric.words import ngrams


class Repetition:
    """The share of an answer's runs of four words that were there before: 0 none, near 1 a loop."""

    name = "repetition"
    higher_is_better = False
    about = "share of an answer's runs of four words that repeat an earlier one, 0 to 1"

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's share; 0 for an answer of fewer than four words, which can't repeat any."""
        runs = ngrams(row.prediction, 4)
        return {self.name: 1 - len(set(runs)) / len(runs) if runs else 0.0}
