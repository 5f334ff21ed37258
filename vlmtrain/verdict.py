"""What an evaluation says in words: did it help, where, and does it read the photos. Each with its figure and interval.

Many scores and slices are looked at, and of twenty looks one shows a difference by chance. So what is told of them here
must hold up when all looks are counted (Bonferroni: the test's p times the number of looks); the one score that the
first question is answered by is chosen beforehand, and needs no such care.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vlmtrain.comparing import LEVEL
from vlmtrain.metric.attribute_recall import attributes
from vlmtrain.score_words import (
    ALIKE,
    around,
    change_words,
    field_of,
    figure,
    listed,
    most_wrong,
    none_right,
    plural,
    score_words,
)

if TYPE_CHECKING:
    from vlmtrain.comparing import Change, Comparison
    from vlmtrain.evaluation import EvalResult

Tone = Literal["good", "bad", "mixed", "none"]

NOTHING = "no difference shown"
MOST_NAMED = 3
GOOD_SHARE = 0.5
"""A candidate that has a smaller share of its answers right is not called good without saying so."""

MOST_TRAINED = 0.01
"""Where a larger share of the rows was trained on, they can't tell whether the training helped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A question, its answer in a word or two, and the sentence with the figures that say so."""

    question: str
    answer: str
    said: str
    tone: Tone = "none"


def trained_rows(result: EvalResult) -> int:
    """How many of the rows asked were trained on, as far as the run tells."""
    return int((result.setup.get("dataset") or {}).get("trained_on") or 0)


def cannot_tell(result: EvalResult, comparison: Comparison) -> bool:
    """Whether too many of the rows were trained on to tell by them whether that training helped."""
    is_trained = result.candidates[comparison.after].kind in {"adapter", "model"}
    return is_trained and trained_rows(result) > MOST_TRAINED * len(result.rows)


def main_comparison(result: EvalResult) -> Comparison | None:
    """The first candidate against the one that the evaluation is about: what was trained, else the last one."""
    trained = {name for name, each in result.candidates.items() if each.kind in {"adapter", "model"}}
    named = [each for each in result.comparisons if each.after in trained and each.after in {"adapter", "model"}]
    return next(iter([*named, *result.comparisons[-1:]]), None)


def main_candidate(result: EvalResult) -> str:
    """The name of the candidate that the evaluation is about."""
    comparison = main_comparison(result)
    return comparison.after if comparison else next(iter(result.candidates))


def headline(result: EvalResult) -> str | None:
    """The score that the first question is answered by: that of right answers, else the first with a better way.

    Where no candidate has a single right answer that score can show nothing, and the next whole score is taken: a part
    of one, such as the share of answers that choose no option, says nothing of how good a model is.
    """
    compared = main_comparison(result)
    asked = (compared.before, compared.after) if compared else tuple(result.candidates)
    sides = [result.candidates[name] for name in asked]
    names = list(dict.fromkeys(name for each in sides for name in each.metrics))
    right = [result.correct] if result.correct in names else []
    order = [*right, *(name for name in names if name not in right)]
    sided = [name for name in order if name is not None and result.higher_is_better(name) is not None]
    whole = [name for name in sided if name in right or "." not in name]
    moving = [name for name in whole if any(each.metrics.get(name) for each in sides)]
    return next(iter([*moving, *sided]), None)


def called(name: str) -> str:
    """A candidate in a sentence: `the adapter`, `the base`, else its name."""
    return f"the {name}" if name in {"adapter", "base", "model"} else name


def holding(changes: Mapping[str, Change]) -> dict[str, Change]:
    """The changes that are shown, and hold up when all that were looked at are counted."""
    looked = sum(change.p is not None for change in changes.values())
    return {
        name: change
        for name, change in changes.items()
        if change.verdict != NOTHING and change.p is not None and change.p * looked < LEVEL
    }


def sure_scores(result: EvalResult, comparison: Comparison) -> set[str]:
    """The scores whose change is told as it is: the main one, chosen beforehand, and of the others those that hold."""
    main = headline(result)
    others = {name: change for name, change in comparison.changes.items() if name != main}
    return {*holding(others), *(name for name in comparison.changes if name == main)}


def verdict_words(change: Change, *, sure: bool) -> str:
    """A change's verdict; one that could be the chance of many looks is called so."""
    return change.verdict if sure or change.verdict == NOTHING else f"perhaps {change.verdict}"


