"""The shop's metric counts the brands that answers name."""

from __future__ import annotations

from shop_plugins.metrics import BrandNamed

from vlmtrain.metric import Answered
from vlmtrain.testing import conforms_metric

ROWS = [
    Answered(id="a", prediction="A mug by Tavi.", reference="A red mug by Tavi.", fields={"brand": "Tavi"}),
    Answered(id="b", prediction="A lamp.", reference="A lamp by Orn.", fields={"brand": "Orn"}),
    Answered(id="c", prediction="A box.", reference="A box."),
]


def test_the_metric_conforms() -> None:
    conforms_metric(BrandNamed, ROWS, bounds=(0, 1), perfect=1)
