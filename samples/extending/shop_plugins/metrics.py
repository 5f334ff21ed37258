"""The shop's metric: whether an answer names the product's brand."""

from __future__ import annotations

from collections.abc import Mapping

from vlmtrain.metric import Answered


class BrandNamed:
    """1 where the answer names the brand that the row's field `brand` has, else 0; none for a row without a brand."""

    name = "brand_named"
    higher_is_better = True
    about = "share of answers that name the product's brand, 0 to 1"

    def score(self, row: Answered) -> Mapping[str, float]:
        brand = row.fields.get("brand")
        return {self.name: float(brand.casefold() in row.prediction.casefold())} if brand else {}
