"""Which of a row's known attributes (its `fields`: brand, material, colour) the answer names.

Source: our own definition, the recall of attribute values by string match that product-description work reports. A
value counts as named where the answer holds it as whole words, case folded, with any white space between them; in
scripts that put no blanks between words, where it stands anywhere. Inflected and translated values are not found, so
look at the reference's own recall, which an evaluation reports too: a model that learned from such references can't be
asked for more. The options of a multiple choice are no attributes.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmtrain.metric import Answered
from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.naming import names


class AttributeRecall:
    """The share of a row's fields that the answer names; per field; and the share of rows with all of them named."""

    name = "attribute_recall"
    higher_is_better = True
    correct = "attribute_recall.all"
    about = "share of a row's fields that the answer names; all: rows with every field named"

    def score(self, row: Answered) -> Mapping[str, float]:
        """`attribute_recall`, `attribute_recall.all` and one `attribute_recall.FIELD` for each field with a value."""
        answer = normalised(row.prediction)
        named = {name: float(names(answer, value)) for name, value in attributes(row).items()}
        if not named:
            return {}
        whole = {self.name: sum(named.values()) / len(named), f"{self.name}.all": float(all(named.values()))}
        return {f"{self.name}.{name}": value for name, value in named.items()} | whole


def attributes(row: Answered) -> dict[str, str]:
    """A row's fields that have a value and are no part of a multiple choice."""
    choice = {"answer", *(f"option.{letter}" for letter in row.options)} if row.options else set()
    return {name: value for name, value in row.fields.items() if name not in choice and normalised(value)}
