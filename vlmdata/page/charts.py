"""Charts as inline SVG, drawn here: histograms, sizes of images, bars. Each says in words what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmdata.page import text

WIDTH, HEIGHT = 340, 180
LEFT, RIGHT, TOP, BOTTOM = 18, 330, 22, 152
"""The room for marks inside a chart of 340 x 180: on a phone one unit is about one pixel."""

WIDEST = 56
"""The widest that a bar gets, where there are few."""

Words = Callable[[float], str]


def whole(value: float) -> str:
    """1,234."""
    return f"{value:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """How many values lie from `low` on, below `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """So many things at one place."""

    x: float
    y: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart says around its marks: `said` is its content in words, `unit` what is counted along its axis."""

    title: str
    said: str
    unit: str = ""
    words: Words = whole


def figure(chart: Chart, marks: str, *, height: int = HEIGHT) -> str:
    """A chart with its title above, and what it says in words below."""
    return (
        f'<figure class="chart"><h3>{text(chart.title)}</h3>\n'
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(f"{chart.title}: {chart.said}")}">\n'
        f"{marks}\n</svg>\n<figcaption>{text(chart.said)}</figcaption></figure>"
    )


def histogram(chart: Chart, bins: Sequence[Bin], *, counted: str) -> str:
    """Bars of equal width; the axis names some of the bins' borders. `counted` is what a bar counts, such as rows."""
    most = max((one.count for one in bins), default=0)
    if not most:
        return figure(chart, "")
    step = min((RIGHT - LEFT) / len(bins), WIDEST)
    bars = []
    for place, one in enumerate(bins):
        high = (BOTTOM - TOP) * one.count / most
        high = max(high, 1.5) if one.count else 0
        words = f"{_range(one, chart.words)} {chart.unit}".strip() + f": {one.count:,} {counted}"
        x, wide = LEFT + place * step + 0.5, max(step - 1, 1)
        bars.append(
            f'<rect class="bar" x="{x:.1f}" y="{BOTTOM - high:.1f}" width="{wide:.1f}" height="{high:.1f}">'
            f"<title>{text(words)}</title></rect>"
        )
    return figure(chart, "\n".join([_scale(most, counted), *bars, _base(), *_borders(bins, step, chart.words)]))


def _range(one: Bin, words: Words) -> str:
    last = one.high - 1
    if one.high == one.low or (float(one.low).is_integer() and last == one.low):
        return words(one.low)
    return f"{words(one.low)} to {words(last if float(one.high).is_integer() and last > one.low else one.high)}"


def _borders(bins: Sequence[Bin], step: float, words: Words) -> list[str]:
    """Names of borders, as many as have room; of single values the name stands below the bar."""
    single = all(one.high - one.low <= 1 and float(one.low).is_integer() for one in bins)
    longest = max(len(words(one.low)) for one in bins)
    every = math.ceil((longest * 6.5 + 12) / step)
    marks = []
    for place, one in enumerate(bins):
        x = LEFT + (place + (0.5 if single else 0)) * step
        if place % every == 0 and x + longest * 3.2 <= WIDTH:
            name = text(words(one.low))
            marks.append(f'<text class="tick" x="{x:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{name}</text>')
    return marks


def _scale(most: int, counted: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{TOP}" y2="{TOP}"/>'
        f'<text class="tick" x="{LEFT}" y="{TOP - 6}">{most:,} {text(counted)}</text>'
    )


def _base() -> str:
    return f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>'


def scatter(chart: Chart, marks: Sequence[Mark], *, counted: str) -> str:
    """Circles on two equal logarithmic axes, their areas as their counts, and a line where x and y are equal."""
    height, left, top, bottom = 340, 44, 12, 300
    if not marks:
        return figure(chart, "", height=height)
    low = math.log10(min(min(mark.x, mark.y) for mark in marks)) - 0.12
    high = max(math.log10(max(max(mark.x, mark.y) for mark in marks)) + 0.12, low + 0.5)
    most = max(mark.count for mark in marks)

    def x_of(value: float) -> float:
        return left + (RIGHT - left) * (math.log10(value) - low) / (high - low)

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * (math.log10(value) - low) / (high - low)

    lines = [f'<line class="grid dashed" x1="{left}" y1="{bottom}" x2="{RIGHT}" y2="{top}"/>']
    for value in ticks(10**low, 10**high):
        lines += [
            f'<line class="grid" x1="{left}" x2="{RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>',
            f'<line class="grid" x1="{x_of(value):.1f}" x2="{x_of(value):.1f}" y1="{top}" y2="{bottom}"/>',
            f'<text class="tick" x="{left - 6}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:,}</text>',
            f'<text class="tick" x="{min(x_of(value), RIGHT - 8):.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{value:,}</text>",
        ]
    for mark in sorted(marks, key=lambda mark: (-mark.count, mark.x, mark.y)):
        radius = 2.5 + 9 * math.sqrt(mark.count / most)
        words = f"{mark.x:,.0f} x {mark.y:,.0f}: {mark.count:,} {counted}"
        lines.append(
            f'<circle class="dot" cx="{x_of(mark.x):.1f}" cy="{y_of(mark.y):.1f}" r="{radius:.1f}">'
            f"<title>{text(words)}</title></circle>"
        )
    lines.append(f'<text class="tick" x="{RIGHT}" y="{height - 6}" text-anchor="end">width, pixels</text>')
    lines.append(f'<text class="tick" x="{left + 5}" y="{top + 10}">height, pixels</text>')
    return figure(chart, "\n".join(lines), height=height)


def ticks(low: float, high: float) -> list[int]:
    """Round numbers between two bounds: powers of ten, with 2 and 5 between them where there is room."""
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades < 2.5 else (1,)
    found = [step * 10**power for power in range(0, 8) for step in steps if low <= step * 10**power <= high]
    return found or [max(round(low), 1)]


def share_bar(share: float, kind: str = "") -> str:
    """A thin bar that fills a share of its place; the number stands beside it."""
    width = f"{max(min(share, 1.0), 0.004) * 100:.2f}%" if share > 0 else "0"
    return (
        f'<svg class="share {kind}" width="100%" height="8" aria-hidden="true" focusable="false">'
        f'<rect class="track" width="100%" height="8" rx="2"/>'
        f'<rect class="fill" width="{width}" height="8" rx="2"/></svg>'
    )
