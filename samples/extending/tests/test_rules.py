"""The shop's rules find what they should, and nothing else."""

from __future__ import annotations

from shop_plugins.rules import RULES

from vlmdata.testing import conforms_rules, record


def branded(*brands: str) -> dict:
    """A dataset of a row for each brand."""
    return {"train": [record("What is it?", f"A mug by {brand}.", fields={"brand": brand}) for brand in brands]}


def test_the_rules_conform() -> None:
    conforms_rules(
        RULES,
        bad={
            "shop.price": [
                record("What is it?", "A mug, only 9 €."),
                record("What is it?", "A mug.", "And what does it cost?", "It is EUR 12."),
            ]
        },
        good=[
            record("What is it?", "A red mug that holds 300 ml.", images=1),
            record("A mug for 9 €: what is it?", "A mug."),
        ],
        bad_datasets={"shop.brand": [branded("Tavi", "Orn", "TAVI")]},
        good_datasets=[branded("Tavi", "Tavi", "Orn")],
        of_sources=["shop.line"],
    )
