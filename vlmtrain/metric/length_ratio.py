"""How long the answers are beside the references: words over words.

Source: the ratio of lengths that BLEU reports beside its brevity penalty (Papineni et al. 2002, P02-1040), all words of
all answers over all words of all references. Above 1 a model rambles, below 1 it leaves out; neither is good by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vlmtrain.metric import Answered
from vlmtrain.metric.ratio import ratio
from vlmtrain.metric.words import words

if TYPE_CHECKING:
    import numpy as np


class LengthRatio:
    """Words of the answers over words of the references; 1 is as long."""

    name = "length_ratio"
    higher_is_better = None
    about = "words of the answers over words of the references; 1 is as long"

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's own ratio; nothing where the reference has no word."""
        return {name: sums[0] / sums[1] for name, sums in self.sums(row).items()}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """The words of the answer, and of the reference."""
        wanted = len(words(row.reference))
        return {self.name: (len(words(row.prediction)), wanted)} if wanted else {}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """All words of all answers over all words of all references."""
        return ratio(sums[..., 0], sums[..., 1])
