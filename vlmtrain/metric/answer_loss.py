"""How surprised a model is by the reference answer: nats per learned token, weighted by token.

Source: the cross-entropy of a causal language model, -1/T * sum_t ln p(y_t | y_<t, prompt), over the T tokens that
training learns (the answer and its end token). Trainers report the mean of per-batch means, which depends on the batch
size where answers differ in length; a sum over a sum does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vlmtrain.metric import Answered
from vlmtrain.metric.ratio import ratio

if TYPE_CHECKING:
    import numpy as np


class AnswerLoss:
    """Summed negative log-likelihood of all learned tokens, over their number. Nats per token; 0 is certainty."""

    name = "answer_loss"
    higher_is_better = False
    reads_losses = True
    about = "nats per answer token, 0 and more"

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's own loss per token; nothing where no loss was computed."""
        return {name: sums[0] / sums[1] for name, sums in self.sums(row).items()}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """The row's negative log-likelihood, and its learned tokens."""
        if row.nll is None or not row.learned_tokens:
            return {}
        return {self.name: (row.nll, row.learned_tokens)}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """The loss per token over all tokens of all rows."""
        return ratio(sums[..., 0], sums[..., 1])
