"""The rows by their tags: what the two candidates score on each part of them, and where a part is too small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmdata.page import section, shortened, text
from vlmdata.words import plural
from vlmtrain.comparing import SMALL
from vlmtrain.page.lanes import Dot, Scale, even_scale, lane
from vlmtrain.page.scores import verdict_badge
from vlmtrain.page.tables import folding_table
from vlmtrain.score_words import around, difference, figure, score_words
from vlmtrain.verdict import changed_places, headline, holding

if TYPE_CHECKING:
    from vlmtrain.comparing import Comparison, SliceChange
    from vlmtrain.evaluation import Candidate, EvalResult

MOST_SLICES = 80


def slices_section(result: EvalResult, comparison: Comparison) -> str:
    """By slice the headline score of both candidates, and the difference with its interval."""
    score = headline(result)
    known = [each for each in comparison.slices if score in each.changes]
    if score is None or not known:
        return ""
    changes = [each.changes[score] for each in known]
    scale = even_scale([each.interval for each in changes], [each.delta for each in changes])
    sure = holding({place.name: place.change for place in changed_places(result, comparison)})
    rows = [_row(each, score, scale, f"{each.tag} {each.value}" in sure) for each in known[:MOST_SLICES]]
    head = ["Slice", "Rows", comparison.before, comparison.after, "Difference", "", "Verdict"]
    rest = len(known) - MOST_SLICES
    more = f'<p class="more">… {plural(rest, "more slice")} in results.json</p>' if rest > 0 else ""
    return section("slices", "By slice", folding_table(head, rows, caption="Slices") + more, note=_note(known, score))


def _note(known: list[SliceChange], score: str) -> str:
    small = sum(each.small for each in known)
    said = f"By {score_words(score)}; the dashed line is no difference."
    if small:
        said += (
            f" {plural(small, 'slice')} marked small: of fewer than {SMALL} groups, and what shows there may be chance."
        )
    return said


def _row(each: SliceChange, score: str, scale: Scale, sure: bool) -> list[str]:
    change = each.changes[score]
    kind = {"better": "up", "worse": "down"}.get(change.verdict, "k0")
    told = f"{difference(score, change.delta)} ({around(score, change.interval, signed=True) or 'no interval'})"
    dot = Dot(value=change.delta, interval=change.interval, kind=kind, said=told)
    small = ' <span class="badge small">small</span>' if each.small else ""
    return [
        f'<span class="tag-name" dir="auto">{text(shortened(each.tag, 40))}</span> '
        f'<span dir="auto">{text(shortened(each.value, 60))}</span>{small}',
        f"{each.rows:,}",
        figure(score, change.before),
        figure(score, change.after),
        lane([dot], scale, mark=0.0),
        f"<b>{difference(score, change.delta)}</b><small>{around(score, change.interval, signed=True)}</small>",
        verdict_badge(change, sure),
    ]


def slices_alone(result: EvalResult, candidate: Candidate) -> str:
    """The slices of a candidate that stands alone."""
    score = headline(result)
    known = [each for each in candidate.slices if score in each.metrics]
    if score is None or not known:
        return ""
    rows = [
        [
            f'<span class="tag-name" dir="auto">{text(shortened(each.tag, 40))}</span> '
            f'<span dir="auto">{text(shortened(each.value, 60))}</span>',
            f"{each.rows:,}",
            figure(score, each.metrics[score]),
        ]
        for each in known[:MOST_SLICES]
    ]
    shown = folding_table(["Slice", "Rows", score_words(score)], rows, caption="Slices")
    return section("slices", "By slice", shown, note=f"By {score_words(score)}.")
