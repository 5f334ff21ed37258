"""Does it look: the same rows with other images, and how far the scores fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmdata.page import section, text
from vlmdata.words import plural
from vlmtrain.page.lanes import Dot, lane, scale_of
from vlmtrain.page.scores import verdict_badge
from vlmtrain.page.tables import folding_table
from vlmtrain.score_words import around, difference, figure, score_words
from vlmtrain.verdict import holding
from vlmtrain.verdict_images import TAMPERED, control_finding, evidence

if TYPE_CHECKING:
    from vlmtrain.comparing import Change
    from vlmtrain.evaluation import Control, EvalResult

MOST_CONTROLS, MOST_SCORES = 12, 15


def controls_section(result: EvalResult) -> str:
    """Every control: what was done, what it shows in a sentence, and the scores before and after."""
    if not result.controls:
        return ""
    parts = [_control(result, control) for control in result.controls[:MOST_CONTROLS]]
    note = "The same questions with other images. A model that answers as well as before does not look at them."
    return section("controls", "Does it read the photos?", "".join(parts), note=note)


def _control(result: EvalResult, control: Control) -> str:
    found = control_finding(result, control)
    seen = (
        list(evidence(result, control).items())[:MOST_SCORES] or list(control.comparison.changes.items())[:MOST_SCORES]
    )
    sure = holding(dict(seen))
    rows = [_row(score, change, score in sure) for score, change in seen]
    head = ["Score", "From its own photos to the others", "Its own", "The others", "Fall", "Verdict"]
    left = f", {control.left_out:,} left out, without images or without a partner" if control.left_out else ""
    changed = f"the words of {plural(len(control.comparison.changed), 'answer')} changed"
    title = f"{control.candidate} with {TAMPERED.get(control.name, control.name)}"
    shown = folding_table(head, rows, caption=title) if rows else ""
    return (
        f'<h3 class="sub" dir="auto">{text(title)}</h3>'
        f'<p class="lead tone-{found.tone}" dir="auto">{text(found.said)}</p>'
        f'{shown}<p class="note">{plural(control.rows, "row")}{left}; {changed}.</p>'
    )


def _row(score: str, change: Change, sure: bool) -> list[str]:
    dots = [
        Dot(value=change.before, interval=None, kind="k1", said=f"own photos: {figure(score, change.before)}"),
        Dot(value=change.after, interval=None, kind="down", said=f"the others: {figure(score, change.after)}"),
    ]
    return [
        f'<span dir="auto">{text(score_words(score))}</span>',
        lane(dots, scale_of(score, dots), linked=True),
        figure(score, change.before),
        figure(score, change.after),
        f"<b>{difference(score, change.delta)}</b><small>{around(score, change.interval, signed=True)}</small>",
        verdict_badge(change, sure),
    ]
