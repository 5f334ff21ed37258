"""The top of the page: three questions, each with its answer, its figure and a small drawing of it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from vlmdata.page import shortened, text
from vlmdata.words import plural
from vlmtrain.findings import findings, warnings
from vlmtrain.page.changes import shares_of, sides_bar
from vlmtrain.page.colours import kind_of
from vlmtrain.page.lanes import Dot, key, lane, scale_of
from vlmtrain.score_words import around, field_of, figure, score_words
from vlmtrain.trained_rows import trained_words
from vlmtrain.verdict import Finding, called, changed_places, headline, main_candidate, main_comparison
from vlmtrain.verdict_images import ORDER, TAMPERED, UNTOLD, control_finding, evidence, falls, of_rows

if TYPE_CHECKING:
    from vlmtrain.comparing import Change, Comparison
    from vlmtrain.evaluation import EvalResult

MOST_DRAWN = 4


def head(result: EvalResult) -> str:
    """The page's title, the three answers, and what must be known before they are believed."""
    dataset = result.setup.get("dataset") or {}
    model = PurePath(str((result.setup.get("model") or {}).get("base") or "")).name
    base = f" of {shortened(model, 80)}" if model else ""
    split = f"split {dataset['split']}, " if dataset.get("split") else ""
    comparison = main_comparison(result)
    title = _title(comparison) if comparison else f"{main_candidate(result)} alone"
    drawings = [*_drawings(result), ""]
    cards = "".join(_card(found, drawn) for found, drawn in zip(findings(result), drawings, strict=False))
    notes = "".join(f'<p class="aside" dir="auto">{text(said)}</p>' for said in warnings(result))
    return (
        f'<header class="title"><p class="over" dir="auto">Evaluation{text(base)}: {text(split)}'
        f"{text(_rows(result))}</p>"
        f'<h1 dir="auto">{text(shortened(title, 120))}</h1><div class="answers-3">{cards}</div>{notes}</header>'
    )


def _rows(result: EvalResult) -> str:
    """How many rows, and whether they were held out, where that is known."""
    return trained_words((result.setup.get("dataset") or {}).get("trained_on"), len(result.rows))


def _title(comparison: Comparison) -> str:
    said = f"{called(comparison.after)} against {called(comparison.before)}"
    return said[:1].upper() + said[1:]


def _card(found: Finding, drawn: str) -> str:
    return (
        f'<article class="tell tone-{found.tone}"><h2>{text(found.question)}</h2>'
        f'<p class="word" dir="auto">{text(shortened(found.answer, 160))}</p>{drawn}'
        f'<p class="because" dir="auto">{text(shortened(found.said, 700))}</p></article>'
    )


def _drawings(result: EvalResult) -> list[str]:
    comparison = main_comparison(result)
    looked = _looks(result)
    if comparison is None:
        return [_headline(result), looked]
    places = changed_places(result, comparison)
    largest = sorted(places, key=lambda place: -abs(place.change.delta))[:MOST_DRAWN]
    moved = "".join(_moved(each.name, each.score, each.change) for each in largest)
    colours = key([("k0", comparison.before), ("k1", comparison.after)]) if moved else ""
    return [_headline(result), moved + colours, looked]


def _headline(result: EvalResult) -> str:
    """The score of the first question for the candidates that it is about, with what the references get."""
    score, comparison = headline(result), main_comparison(result)
    if score is None:
        return ""
    names = [comparison.before, comparison.after] if comparison else [main_candidate(result)]
    dots = []
    for name in names:
        estimate = result.candidates[name].estimates[score]
        said = f"{name} {figure(score, estimate.value)}, {around(score, estimate.interval) or 'no interval'}"
        dots.append(Dot(value=estimate.value, interval=estimate.interval, kind=kind_of(result, name), said=said))
    reference = result.reference.get(score)
    drawn = lane(dots, scale_of(score, dots, reference), mark=reference)
    labels = key([(dot.kind, f"{name} {figure(score, dot.value)}") for name, dot in zip(names, dots, strict=True)])
    return f'<p class="of">{text(score_words(score))}</p>{drawn}{labels}{_fixed(result)}'


def _fixed(result: EvalResult) -> str:
    """Rows fixed and broken, as a bar, where it is known what is right."""
    comparison = main_comparison(result)
    if comparison is None or comparison.correct is None:
        return ""
    kept, fixed, broken, unmoved = (count for _, _, count in shares_of(result, comparison))
    said = f"{plural(fixed, 'row')} fixed, {broken:,} broken; {kept:,} right and {unmoved:,} wrong as before"
    return f'{sides_bar(shares_of(result, comparison), 12)}<p class="of">{said}</p>'


def _moved(name: str, score: str, change: Change, kind: str = "k1") -> str:
    """One line: a name, where it was, an arrow's path, where it is."""
    dots = [
        Dot(value=change.before, interval=None, kind="k0", said=f"before {figure(score, change.before)}"),
        Dot(value=change.after, interval=None, kind=kind, said=f"now {figure(score, change.after)}"),
    ]
    return (
        f'<div class="moved"><span class="of" dir="auto">{text(shortened(name, 40))}</span>'
        f"{lane(dots, scale_of(score, dots), linked=True)}"
        f"<span>{figure(score, change.before)} → <b>{figure(score, change.after)}</b></span></div>"
    )


def _looks(result: EvalResult) -> str:
    """The scores that fell furthest with other photos; where none fell, the first that were looked at."""
    name = main_candidate(result)
    own = [each for each in result.controls if each.candidate == name and each.name != ORDER]
    told = [each for each in own if control_finding(result, each).answer not in UNTOLD]
    if not told:
        return ""
    seen = evidence(result, told[0])
    fallen = sorted(falls(seen), key=lambda score: seen[score].delta)
    shown = list(dict.fromkeys([*fallen, *seen]))[:MOST_DRAWN]
    moved = (_moved(field_of(score) or score_words(score), score, seen[score], "down") for score in shown)
    own_photos = f"with its own photos{of_rows(told[0])}"
    return "".join(moved) + key([("k0", own_photos), ("down", TAMPERED.get(told[0].name, told[0].name))])
