"""What a recipe says under `describe:`: who writes the missing descriptions, from what, how fast and for how much."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

JOURNAL = "descriptions.jsonl"
"""Where answers are kept, unless a recipe says it."""

ProviderName = Literal["gemini", "gemini_legacy", "openai_compatible", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRows:
    """Rows with a text, shown to the model: the first `rows` of the source, or those of some `ids`."""

    rows: int = 0
    ids: tuple[str, ...] = ()
    pictures: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPictures:
    """How many of a row's images are sent, how large, and what becomes of the place where a photo was taken.

    The dataset keeps the images as they are. `max_pixels` 0 sends them in full.
    """

    max: int = 4
    max_pixels: int = 589_824
    location: Literal["strip", "refuse"] = "strip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast may be asked, and how often again. Times are in seconds.

    `attempts` counts a row's faults of the server or the network; `patience` is how long a provider may answer nothing
    but "too many requests" before the run stops.
    """

    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout: float = 120.0
    attempts: int = 6
    patience: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a provider charges for a million tokens, as its price list of the day `as_of` says.

    `cached` is the price of input that the provider had kept (the input's, where it is not given); `batch` is the share
    of the price that a job costs.
    """

    as_of: str
    input: float
    output: float
    cached: float | None = None
    batch: float = 0.5
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfig:
    """Who writes the texts that `column` lacks, and how they are asked.

    `prompt`, `system` and `answer` are templates; `answer` is over what the model wrote, parsed where there is a
    `schema`. `path` is the file of the provider `file`; `journal` is where every answer is kept.
    """

    provider: ProviderName
    column: str = "description"
    new_column: bool = False
    model: str = ""
    prompt: str = ""
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    answer: str = "{{ answer }}"
    examples: ExampleRows = field(default_factory=ExampleRows)
    pictures: SentPictures = field(default_factory=SentPictures)
    language: str | None = None
    brand: str | None = None
    min_characters: int = 20
    max_output_tokens: int = 1024
    temperature: float = 0.0
    thinking_budget: int | None = 0
    safety: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    batch: bool = False
    prices: Prices | None = None
    max_cost: float | None = None
    journal: Path = Path(JOURNAL)
    path: Path | None = None

    @property
    def prompt_sha256(self) -> str:
        """The sha256 of what all rows are asked with: [system, prompt, schema] as JSON, keys sorted, without spaces."""
        asked = json.dumps([self.system, self.prompt, self.schema], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(asked.encode()).hexdigest()
