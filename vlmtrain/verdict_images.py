"""Does a model read its images: what the controls say of it in words, each with its figure and interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vlmtrain.score_words import change_words, field_of, listed, plural, score_words
from vlmtrain.verdict import Finding, called, headline, holding, main_candidate

if TYPE_CHECKING:
    from vlmtrain.comparing import Change
    from vlmtrain.evaluation import Control, EvalResult

PLAIN_FALL = 0.2
"""A score that loses at least this share of itself without its images was read off them; less is called a little."""

TAMPERED = {
    "swap": "the photos of another row",
    "blank": "blank photos",
    "reorder": "the photos in another order",
}
"""What a row has in a control, in words."""

UNTOLD = ("Too few rows to tell", "Can't be told")

ORDER = "reorder"
"""The control that asks whether a model knows which photo is which, and not whether it sees them."""


def looks(result: EvalResult) -> Finding:
    """Whether the candidate that the evaluation is about answers worse where it is shown other photos."""
    name = main_candidate(result)
    question = "Does it read the photos?"
    own = [each for each in result.controls if each.candidate == name] or list(result.controls)
    if not any(row.images for each in result.candidates.values() for row in each.answered):
        return Finding(question=question, answer="There are none", said="No row has an image.")
    told = [control_finding(result, each, question) for each in own if each.name != ORDER]
    if not told:
        run = "Only their order was changed" if own else "No control was run"
        return Finding(question=question, answer="Not asked", said=f"{run}: answers to other photos tell.")
    return next((each for each in told if each.answer not in UNTOLD), told[0])


def control_finding(result: EvalResult, control: Control, question: str = "") -> Finding:
    """What one control says of whether its candidate reads the images."""
    seen = evidence(result, control)
    who = f"With {TAMPERED.get(control.name, repr(control.name))}{of_rows(control)}"
    few, nothing = UNTOLD
    if not any(change.p is not None for change in seen.values()):
        said = f"{who} {plural(control.rows, 'row')} could be asked: too few to tell."
        return Finding(question=question, answer=few, said=said)
    if not any(change.before for change in seen.values()):
        said = f"No answer is right with its own photos, so that none can be worse with {who[5:]}."
        return Finding(question=question, answer=nothing, said=said)
    fallen = sorted(falls(seen), key=lambda name: -_lost(seen[name]))
    if not fallen:
        return _not_shown(control, who, question)
    sure = result.chance.confidence
    told = listed(
        [f"{score_words(each)} {_went(seen[each])} {change_words(each, seen[each], sure)}" for each in fallen[:2]]
    )
    plain = _lost(seen[fallen[0]]) >= PLAIN_FALL
    said = f"{who} {told}: {_meaning(control, plain=plain)}."
    return Finding(
        question=question, answer="Yes" if plain else "A little", said=said, tone="good" if plain else "mixed"
    )


def of_rows(control: Control) -> str:
    """` (of 220 of 241 rows)` where not all could be asked so: the scores beside it are of all rows, and differ."""
    every = control.rows + control.left_out
    return f" (of {control.rows:,} of {every:,} rows)" if control.left_out else ""


def _went(change: Change) -> str:
    return "falls" if change.delta < 0 else "rises"


def _not_shown(control: Control, who: str, question: str) -> Finding:
    same = "" if control.comparison.changed else ", and not a word of any answer changes"
    what = "knows which photo is which" if control.name == ORDER else "reads the images"
    said = f"{who} no score falls beyond chance{same}: {called(control.candidate)} does not show that it {what}."
    return Finding(question=question, answer="Not shown", said=said, tone="none" if control.name == ORDER else "bad")


def _meaning(control: Control, *, plain: bool) -> str:
    reads = called(control.candidate)
    if control.name == ORDER:
        return f"{reads} knows which photo is which" if plain else f"the photos' order counts for little to {reads}"
    return f"{reads} reads the images" if plain else f"the images count for little in what {reads} answers"


def evidence(result: EvalResult, control: Control) -> dict[str, Change]:
    """The scores that a control is judged by: each field, and the headline; where it has none of these, every one."""
    changes = control.comparison.changes
    score = headline(result)
    found = {name: change for name, change in changes.items() if name == score or field_of(name)}
    return found or {name: each for name, each in changes.items() if result.higher_is_better(name) is not None}


def falls(seen: Mapping[str, Change]) -> Sequence[str]:
    """The scores that got worse, and hold up when all that were looked at are counted."""
    return [name for name, change in holding(seen).items() if change.verdict == "worse"]


def _lost(change: Change) -> float:
    """The share of itself that a score lost; of a loss, the share by which it grew."""
    return abs(change.delta) / abs(change.before) if change.before else 0.0
