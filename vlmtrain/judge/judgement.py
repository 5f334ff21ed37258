"""What came of a judge's verdicts on two candidates, as values: row by row, and over all rows with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from vlmdata.errors import VlmError
from vlmtrain.comparing import LEVEL, Estimate, Verdict
from vlmtrain.intervals import Chance, Interval, by_group, draws, mcnemar_p, percentiles, permutation_p, tossed
from vlmtrain.judge.wording import Opinion
from vlmtrain.scoring import mean

if TYPE_CHECKING:
    import numpy as np


class JudgeStoppedError(VlmError):
    """A judge that did not come to its end: the evaluation is whole and written, its verdicts are not."""

    exit_code = 1


Outcome = Literal["win", "tie", "loss", "inconsistent", "unparsed", "unanswered"]
OUTCOMES: tuple[Outcome, ...] = ("win", "tie", "loss", "inconsistent", "unparsed", "unanswered")
POINTS: Mapping[Outcome, float] = {"win": 1.0, "tie": 0.5, "inconsistent": 0.5, "loss": 0.0}
"""What a row counts for the second candidate. A row without a verdict counts neither way."""

EVEN = 0.5
Test = Literal["sign", "permutation", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """One row: what both candidates said, and what the judge said of it.

    `opinions` are of `before`'s answer first, and of `after`'s answer first; there are none where nobody needed to be
    asked, and `why` says so.
    """

    id: str
    group: str
    prompt: str
    reference: str
    before: str
    after: str
    outcome: Outcome
    opinions: tuple[Opinion, ...] = ()
    why: str = ""

    @property
    def was_compared(self) -> bool:
        """Whether the judge gave a verdict in both orders."""
        return len(self.opinions) == 2 and all(each.verdict for each in self.opinions)


def outcome_of(opinions: Sequence[Opinion]) -> Outcome:
    """What two opinions come to for the second candidate: the first opinion saw it as `second`, the other as `first`.

    Only where both say the same of the two candidates is that a verdict.
    """
    before_first, after_first = (each.verdict for each in opinions)
    if before_first is None or after_first is None:
        return "unparsed"
    found: dict[tuple[str, str], Outcome] = {
        ("second", "first"): "win",
        ("first", "second"): "loss",
        ("tie", "tie"): "tie",
    }
    return found.get((before_first, after_first), "inconsistent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What all pairs together cost by the price list. `about` and `at_most` were told before anybody was asked, of
    `requests` that had no answer yet; `paid` is what these came to, `lost` the most that others may have cost whose
    answer never came."""

    requests: int
    known: int
    about: Decimal
    at_most: Decimal
    paid: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    currency: str = ""
    as_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Two candidates, row by row. `about` is who judged and how; `cost` and the tokens are of all answers that count
    here, whenever they were paid for. `stopped` says why not all rows were judged."""

    before: str
    after: str
    rows: tuple[JudgedRow, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    chance: Chance = field(default_factory=Chance)
    cost: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    bill: Bill | None = None
    stopped: str = ""

    @cached_property
    def counts(self) -> dict[Outcome, int]:
        """Rows by what came of them."""
        found = Counter(row.outcome for row in self.rows)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @cached_property
    def win_rate(self) -> Estimate | None:
        """How often `after` is preferred: wins, and half of the ties; None where no row has a verdict."""
        rows = self._scored
        if not rows:
            return None
        points = [POINTS[row.outcome] for row in rows]
        return _share(points, [row.group for row in rows], self.chance)

    @cached_property
    def agreement(self) -> Estimate | None:
        """How often the judge says the same of both orders, over the rows where it gave two verdicts."""
        rows = [row for row in self.rows if row.was_compared]
        if not rows:
            return None
        value = sum(row.outcome != "inconsistent" for row in rows) / len(rows)
        groups = len({row.group for row in rows})
        around = wilson(value, groups, self.chance.confidence)
        return Estimate(value=value, interval=around, rows=len(rows), groups=groups)

    @property
    def first_preferred(self) -> float | None:
        """Of the verdicts for a side, the share that is for the answer that stood first; one half is even-handed."""
        said = [each.verdict for row in self.rows for each in row.opinions if each.verdict in ("first", "second")]
        return said.count("first") / len(said) if said else None

    @cached_property
    def tested(self) -> tuple[Test, float | None]:
        """The test of whether wins and losses are even, and its probability.

        The sign test where each group is one row; else groups' candidates are swapped by the toss of a coin.
        """
        rows = self._scored
        if not rows or self.win_rate is None or self.win_rate.interval is None:
            return "", None
        if len(rows) == self.win_rate.groups:
            return "sign", mcnemar_p(self.counts["win"], self.counts["loss"])
        return "permutation", _permuted([(POINTS[row.outcome], row.group) for row in rows], self.chance)

    @property
    def verdict(self) -> Verdict:
        """Whether `after` is better, where the interval leaves out one half and the test says so too."""
        rate, (_, p) = self.win_rate, self.tested
        if rate is None or rate.interval is None or p is None or p >= LEVEL:
            return "no difference shown"
        if rate.interval.low <= EVEN <= rate.interval.high:
            return "no difference shown"
        return "better" if rate.value > EVEN else "worse"

    @cached_property
    def _scored(self) -> list[JudgedRow]:
        return [row for row in self.rows if row.outcome in POINTS]

    def as_data(self) -> dict[str, Any]:
        """As results.v1 has it."""
        test, p = self.tested
        without = [row.id for row in self.rows if row.outcome not in POINTS]
        return {
            "before": self.before,
            "after": self.after,
            "judge": {},
            **self.about,
            "rows": len(self.rows),
            "asked": sum(bool(row.opinions) for row in self.rows),
            "counts": dict(self.counts),
            "win_rate": _estimate(self.win_rate),
            "p": p,
            "test": test,
            "verdict": self.verdict,
            "agreement": _estimate(self.agreement),
            "first_preferred": self.first_preferred,
            "without_verdict": without,
            "cost": float(self.cost) if self.about.get("judge", {}).get("prices") else None,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "stopped": self.stopped,
            "file": judgements_file(self.before, self.after),
        }


def require_judged(judgements: Sequence[Judgement]) -> None:
    """Raise JudgeStoppedError where a judge stopped early, with why."""
    stopped = next((each.stopped for each in judgements if each.stopped), "")
    if stopped:
        raise JudgeStoppedError(f"the judge stopped: {stopped}; what it said is kept, and not asked again")


def judgements_file(before: str, after: str) -> str:
    """The file of a pair's judgements, row by row."""
    return f"judgements-{before}-{after}.jsonl"