def helped(result: EvalResult, comparison: Comparison) -> Finding:
    """Whether the candidate is better than the first one."""
    question = (
        f"Did {called(comparison.after)} help?"
        if comparison.after in {"adapter", "model"}
        else f"Is {comparison.after} better than {called(comparison.before)}?"
    )
    score = headline(result)
    change = comparison.changes.get(score) if score else None
    if score is None or change is None:
        return Finding(question=question, answer="Can't be told", said="No score has a better and a worse way.")
    said = f"{capital(score_words(score))} goes {change_words(score, change, result.chance.confidence)}"
    if cannot_tell(result, comparison):
        learned = f"{trained_rows(result):,} of {plural(len(result.rows), 'row')} were trained on. "
        return Finding(question=question, answer="These rows can't tell", said=f"{learned}{said}.")
    if change.interval is None:
        few = f", over {change.groups:,} independent rows: too few for an interval."
        return Finding(question=question, answer="Too few rows to tell", said=said + few)
    others = {name: each for name, each in comparison.changes.items() if name != score}
    answer, tone = _helped(change, holding(others))
    nothing = f": {NOTHING}" if change.verdict == NOTHING else ""
    poor = _poor(result, comparison, score)
    return Finding(
        question=question,
        answer=f"{answer}{_level(result, score, change)}{poor}",
        tone="mixed" if poor and score == result.correct and tone == "good" else tone,
        said=f"{said}{nothing}.{_others(others)}",
    )


def _level(result: EvalResult, score: str, change: Change) -> str:
    """How good it is now: `: from 0% to 12%`; of a score that counts no right answers with its name."""
    name = "" if score == result.correct else f"{score_words(score)} "
    if change.verdict == NOTHING:
        return f", {name}at {figure(score, change.after)}"
    return f": {name}from {figure(score, change.before)} to {figure(score, change.after)}"


def _poor(result: EvalResult, comparison: Comparison, score: str) -> str:
    """That most answers are wrong all the same, or none is right; nothing where half of them are, or no score tells."""
    right = result.candidates[comparison.after].metrics.get(result.correct or "")
    if result.correct is None or right is None or right >= GOOD_SHARE:
        return ""
    if score != result.correct:
        return f"; {none_right(result.correct)}"
    before = comparison.changes[score].before
    return f"; {most_wrong(score, still=right > before)}"


def _helped(change: Change, others: Mapping[str, Change]) -> tuple[str, Tone]:
    verdicts = {each.verdict for each in others.values()}
    if change.verdict == "better":
        return ("Yes, with losses", "mixed") if "worse" in verdicts else ("Yes", "good")
    if change.verdict == "worse":
        return "No, it is worse", "bad"
    if {"better", "worse"} <= verdicts:
        return "Better and worse", "mixed"
    if "better" in verdicts:
        return "In part", "mixed"
    return ("Worse in part", "bad") if "worse" in verdicts else (capital(NOTHING), "none")


def _others(others: Mapping[str, Change]) -> str:
    """`Of 9 other scores 8 are better and none is worse; 1 has perhaps changed, perhaps by chance.`"""
    tested = [change for change in others.values() if change.p is not None]
    if not tested:
        return ""
    sure = holding(others)
    shown = [change.verdict for change in sure.values()]
    told = listed([f"{_are(shown.count(word))} {word}" for word in ("better", "worse")])
    unsure = sum(change.verdict != NOTHING for name, change in others.items() if name not in sure)
    perhaps = f"; {unsure:,} {'has' if unsure == 1 else 'have'} perhaps changed, perhaps by chance" if unsure else ""
    return f" Of {plural(len(tested), 'other score')} {told}{perhaps}."


def _are(count: int) -> str:
    return "none is" if not count else f"{count:,} {'is' if count == 1 else 'are'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A field over all rows, or the rows of a slice, and what changed there by which score."""

    name: str
    score: str
    change: Change


