"""How surprised a model is by the reference answer: nats per learned token, weighted by token.

Source: the cross-entropy of a causal language model, -1/T * sum_t ln p(y_t | y_<t, prompt), over the T tokens that
training learns (the answer and its end token). Trainers report the mean of per-batch means, which depends on the batch
size where answers differ in length; a sum over a sum does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmtrain.metric import Answered


class AnswerLoss:
    """Summed negative log-likelihood of all learned tokens, over their number. Nats per token; 0 is certainty."""

    name = "answer_loss"
    higher_is_better = False
    about = "nats per answer token"

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's own loss per token; nothing where no loss was computed."""
        if row.nll is None or not row.learned_tokens:
            return {}
        return {self.name: row.nll / row.learned_tokens}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The loss per token over all tokens of all rows."""
        measured = [(row.nll, row.learned_tokens) for row in rows if row.nll is not None and row.learned_tokens]
        if not measured:
            return {}
        return {self.name: sum(nll for nll, _ in measured) / sum(tokens for _, tokens in measured)}
