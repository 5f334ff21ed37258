"""What a preflight found, as frozen data, and as the JSON of schemas/preflight.v1.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.record import Problem
from vlmtrain.memory import MemoryEstimate
from vlmtrain.pixel_budget import PixelBudget, Scaled
from vlmtrain.survey import LeftOut, Shrunk, Survey

CONTRACT = "preflight.v1"
FILE = "preflight.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a number is spread over the rows: their sum, and the values that 50, 90, 99 and 100% of them stay within."""

    total: int
    p50: int
    p90: int
    p99: int
    longest: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Spread:
        """Of these values; zeros for none."""
        import numpy as np

        if not len(values):
            return cls(total=0, p50=0, p90=0, p99=0, longest=0)
        found = np.percentile(np.asarray(values), (50, 90, 99, 100), method="inverted_cdf")
        p50, p90, p99, longest = (int(value) for value in found)
        return cls(total=int(np.sum(values, dtype=np.int64)), p50=p50, p90=p90, p99=p99, longest=longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFigures:
    """One split: its rows, those that are used, and the tokens of every row that could be measured.

    Of a row whose images are shrunk, the tokens are those after. `scaled` counts rows by what the budget does to their
    images.
    """

    rows: int
    used: int
    images: int
    tokens: Spread
    image_tokens: Spread
    text_tokens: Spread
    learned_tokens: Spread
    scaled: Scaled
    over_budget: tuple[LeftOut, ...]
    left_out: tuple[LeftOut, ...]
    shrunk: tuple[Shrunk, ...]

    @classmethod
    def of(cls, survey: Survey, scaled: Scaled) -> SplitFigures:
        """The figures of a survey."""
        import numpy as np

        tokens, images = np.asarray(survey.tokens), np.asarray(survey.image_tokens)
        seen = tokens > 0
        return cls(
            rows=len(survey),
            used=len(survey) - len(survey.left_out),
            images=sum(survey.images),
            tokens=Spread.of(tokens[seen].tolist()),
            image_tokens=Spread.of(images[seen].tolist()),
            text_tokens=Spread.of((tokens - images)[seen].tolist()),
            learned_tokens=Spread.of(np.asarray(survey.learned)[seen].tolist()),
            scaled=scaled,
            over_budget=tuple(survey.over),
            left_out=tuple(survey.left_out),
            shrunk=tuple(survey.shrunk),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How long the training is: `batches` an epoch on each process, optimizer `steps` in all.

    `padding` is the share of padding among all positions of the first epoch's batches.
    """

    rows: int
    epochs: float
    batches: int
    steps: int
    rows_a_step: int
    padding: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Steps that were really run on this machine, the first left out of the time where there are more.

    `hours` and `cost` are those of the whole run at this rate.
    """

    steps: int
    seconds_a_step: float
    rows_a_second: float
    tokens_a_second: float
    peak_memory_bytes: int
    peak_memory_of: str
    device: str
    hours: float
    cost: float | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """Everything about a run that can be known before its weights are loaded.

    `problems` of severity error are why it fails; `memory_note` says why there is no estimate, or what it is for;
    `held_out_note` what a training goes without since no split is held out for it.
    """

    base: str
    family: str
    data: str
    fingerprint: str | None
    max_length: int | None
    max_pixels: int | None
    over: str
    context: int | None
    splits: Mapping[str, SplitFigures]
    problems: tuple[Problem, ...]
    largest_max_pixels: PixelBudget
    steps: Steps | None = None
    memory: MemoryEstimate | None = None
    memory_note: str = ""
    held_out_note: str = ""
    measured: Measured | None = None

    @property
    def passed(self) -> bool:
        """Whether the run may start."""
        return not any(problem.severity == "error" for problem in self.problems)

    @property
    def over_budget(self) -> tuple[LeftOut, ...]:
        """The rows of all splits that are over the budget as they are, whatever is done with them."""
        return tuple(row for split in self.splits.values() for row in split.over_budget)

    @property
    def smallest_max_length(self) -> int:
        """The smallest `max_length` under which no row is over, with the pixels of this run."""
        measured = [split.tokens.longest for split in self.splits.values()]
        before = [row.tokens or 0 for row in self.over_budget]
        return max([*measured, *before], default=0)


def as_data(result: Preflight) -> dict[str, Any]:
    """The result as schemas/preflight.v1.json has it."""
    data = {"contract": CONTRACT, "passed": result.passed, **dataclasses.asdict(result)}
    data["smallest_max_length"] = result.smallest_max_length
    data["problems"] = [_problem(problem) for problem in result.problems]
    data["splits"] = {name: dataclasses.asdict(split) for name, split in result.splits.items()}
    if result.memory is not None:
        cards = [dataclasses.asdict(card) for card in result.memory.cards]
        data["memory"] = {**data["memory"], "bytes": result.memory.bytes, "cards": cards}
    plain: dict[str, Any] = json.loads(json.dumps(data, ensure_ascii=False))
    return plain


def row_facts(split: SplitFigures) -> dict[str, Any]:
    """What was done with the rows of a split: how many are used, and each that is left out or shrunk."""
    return {
        "rows": split.rows,
        "used": split.used,
        "left_out": [dataclasses.asdict(row) for row in split.left_out],
        "shrunk": [dataclasses.asdict(row) for row in split.shrunk],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(problem).items() if value not in ("", 0)}


def write_preflight(result: Preflight, file: Path) -> Path:
    """Write the result as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{json.dumps(as_data(result), indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    return file
