"""BLEU: how many runs of one to four words of an answer the reference has too, over the whole corpus.

Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation" (P02-1040), as sacrebleu
(Post 2018, W18-6319) has it: the geometric mean of the precisions, times the brevity penalty exp(1 - R/C) of answers
that are shorter than the references. An order without a match is smoothed as in NIST's mteval ("exp").

Which words: sacrebleu's default tokenizer (13a) takes an unspaced sentence for one word, so that identical Chinese
texts score 0; its `flores200` fetches a model from the network; its `char` counts letters instead of words everywhere.
So the words are ours (`vlmtrain.metric.words`, lower case, no punctuation), and the signature says so: these scores
compare candidates here, not with published BLEU. Texts of fewer than four words score by the orders that they have
(`eff:yes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from vlmtrain.metric import Answered
from vlmtrain.metric.ratio import ratio
from vlmtrain.metric.words import words

ORDERS = 4


class Bleu:
    """The BLEU score, 0 to 100."""

    name = "bleu"
    higher_is_better = True
    about = "runs of one to four words, corpus level, 0 to 100"

    @cached_property
    def _bleu(self) -> Any:
        from sacrebleu.metrics import BLEU

        return BLEU(tokenize="none", effective_order=True, force=True)

    @property
    def signature(self) -> str:
        """sacrebleu's signature, with our tokenizer in the place of its own."""
        self._bleu.corpus_score(["a"], [["a"]])  # it knows its number of references after a score only
        found = self._bleu.get_signature()
        found.update("tok", "vlmtrain-words")
        found.update("case", "lc")
        return str(found)

    def score(self, row: Answered) -> Mapping[str, float]:
        """The sentence score of one row."""
        return {name: float(self.value(name, np.array(sums))) for name, sums in self.sums(row).items()}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """1 for the row, the words of the answer and of the reference, and by order the matches and the n-grams."""
        found = self._bleu.sentence_score(" ".join(words(row.prediction)), [" ".join(words(row.reference))])
        return {self.name: (1.0, found.sys_len, found.ref_len, *found.counts, *found.totals)}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """The corpus score."""
        sums = np.asarray(sums, dtype=float)
        given, wanted = sums[..., 1], sums[..., 2]
        matches, totals = sums[..., 3 : 3 + ORDERS], sums[..., 3 + ORDERS :]
        there, missed = totals > 0, (totals > 0) & (matches == 0)
        smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
        logs = np.log(np.where(there, ratio(smoothed, totals, nothing=1.0), 1.0))
        mean = np.exp(ratio(logs.sum(axis=-1), there.sum(axis=-1), nothing=0.0))
        penalty = np.exp(np.minimum(0.0, 1 - ratio(wanted, given, nothing=1.0)))
        score = np.where(matches.any(axis=-1), 100 * penalty * mean, 0.0)
        return np.where(sums[..., 0] > 0, score, np.nan)
