"""Multiple choice by letter: which was right, and which was given. A model that always says A is seen at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vlmdata.page import section, table, text
from vlmtrain.verdict import called, main_candidate

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate, EvalResult

METRIC = "multiple_choice"
MOST_LETTERS = 12
SHADES = 5

Counts = Mapping[str, Mapping[str, int]]


def choices_section(result: EvalResult) -> str:
    """A table for the first candidate, and one for that which the evaluation is about; nothing without the metric."""
    if not any(metric.name == METRIC for metric in result.metrics):
        return ""
    names = dict.fromkeys([next(iter(result.candidates)), main_candidate(result)])
    shown = "".join(_confusion(result.candidates[name]) for name in names)
    note = "Each line is a right letter, each column the letter that was given; the diagonal is right."
    return section("choices", "Which letters", f'<div class="side-by-side">{shown}</div>', note=note) if shown else ""


def _confusion(candidate: Candidate) -> str:
    from vlmtrain.metric.multiple_choice import confusion

    counts = confusion(candidate.answered)
    if not counts:
        return ""
    given = sorted({letter for of in counts.values() for letter in of}, key=lambda letter: (len(letter) > 1, letter))
    columns, rows = given[:MOST_LETTERS], list(counts)[:MOST_LETTERS]
    lines = [[f"<b>{text(right)}</b>", *(_cell(counts, right, letter) for letter in columns)] for right in rows]
    title = f"{called(candidate.name)[:1].upper()}{called(candidate.name)[1:]}"
    head = ["right", *columns]
    shown = table(head, lines, caption=f"Letters of {candidate.name}", numbers=len(columns))
    cut = len(given) > MOST_LETTERS or len(counts) > MOST_LETTERS
    more = f'<p class="more">… only the first {MOST_LETTERS} letters are shown</p>' if cut else ""
    return f'<div class="letters"><h3 class="sub" dir="auto">{text(title)}</h3>{shown}{more}</div>'


def _cell(counts: Counts, right: str, given: str) -> str:
    """A count, the darker the larger its share of the line."""
    count = counts[right].get(given, 0)
    shade = round(SHADES * count / (sum(counts[right].values()) or 1))
    kind = "same" if right == given else "other"
    return f'<span class="shade {kind} s{shade}">{count:,}</span>'
