"""Answers that were made up, and metrics of the simplest kind, for tests of what is made of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vlmtrain.metric import Answered


class Match:
    """1 where the answer is the reference."""

    name = "match"
    higher_is_better = True
    about = "share of answers"
    correct = "match"

    def score(self, row: Answered) -> Mapping[str, float]:
        return {"match": float(row.prediction == row.reference)}


class Long:
    """A corpus score that is no mean of row scores: letters to words; better when lower."""

    name = "long"
    higher_is_better = False
    about = "letters a word"

    def score(self, row: Answered) -> Mapping[str, float]:
        return {"long": len(row.prediction) / len(row.prediction.split())} if row.prediction else {}

    def sums(self, row: Answered) -> Mapping[str, Sequence[float]]:
        return {"long": (len(row.prediction), len(row.prediction.split()))} if row.prediction else {}

    def value(self, name: str, sums: np.ndarray) -> np.ndarray:
        assert name == "long"
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[..., 0] / sums[..., 1]


class Words:
    """A score of all rows at once: how many different words."""

    name = "words"
    higher_is_better = None
    about = "different words"

    def score(self, row: Answered) -> Mapping[str, float]:
        return {"words": float(len(set(row.prediction.split())))}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        return {"words": float(len({word for row in rows for word in row.prediction.split()}))}


def answers(texts: Sequence[str], *, reference: str = "right", copies: int = 1) -> list[Answered]:
    """Rows with these answers; each `copies` times, in one group."""
    return [
        Answered(id=f"p{place}-{copy}", prediction=text, reference=reference, group=f"p{place}")
        for place, text in enumerate(texts)
        for copy in range(copies)
    ]