def wilson(share: float, trials: int, confidence: float) -> Interval:
    """Where a share of so many trials lies (Wilson 1927): never without width, also where all were alike.

    Taken over groups as the trials, it is wide rather than narrow.
    """
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    weight = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / weight
    half = z / weight * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(low=max(0.0, middle - half), high=min(1.0, middle + half))


def _share(points: Sequence[float], groups: Sequence[str], chance: Chance) -> Estimate:
    sums = _sums(points, groups)
    drawn = percentiles(mean(draws(sums, chance)), len(sums), chance)
    return Estimate(value=sum(points) / len(points), interval=drawn, rows=len(points), groups=len(sums))


def _permuted(rows: Sequence[tuple[float, str]], chance: Chance) -> float:
    groups = [group for _, group in rows]
    after, before = _sums([points for points, _ in rows], groups), _sums([1 - points for points, _ in rows], groups)
    first = tossed(before, after, chance)
    second = before.sum(axis=0) + after.sum(axis=0) - first
    seen = float(mean(after.sum(axis=0)) - mean(before.sum(axis=0)))
    return permutation_p(seen, mean(second) - mean(first))


def _sums(points: Sequence[float], groups: Sequence[str]) -> np.ndarray:
    import numpy as np

    return by_group(np.array([(value, 1.0) for value in points]), groups)


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    around = None if found.interval is None else [found.interval.low, found.interval.high]
    return {"value": found.value, "interval": around, "rows": found.rows, "groups": found.groups}
