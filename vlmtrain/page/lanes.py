"""Intervals as thin inline SVG: dots with their reach on one line, drawn in percent, so that no text is ever scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlmdata.page import text
from vlmtrain.intervals import Interval
from vlmtrain.score_words import is_share

STEP = 13
"""The height of one dot with its reach, in pixels."""

EDGE = 2.5
"""Room beside the ends of a scale, in percent, so that a dot at 0 or 1 is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value with where it lies; `kind` is its colour, `said` what it shows to who hovers over it."""

    value: float
    interval: Interval | None
    kind: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From where to where a lane goes."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value lies, in percent; what is beyond the ends lies at the end."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return EDGE + (100 - 2 * EDGE) * min(max(share, 0.0), 1.0)


def scale_of(score: str, dots: Sequence[Dot], *others: float | None) -> Scale:
    """0 to 1 for a share, else from 0, or the lowest value below it, to the highest that is shown."""
    if is_share(score):
        return Scale(low=0.0, high=1.0)
    reach = [end for dot in dots for end in (dot.value, *_ends(dot.interval))]
    found = [value for value in (*reach, *others) if value is not None and math.isfinite(value)]
    return Scale(low=min([0.0, *found]), high=max([0.0, *found]) or 1.0)


def even_scale(intervals: Sequence[Interval | None], values: Sequence[float]) -> Scale:
    """As far to either side of nothing, for differences."""
    reach = [abs(end) for interval in intervals for end in _ends(interval)]
    most = max([*reach, *(abs(value) for value in values if math.isfinite(value))], default=0.0) or 1.0
    return Scale(low=-most, high=most)


def _ends(interval: Interval | None) -> tuple[float, ...]:
    return (interval.low, interval.high) if interval else ()


def lane(dots: Sequence[Dot], scale: Scale, *, mark: float | None = None, linked: bool = False) -> str:
    """Dots below each other with their intervals; `mark` is a dashed line. Two `linked` ones stand on one line."""
    shown = [dot for dot in dots if math.isfinite(dot.value)]
    height = STEP * (1 if linked else max(len(dots), 1)) + 4
    parts = [f'<line class="rail" x1="{EDGE}%" x2="{100 - EDGE}%" y1="{height - 1}" y2="{height - 1}"/>']
    if mark is not None and math.isfinite(mark):
        x = scale.place(mark)
        parts.append(f'<line class="mark" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height}"/>')
    if linked and len(shown) == 2:
        first, last = (scale.place(dot.value) for dot in shown)
        parts.append(f'<line class="link" x1="{first:.2f}%" x2="{last:.2f}%" y1="{STEP / 2 + 2}" y2="{STEP / 2 + 2}"/>')
    parts += [
        _dot(dot, scale, STEP * ((0 if linked else row) + 0.5) + 2)
        for row, dot in enumerate(dots)
        if math.isfinite(dot.value)
    ]
    said = "; ".join(dot.said for dot in dots)
    return (
        f'<svg class="lane" width="100%" height="{height}" role="img" aria-label="{text(said)}">{"".join(parts)}</svg>'
    )


def _dot(dot: Dot, scale: Scale, y: float) -> str:
    reach = ""
    if dot.interval is not None and math.isfinite(dot.interval.low) and math.isfinite(dot.interval.high):
        low, high = scale.place(dot.interval.low), scale.place(dot.interval.high)
        reach = f'<line class="reach" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y}" y2="{y}"/>'
    dotted = f'<circle cx="{scale.place(dot.value):.2f}%" cy="{y}" r="4.5"/>'
    return f'<g class="{dot.kind}"><title>{text(dot.said)}</title>{reach}{dotted}</g>'


def key(kinds: Sequence[tuple[str, str]], *, mark: str = "") -> str:
    """What the colours stand for."""
    entries = [f'<li><i class="swatch {kind}"></i><span dir="auto">{text(words)}</span></li>' for kind, words in kinds]
    entries += [f'<li><i class="swatch dash"></i>{text(mark)}</li>'] if mark else []
    return f'<ul class="key">{"".join(entries)}</ul>'
