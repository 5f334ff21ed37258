"""The shop's rules: no prices in descriptions, and one way to write each brand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check_settings import CheckSettings
from vlmdata.record import Problem
from vlmdata.rule_plugins import RulePlugin
from vlmdata.rules import Rule

PRICE = Rule(
    id="shop.price",
    severity="error",
    summary="A description names a price.",
    why="Prices change, and the model would go on naming the old ones.",
    fix="Take the price out of the description.",
)
BRAND = Rule(
    id="shop.brand",
    severity="warning",
    summary="A brand is written in more than one way.",
    why="The model learns to write it in either.",
    fix="Write it one way, for example with `clean:` in the recipe.",
    thresholds={"rows": 2},
)
LINE = Rule(
    id="shop.line",
    severity="error",
    summary="A line of a till's export has no key.",
    why="It is not known which column its value belongs to.",
    fix="Put the key before it: `title: Mug`.",
)
PATTERN = r"(?:€|EUR|\$)\s?\d|\d\s?(?:€|EUR)"


@dataclass(frozen=True)
class PriceCheck:
    """Whole columns are screened first; a row becomes a Python object only where the screen stops."""

    settings: CheckSettings

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Problem]:
        ids = batch.column("id")
        for row in _rows_with_a_price(batch.column("messages")):
            for turn, message in enumerate(batch.column("messages")[row].as_py()):
                said = "".join(part["text"] or "" for part in message["content"])
                if message["role"] == "assistant" and pc.match_substring_regex(said, PATTERN).as_py():
                    place = f"messages[{turn}]"
                    found = "the description names a price"
                    yield Problem(rule=PRICE.id, message=found, id=ids[row].as_py(), field=place, hint=PRICE.fix)


def _rows_with_a_price(messages: pa.ListArray) -> list[int]:
    """The rows with a text that the pattern is in, in order."""
    row_of_turn = pc.list_parent_indices(messages)
    parts = pc.struct_field(messages.flatten(), "content")
    row_of_part = row_of_turn.take(pc.list_parent_indices(parts))
    texts = pc.struct_field(parts.flatten(), "text")
    stopped = pc.fill_null(pc.match_substring_regex(texts, PATTERN), False)
    return sorted(set(row_of_part.filter(stopped).to_pylist()))


@dataclass
class BrandCheck:
    """Keeps the ways in which each brand is written, and how often: little, whatever the number of rows."""

    settings: CheckSettings
    ways: dict[str, dict[str, int]] = field(default_factory=dict)

    def see(self, split: str, batch: pa.RecordBatch) -> None:  # noqa: ARG002  (a brand is one in all splits)
        for fields in batch.column("fields").to_pylist():
            for each in fields or ():
                if each["name"] == "brand":
                    ways = self.ways.setdefault(each["value"].casefold(), {})
                    ways[each["value"]] = ways.get(each["value"], 0) + 1

    def findings(self) -> Iterator[Problem]:
        least = self.settings.threshold(BRAND.id, "rows")
        for ways in self.ways.values():
            if len(ways) > 1 and sum(ways.values()) >= least:
                told = ", ".join(f"{way!r} in {count:,}" for way, count in sorted(ways.items()))
                message = f"one brand is written {told} of the rows"
                yield Problem(rule=BRAND.id, message=message, hint=BRAND.fix, severity="warning")


RULES = RulePlugin(rules=(PRICE, BRAND, LINE), check=PriceCheck, dataset_check=BrandCheck)
