"""The share of answers that equal the reference, as they are and normalised.

Source: exact match as in SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250), but its normalisation takes English articles
and punctuation out; ours works in any script: Unicode NFC, case folded, each run of white space one blank, none at the
ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from vlmtrain.metric import Answered


class ExactMatch:
    """1 for an answer that equals its reference (blanks at the ends aside), else 0; and the same after normalising."""

    name = "exact_match"
    higher_is_better = True
    correct = "exact_match.normalised"
    about = "share of answers; normalised: case and white space aside"

    def score(self, row: Answered) -> Mapping[str, float]:
        """Both forms for one row, each 0.0 or 1.0. A row that was not answered matches nothing, not even nothing."""
        return {
            "exact_match": float(not row.failed and row.prediction.strip() == row.reference.strip()),
            "exact_match.normalised": float(not row.failed and normalised(row.prediction) == normalised(row.reference)),
        }


def normalised(text: str) -> str:
    """Text that differs only where a reader would say that it differs: NFC, case folded, single blanks.

    Folding can undo NFC (it takes some letters apart), so it is composed again afterwards.
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())