def where(result: EvalResult, comparison: Comparison) -> Finding:
    """In which fields and which slices it got better or worse."""
    places = {place.name: place for place in changed_places(result, comparison)}
    aside = _aside(sum(each.small for each in comparison.slices))
    if not any(place.change.p is not None for place in places.values()):
        why = f"{_no_place(result, list(places.values()))}{aside}"
        return Finding(question="Where?", answer="Can't be told", said=why)
    shown = holding({name: place.change for name, place in places.items()})
    better, worse = (_largest([places[name] for name in shown], verdict) for verdict in ("better", "worse"))
    told = [_place_words(places[name], result.chance.confidence) for name in (*worse[:1], *better[:2])]
    perhaps = [name for name in places if name not in shown and places[name].change.verdict != NOTHING]
    told += [f"Perhaps changed, perhaps by chance: {listed(perhaps, 6)}"] if perhaps else []
    rest = [place for name, place in places.items() if name not in shown and name not in perhaps]
    nothing = f"{capital(NOTHING)} in" if shown or perhaps else "Looked at were"
    told += [f"{nothing} {_kinds_of(rest)}"] if rest else []
    answer, tone = _where(better, worse, every=len(places))
    return Finding(question="Where?", answer=answer, said=f"{'. '.join(told)}.{aside}", tone=tone)


def _no_place(result: EvalResult, places: Sequence[Place]) -> str:
    """Why there is no place to tell by: fields that are not there, not looked at, or of too few rows; small slices."""
    slices = "no slice has enough rows to tell by."
    if any(field_of(place.score) for place in places):
        return "Neither a field nor a slice has enough rows to tell by."
    if any(attributes(row) for each in result.candidates.values() for row in each.answered):
        return f"The rows have fields, which no metric here looks at (attribute_recall does), and {slices}"
    return f"The rows have no fields (a recipe's `fields` keeps some of its columns), and {slices}"


def _kinds_of(places: Sequence[Place]) -> str:
    """`the fields brand and colour, and the slices kind mug and kind lamp`; of each kind the first."""
    fields = [place.name for place in places if field_of(place.score)]
    slices = [place.name for place in places if not field_of(place.score)]
    kinds = (("field", fields), ("slice", slices))
    return ", and ".join(
        f"the {one}{'s' if len(names) > 1 else ''} {listed(names, 4)}" for one, names in kinds if names
    )


def _where(better: Sequence[str], worse: Sequence[str], *, every: int) -> tuple[str, Tone]:
    if every > MOST_NAMED and every in {len(better), len(worse)}:
        return ("Better everywhere", "good") if better else ("Worse everywhere", "bad")
    words = [f"better in {listed(better, MOST_NAMED)}"] if better else []
    words += [f"worse in {listed(worse, MOST_NAMED)}"] if worse else []
    tone: Tone = "mixed" if better and worse else "good" if better else "bad" if worse else "none"
    return capital(", ".join(words) or NOTHING), tone


def _aside(small: int) -> str:
    return f" {plural(small, 'slice')} with too few rows {'is' if small == 1 else 'are'} left aside." if small else ""


def changed_places(result: EvalResult, comparison: Comparison) -> list[Place]:
    """What changed by place: each field over all rows, and the headline score in each slice that is large enough."""
    score = headline(result)
    fields = [
        Place(name=field, score=name, change=change)
        for name, change in comparison.changes.items()
        if (field := field_of(name))
    ]
    return fields + [
        Place(name=f"{each.tag} {each.value}", score=score, change=each.changes[score])
        for each in comparison.slices
        if score is not None and score in each.changes and not each.small
    ]


def _largest(shown: Sequence[Place], verdict: str) -> list[str]:
    """Fields, then slices, those first where most changed."""
    found = [place for place in shown if place.change.verdict == verdict]
    found.sort(key=lambda place: (not field_of(place.score), -abs(place.change.delta)))
    return [place.name for place in found]


def _place_words(place: Place, confidence: float) -> str:
    return f"{capital(place.name)} goes {change_words(place.score, place.change, confidence)}"


def how_good(result: EvalResult) -> Finding:
    """How a candidate that stands alone does."""
    name, score = main_candidate(result), headline(result)
    question = f"How good is {called(name)}?"
    if score is None:
        return Finding(question=question, answer="Can't be told", said="No score has a better and a worse way.")
    estimate = result.candidates[name].estimates[score]
    sure = around(score, estimate.interval)
    told = f", {sure}" if sure == ALIKE else f", {result.chance.confidence:.0%} interval {sure}" if sure else ""
    most = result.reference.get(score)
    reference = f"; the references themselves get {figure(score, most)}" if most is not None else ""
    said = f"{capital(score_words(score))} over {plural(estimate.rows, 'row')}{told}{reference}."
    return Finding(question=question, answer=figure(score, estimate.value), said=said)


def capital(words: str) -> str:
    """The words with a capital letter before them."""
    return words[:1].upper() + words[1:]
