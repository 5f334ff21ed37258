"""An evaluation in three questions and their answers, and what must be known before they are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmtrain.score_words import field_of, figure, listed, plural, score_words
from vlmtrain.verdict import Finding, called, capital, headline, helped, how_good, main_comparison, where
from vlmtrain.verdict_images import looks

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate, EvalResult

SELDOM = 0.1
"""A field that a smaller share of the reference answers names can't be learned from them."""

MOST_FIELDS = 4


def findings(result: EvalResult) -> tuple[Finding, ...]:
    """The three questions of an evaluation; of one candidate alone how good it is, in place of the first two."""
    comparison = main_comparison(result)
    first = (how_good(result),) if comparison is None else (helped(result, comparison), where(result, comparison))
    return (*first, looks(result))


def _without(result: EvalResult, candidate: Candidate) -> str:
    """The main score without the rows that a candidate could not take."""
    score = headline(result)
    if score is None or score not in candidate.metrics_taken:
        return ""
    return f" Without them: {score_words(score)} {figure(score, candidate.metrics_taken[score])}."


def _fields_not_said(result: EvalResult) -> list[str]:
    """That the reference answers hardly name some fields: a score that looks for these can't be reached."""
    unsaid = [name for name, value in result.reference.items() if field_of(name) and value < SELDOM]
    if not unsaid:
        return []
    fields = listed([f"{field_of(name)} ({figure(name, result.reference[name])})" for name in unsaid], MOST_FIELDS)
    every = figure("attribute_recall", result.reference.get("attribute_recall"))
    return [
        f"The references themselves name {fields} in few rows or none, and reach {every} by attribute_recall: "
        "answers like them can't reach more."
    ]


def warnings(result: EvalResult) -> list[str]:
    """What must be known before a figure is believed: rows that failed, answers cut, answers that hang on the batch,
    and fields that the references do not name either."""
    said = _fields_not_said(result)
    for each in result.candidates.values():
        total, who = len(each.answered), called(each.name)
        if each.failed:
            what = "has no answer to" if each.kind == "answers" else "could not take"
            counted = f"{capital(who)} {what} {len(each.failed):,} of {total:,} rows; each counts as wrong."
            said.append(counted + _without(result, each))
        if strays := each.about.get("of_no_row"):
            said.append(f"{plural(strays, 'answer')} of {who} {'belongs' if strays == 1 else 'belong'} to no row.")
        if each.cut:
            said.append(f"{len(each.cut):,} of {total:,} answers of {who} were cut at max_new_tokens.")
    for alone in result.alone:
        if alone.different:
            said.append(
                f"{len(alone.different):,} of {alone.rows:,} rows were answered otherwise by {called(alone.candidate)} "
                "one by one than in a batch."
            )
    return said
