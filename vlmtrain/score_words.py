"""Scores as a person says them: their names in words, shares as percent, differences as points, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlmtrain.comparing import Change
    from vlmtrain.intervals import Interval

ALIKE = "the same in every row"

SHARES = frozenset(
    {"exact_match", "attribute_recall", "multiple_choice", "label", "numeric", "json_fields", "unsupported_claims"}
)
"""Metrics whose scores are shares of rows or of fields, which a person reads as percent."""

WORDS = {
    "answer_loss": "answer loss",
    "perplexity": "perplexity",
    "exact_match": "same as the reference",
    "exact_match.normalised": "same, case and blanks aside",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
    "length_ratio": "length ratio",
    "repetition": "repetition",
    "attribute_recall": "fields named",
    "attribute_recall.all": "every field named",
    "unsupported_claims": "unsupported claims",
    "multiple_choice": "right option",
    "multiple_choice.by_task": "right option, mean of tasks",
    "multiple_choice.unparsed": "no option found in the answer",
    "label": "right label",
    "numeric": "right number",
    "json_fields.all": "every JSON field right",
    "json_fields.valid": "valid JSON",
}


WRONG = {"exact_match": "differ from it", "attribute_recall": "miss a field"}
NONE_RIGHT = {
    "exact_match": "no answer is the same as its reference",
    "attribute_recall": "no answer names every field",
}
"""What most answers do, and what none does, in the words of a score that counts right answers."""


def most_wrong(score: str, *, still: bool) -> str:
    """`most answers are still wrong`, as the score has it."""
    found = WRONG.get(score.partition(".")[0])
    if found is None:
        return f"most answers are {'still ' if still else ''}wrong"
    return f"most answers {'still ' if still else ''}{found}"


def none_right(score: str) -> str:
    """`no answer is right`, as the score has it."""
    return NONE_RIGHT.get(score.partition(".")[0], "no answer is right")


def score_words(score: str) -> str:
    """A score's name in words: `every field named`, `colour named`; its own name where there are none."""
    field = field_of(score)
    return WORDS.get(score) or (f"{field} named" if field else score)


def field_of(score: str) -> str:
    """The field that a score is about (`attribute_recall.colour`), or nothing."""
    metric, _, field = score.partition(".")
    return field if metric == "attribute_recall" and field != "all" else ""


def is_share(score: str) -> bool:
    """Whether a score is a share, from 0 to 1."""
    return score.partition(".")[0] in SHARES


def figure(score: str, value: float | None) -> str:
    """A score's value: `96%`, `0.135`, `97.2`; `-` for none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "no number"
    return _percent(value) if is_share(score) else number(value)


def _percent(value: float) -> str:
    """Whole percent, but never 0% or 100% of what is not quite that."""
    said = f"{value:.0%}"
    return f"{value:.1%}" if said in {"0%", "100%"} and value not in {0, 1} else said


def number(value: float, *, sign: bool = False) -> str:
    """A number with the digits that its size deserves."""
    if not math.isfinite(value):
        return "no number"
    if not value:
        return "0"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    said = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    return said.replace("-", "\N{MINUS SIGN}")


def difference(score: str, delta: float) -> str:
    """A difference: `+96 points` of a share, else `+0.84`."""
    if not delta:
        return "\N{PLUS-MINUS SIGN}0 points" if is_share(score) else "\N{PLUS-MINUS SIGN}0"
    if is_share(score) and math.isfinite(delta):
        return f"{_points(delta)} point{'' if _points(delta)[1:] == '1' else 's'}"
    return number(delta, sign=True)


def _points(delta: float) -> str:
    if not delta:
        return "0"
    hundredths = 100 * delta
    digits = 0 if hundredths.is_integer() or abs(hundredths) >= 1 else 1
    return f"{hundredths:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def around(score: str, interval: Interval | None, *, signed: bool = False) -> str:
    """An interval: `89% to 100%`, or of a difference `+89 to +100`; nothing where there is none.

    One without any width says that all rows are alike, and not that the score is known so well.
    """
    if interval is None:
        return ""
    if interval.low == interval.high:
        return ALIKE
    if signed:
        low, high = ((_points if is_share(score) else _signed)(end) for end in (interval.low, interval.high))
    else:
        low, high = (figure(score, end) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def _signed(value: float) -> str:
    return number(value, sign=True)


def change_words(score: str, change: Change, confidence: float = 0.95) -> str:
    """`from 0% to 96% (+96 points; 95% interval +89 to +100)`."""
    sure = around(score, change.interval, signed=True)
    told = f"; {sure}" if sure == ALIKE else f"; {confidence:.0%} interval {sure}" if sure else ""
    return (
        f"from {figure(score, change.before)} to {figure(score, change.after)} "
        f"({difference(score, change.delta)}{told})"
    )


def chance_words(p: float | None) -> str:
    """A test's probability: `p < 0.001`, `p = 0.21`; nothing for none."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def listed(words: Sequence[str], most: int = 0) -> str:
    """`a, b and c`; of more than `most`, if that is given, the first and how many more."""
    if most and len(words) > most:
        words = [*words[:most], f"{len(words) - most:,} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(count: int, one: str) -> str:
    """`1 row`, `1,203 rows`."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"
