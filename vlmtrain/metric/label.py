"""Answers that are labels: how many are right, and the F1 of each label, each label counting once.

Source: accuracy, and macro-averaged F1 (van Rijsbergen 1979; scikit-learn's `f1_score(average="macro")` over the
references' labels): 2TP / (2TP + FP + FN) for each label, then the mean. A model that always says the commonest label
has a good accuracy and a poor F1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vlmtrain.metric import Answered
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.naming import only_named
from vlmtrain.metric.ratio import ratio

MOST_LABELS = 200
"""References with more different texts are no labels: `macro_f1` is left out then."""


@dataclass(frozen=True, slots=True)
class Label:
    """The share of right labels, and `macro_f1`. `labels` are the references'; `fitted` fills them in.

    An answer is a label where it equals one, case, white space and a mark at the end aside, or where it is a sentence
    that names one of the labels and no other.
    """

    labels: tuple[str, ...] = ()

    name = "label"
    higher_is_better = True
    correct = "label"
    about = "share of right labels; macro_f1: mean of the labels' F1, 0 to 1"

    def fitted(self, rows: Sequence[Answered]) -> Label:
        """This metric with the labels of these rows' references."""
        found = sorted({label for row in rows if (label := plain(row.reference))})
        return Label(tuple(found) if len(found) <= MOST_LABELS else ())

    def score(self, row: Answered) -> Mapping[str, float]:
        """1.0 for the reference's label, else 0.0."""
        wanted = plain(row.reference)
        return {self.name: float(self.given(row) == wanted)} if wanted else {}

    def given(self, row: Answered) -> str | None:
        """The label that an answer says; None where it says none, or several."""
        text = plain(row.prediction)
        if not text or row.failed or text in self.labels:
            return text if text and not row.failed else None
        named = only_named(text, self.labels)
        return named.pop() if len(named) == 1 else text

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        """The score and 1; for `macro_f1` by label whether it was given rightly, given wrongly, and missed."""
        sums: dict[str, Sequence[float]] = {name: (value, 1.0) for name, value in self.score(row).items()}
        wanted, given = plain(row.reference), self.given(row)
        if wanted in self.labels:
            counts = np.zeros((len(self.labels), 3))
            counts[self.labels.index(wanted), 0 if given == wanted else 2] = 1
            if given != wanted and given in self.labels:
                counts[self.labels.index(given), 1] = 1
            sums[f"{self.name}.macro_f1"] = counts.ravel().tolist()
        return sums

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:
        """Right rows over rows, or the mean F1 of the labels that rows have."""
        sums = np.asarray(sums, dtype=float)
        if name == self.name:
            return ratio(sums[..., 0], sums[..., 1])
        right, wrong, missed = (sums[..., place::3] for place in range(3))
        there = right + missed > 0
        f1 = ratio(2 * right, 2 * right + wrong + missed, nothing=0.0)
        return ratio(f1.sum(axis=-1), there.sum(axis=-1))


def plain(text: str) -> str:
    """A label as it is compared: normalised, without quotes around it and marks behind it."""
    return re.sub(r"^[\"'“‘(\[*\s]+|[\"'”’)\]*.!。\s]+$", "", normalised(text))
