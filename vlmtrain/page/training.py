"""How the training went, from train.json, and what was known of the rows before it, from preflight.json; in short.

Both are read from files, so that nothing in them is taken to be there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vlmdata.page import section, shortened, size_words, table, text
from vlmdata.page.charts import BOTTOM, LEFT, RIGHT, TOP, Chart, figure
from vlmdata.words import plural
from vlmtrain.score_words import number

Json = Mapping[str, Any]
Points = Sequence[tuple[float, float]]
MOST_POINTS, MOST_SPLITS = 400, 12
STEEP = 20
"""Losses that fall by more than this factor are drawn on a logarithmic axis, or the end would be a flat line."""


def training_section(training: Json | None, preflight: Json | None) -> str:
    """The loss curve beside the figures of the training, and the rows of each split."""
    figures = _mapping((training or {}).get("training"))
    curve = _curve(figures) if figures else ""
    facts = _facts(figures) if figures else ""
    rows = _rows(preflight) if preflight else ""
    if not (curve or facts or rows):
        return ""
    return section("training", "How it was trained", f'<div class="trained">{curve}{facts}</div>{rows}')


def _mapping(found: Any) -> Json:
    return found if isinstance(found, Mapping) else {}


def _points(history: Any, name: str) -> list[tuple[float, float]]:
    found = [
        (float(point["step"]), float(point[name]))
        for point in (history if isinstance(history, Sequence) else ())
        if isinstance(point, Mapping) and _is_number(point.get("step")) and _is_number(point.get(name))
    ]
    every = math.ceil(len(found) / MOST_POINTS) or 1
    return found[::every] + (found[-1:] if found and (len(found) - 1) % every else [])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _curve(figures: Json) -> str:
    lines = {
        "training": _points(figures.get("history"), "loss"),
        "validation": _points(figures.get("history"), "validation_loss"),
    }
    lines = {name: points for name, points in lines.items() if len(points) > 1}
    if not lines:
        return ""
    said = "; ".join(
        f"{name} loss from {number(points[0][1])} at step {points[0][0]:,.0f} to {number(points[-1][1])} at step "
        f"{points[-1][0]:,.0f}"
        for name, points in lines.items()
    )
    best = figures.get("best_step")
    said += f"; the best step, {best:,}, was kept" if _is_number(best) else ""
    return figure(Chart(title="Loss by step", said=f"{said[:1].upper()}{said[1:]}."), _drawn(lines, best))


def _drawn(lines: Mapping[str, Points], best: Any) -> str:
    every = [value for points in lines.values() for _, value in points]
    steps = [step for points in lines.values() for step, _ in points]
    low, high = min(every), max(every)
    steep = low > 0 and high / low > STEEP
    bottom, top = (math.log(low), math.log(high)) if steep else (min(0.0, low), high)
    first, last, left = min(steps), max(steps), LEFT + 22

    def x_of(step: float) -> float:
        return left + (RIGHT - left) * (step - first) / ((last - first) or 1)

    def y_of(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * ((math.log(value) if steep else value) - bottom) / ((top - bottom) or 1)

    shown = [high, low if steep else min(0.0, low)]
    shown.insert(1, math.sqrt(low * high) if steep else (shown[0] + shown[1]) / 2)
    marks = [
        f'<line class="grid" x1="{left}" x2="{RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        f'<text class="tick" x="{left - 5}" y="{y_of(value) + 4:.1f}" text-anchor="end">{number(value)}</text>'
        for value in shown
    ]
    marks += [
        f'<text class="tick" x="{left}" y="{BOTTOM + 16}">step {first:,.0f}</text>',
        f'<text class="tick" x="{RIGHT}" y="{BOTTOM + 16}" text-anchor="end">step {last:,.0f}</text>',
    ]
    if _is_number(best) and first <= best <= last:
        marks.append(f'<line class="mark" x1="{x_of(best):.1f}" x2="{x_of(best):.1f}" y1="{TOP}" y2="{BOTTOM}"/>')
    for name, points in lines.items():
        path = " ".join(f"{x_of(step):.1f},{y_of(value):.1f}" for step, value in points)
        marks.append(f'<polyline class="curve {name}" points="{path}"><title>{name} loss</title></polyline>')
    return "\n".join(marks)


def _facts(figures: Json) -> str:
    parts = [
        ("steps", _counted(figures.get("steps")), f"{_counted(figures.get('rows_seen'))} rows seen"),
        ("learned", f"{_counted(figures.get('tokens_learned'))}", f"of {_counted(figures.get('tokens_seen'))} tokens"),
        (
            "parameters trained",
            _counted(figures.get("parameters_trained")),
            f"of {_counted(figures.get('parameters'))}",
        ),
        ("time", _seconds(figures.get("seconds")), str(figures.get("stopped") or "to the end")),
        ("memory at its peak", _bytes(figures.get("peak_memory_bytes")), f"of {figures.get('peak_memory_of') or '-'}"),
    ]
    entries = "".join(
        f"<div><dt>{text(name)}</dt><dd><strong>{text(value)}</strong>"
        f"<span>{text(shortened(more, 80))}</span></dd></div>"
        for name, value, more in parts
    )
    return f'<dl class="figures">{entries}</dl>'


def _counted(value: Any) -> str:
    return f"{value:,.0f}" if _is_number(value) else "-"


def _bytes(value: Any) -> str:
    return size_words(value) if _is_number(value) else "-"


def _seconds(value: Any) -> str:
    if not _is_number(value):
        return "-"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _rows(preflight: Json) -> str:
    """Each split's rows and tokens, and whether the preflight passed."""
    splits = [(name, _mapping(split)) for name, split in _mapping(preflight.get("splits")).items()]
    if not splits:
        return ""
    head = ["Split", "Rows", "Used", "Images", "Tokens, median", "Longest", "Left out"]
    found = preflight.get("problems")
    count = len(found) if isinstance(found, Sequence) else 0
    state = "passed" if preflight.get("passed") else "failed"
    shown = table(head, [_split(*each) for each in splits[:MOST_SPLITS]], caption="Rows before the training", numbers=6)
    note = f"Preflight {state}, with {plural(count, 'problem')}."
    return f'<h3 class="sub">The rows before it</h3>{shown}<p class="note">{note}</p>'


def _split(name: str, split: Json) -> list[str]:
    tokens, left_out = _mapping(split.get("tokens")), split.get("left_out")
    return [
        f'<span dir="auto">{text(name)}</span>',
        *(_counted(split.get(each)) for each in ("rows", "used", "images")),
        *(_counted(tokens.get(each)) for each in ("p50", "longest")),
        f"{len(left_out) if isinstance(left_out, Sequence) else 0:,}",
    ]
