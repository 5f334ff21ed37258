"""An evaluation in three questions and their answers, and what must be known before they are believed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from vlmdata.settings import nearest
from vlmtrain.score_words import field_of, figure, listed, plural, score_words
from vlmtrain.verdict import (
    Finding,
    called,
    cannot_tell,
    capital,
    headline,
    helped,
    how_good,
    main_comparison,
    trained_rows,
    where,
)
from vlmtrain.verdict_images import looks

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate, EvalResult

SELDOM = 0.1
"""A field that a smaller share of the reference answers names can't be learned from them."""

MOST_FIELDS = 4


def findings(result: EvalResult) -> tuple[Finding, ...]:
    """The three questions of an evaluation; of one candidate alone how good it is, in place of the first two."""
    comparison = main_comparison(result)
    if comparison is None:
        return how_good(result), looks(result)
    place = where(result, comparison)
    if cannot_tell(result, comparison):
        place = dataclasses.replace(place, tone="none")
    return helped(result, comparison), place, looks(result)


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


def _trained(result: EvalResult) -> list[str]:
    """That rows were trained on, or that it is not known, where the dataset is another one than the training's."""
    dataset = result.setup.get("dataset") or {}
    other = "The dataset is another one than was trained on" if dataset.get("other_than_trained") else ""
    if count := trained_rows(result):
        counted = f"{count:,} of {plural(len(result.rows), 'row')} asked were trained on"
        first = f"{other}, and {counted}" if other else counted
        return [f"{first}: these are not held out, and show nothing of how it does on new ones."]
    if other and dataset.get("trained_on") is None:
        return [f"{other}, and the run does not tell which rows those were: some of these may be among them."]
    return []


def _slices_of_nothing(result: EvalResult) -> list[str]:
    """Names of `eval.slices` that no row has as a tag."""
    there = {name for each in result.candidates.values() for row in each.answered for name in row.tags}
    said = []
    for name in result.slice_tags or ():
        if name not in there:
            hint = nearest(name, sorted(there)) or f"the tags are {listed(sorted(there), 6) or 'none'}"
            said.append(f"No row has the tag {name!r} that eval.slices names; {hint}")
    return said


def warnings(result: EvalResult) -> list[str]:
    """What must be known before a figure is believed: rows that failed, answers cut, answers that hang on the batch,
    and fields that the references do not name either."""
    said = [*_trained(result), *_slices_of_nothing(result), *_fields_not_said(result)]
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
