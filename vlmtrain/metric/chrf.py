"""chrF: character n-grams of up to 6, as an F-score with recall counted twice, over the whole corpus.

Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation" (W15-3049), computed by sacrebleu.
The corpus score adds the n-gram counts of all rows first and is no mean of row scores. It needs no words, so it works
in any script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from vlmtrain.metric import Answered


class ChrF:
    """The chrF score, 0 to 100."""

    name = "chrf"
    higher_is_better = True
    about = "character n-grams, corpus level, 0 to 100"

    @cached_property
    def _chrf(self) -> Any:
        from sacrebleu.metrics import CHRF

        return CHRF()

    @property
    def signature(self) -> str:
        """What sacrebleu asks to be printed beside a score: its settings and version."""
        self._chrf.corpus_score(["a"], [["a"]])  # it knows its number of references after a score only
        return str(self._chrf.get_signature())

    def score(self, row: Answered) -> Mapping[str, float]:
        """The sentence score of one row."""
        return {self.name: float(self._chrf.sentence_score(row.prediction, [row.reference]).score)}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The corpus score of all rows."""
        if not rows:
            return {}
        predictions = [row.prediction for row in rows]
        references = [row.reference for row in rows]
        return {self.name: float(self._chrf.corpus_score(predictions, [references]).score)}
