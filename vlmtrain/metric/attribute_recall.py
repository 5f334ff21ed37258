"""Which of a row's known attributes (its `fields`: brand, material, colour) the answer names.

Source: our own definition, the recall of attribute values by string match that product-description work reports. A
value counts as named where the answer holds it as whole words, case folded, with any white space between them; in
scripts that put no blanks between words, where it stands anywhere. Inflected and translated values are not found, so
look at the reference's own recall, which an evaluation reports too: a model that learned from such references can't be
asked for more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from vlmtrain.metric import Answered, mean_scores
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.rouge_l import unspaced


class AttributeRecall:
    """The share of a row's fields that the answer names; per field; and the share of rows with all of them named."""

    name = "attribute_recall"
    higher_is_better = True
    about = "share of a row's fields that the answer names; all: rows with every field named"

    def score(self, row: Answered) -> Mapping[str, float]:
        """`attribute_recall`, `attribute_recall.all` and one `attribute_recall.FIELD` for each field with a value."""
        answer = normalised(row.prediction)
        known = {name: value for name, value in row.fields.items() if normalised(value)}
        named = {name: float(names(answer, value)) for name, value in known.items()}
        if not named:
            return {}
        whole = {self.name: sum(named.values()) / len(named), f"{self.name}.all": float(all(named.values()))}
        return whole | {f"{self.name}.{name}": value for name, value in named.items()}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The means over the rows; a field counts in the rows where it has a value."""
        return mean_scores([self.score(row) for row in rows])


def names(answer: str, value: str) -> bool:
    """Whether a normalised answer holds a value as whole words."""
    return _pattern(value).search(answer) is not None


@lru_cache(maxsize=4096)
def _pattern(value: str) -> re.Pattern[str]:
    wanted = normalised(value)
    before = "" if unspaced(wanted[0]) or not wanted[0].isalnum() else r"(?<!\w)"
    after = "" if unspaced(wanted[-1]) or not wanted[-1].isalnum() else r"(?!\w)"
    return re.compile(before + re.escape(wanted) + after)
