"""Among how many equally likely tokens a model wavers at each token of the reference answer.

Source: Jelinek, Mercer, Bahl and Baker 1977, "Perplexity - a measure of the difficulty of speech recognition tasks":
exp of the cross-entropy in nats per token (`answer_loss`). Tokens differ between tokenizers, so that perplexities of
different model families can't be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vlmtrain.metric import Answered
from vlmtrain.metric.answer_loss import AnswerLoss


class Perplexity:
    """exp of the loss per answer token: 1 is certainty."""

    name = "perplexity"
    higher_is_better = False
    reads_losses = True
    about = "exp of the loss per answer token, 1 and more"

    def __init__(self) -> None:
        self._loss = AnswerLoss()

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's own perplexity; nothing where no loss was computed."""
        return {name: float(self.value(name, np.array(sums))) for name, sums in self.sums(row).items()}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """The row's negative log-likelihood, and its learned tokens."""
        found = self._loss.sums(row)
        return {self.name: found[self._loss.name]} if found else {}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:
        """exp of the loss over all tokens; infinite beyond about 709 nats per token."""
        with np.errstate(over="ignore"):
            found: np.ndarray = np.exp(self._loss.value(name, sums))
        return found
