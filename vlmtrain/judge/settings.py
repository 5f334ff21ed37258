"""What a run file says under `eval.judge`: who judges, by what, how many rows, and for how much.

Where it is asked, and with which key, is never in a file: that comes from the command line and the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RUBRIC = (
    "Better is the answer that does what was asked, says more of what the photos and the reference support, and says "
    "nothing that they do not support. Neither length nor style counts for itself."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """What a provider charges for a million tokens, as its price list of the day `as_of` says.

    `cached` is the price of input that the provider had kept; None is that of other input.
    """

    as_of: str
    input: float
    output: float
    cached: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """Who says which of two answers is better, and what it is shown.

    `rows` are chosen by the hash of their ids; None judges all. `pictures` are shown in at most `max_pixels`, without
    the place where they were taken. `max_cost` is the most that one evaluation may spend, in the currency of `prices`.
    """

    provider: Literal["openai_compatible", "gemini"]
    model: str
    rubric: str = RUBRIC
    rows: int | None = 100
    pictures: bool = True
    max_pixels: int = 589_824
    reference: bool = True
    max_new_tokens: int = 300
    thinking_budget: int | None = 0
    prices: PriceList | None = None
    max_cost: float | None = None
