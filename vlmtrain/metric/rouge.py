"""ROUGE-1, ROUGE-2 and ROUGE-L: common words, word pairs and the longest common run of words, as F-measures.

Source: Lin 2004, "ROUGE: a Package for Automatic Evaluation of Summaries" (W04-1013), computed by Google's rouge-score
(no stemming), mean over the rows as its own aggregation has it. Its tokenizer keeps [a-z0-9] only, so that identical
Chinese texts score 0 and "Größe" becomes "gr", "e"; the words here are those of every script (`vlmtrain.metric.words`).
For English text without accents both give the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from vlmtrain.metric import Answered
from vlmtrain.metric.words import words


@dataclass(frozen=True, kw_only=True)
class Rouge:
    """One of the three, 0 to 1. `order` is the number of words that must be there for the library to score a text."""

    name: str
    kind: str
    order: int
    about: str

    higher_is_better = True

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's F-measure.

        Where neither text has as many words as are counted, the library gives 0; here equal texts are equal: by their
        words, and where there are none, as they are written.
        """
        wanted, given = words(row.reference), words(row.prediction)
        if max(len(wanted), len(given)) < self.order:
            same = wanted == given and (bool(wanted) or row.reference.strip() == row.prediction.strip())
            return {self.name: float(same and not row.failed)}
        return {self.name: float(_scorer(self.kind).score(row.reference, row.prediction)[self.kind].fmeasure)}


@cache
def _scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=UnicodeWords())


class UnicodeWords:
    """The tokenizer that rouge-score is given."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text; see `words`."""
        return words(text)


ROUGE_1 = Rouge(name="rouge_1", kind="rouge1", order=1, about="common words, F-measure, 0 to 1")
ROUGE_2 = Rouge(name="rouge_2", kind="rouge2", order=2, about="common pairs of words, F-measure, 0 to 1")
ROUGE_L = Rouge(name="rouge_l", kind="rougeL", order=1, about="longest common subsequence of words, F-measure, 0 to 1")
