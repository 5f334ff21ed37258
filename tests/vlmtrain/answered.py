"""Evaluations out of texts, for tests of what is told of them: no model is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmtrain.controls import swap
from vlmtrain.evaluation import (
    Alone,
    Candidate,
    Control,
    EvalResult,
    answered_rows,
    evaluate_candidate,
    evaluate_control,
    result_of,
)
from vlmtrain.generation import Answer, AnswerLoss
from vlmtrain.intervals import Chance
from vlmtrain.metric import find

COLOURS = ("red", "blue", "green", "grey", "white")
METRICS = ("exact_match", "chrf", "attribute_recall")
CHANCE = Chance(resamples=400)
SETUP = {
    "dataset": {"fingerprint": "f00", "split": "test", "rows": 40},
    "model": {"base": "tiny"},
    "settings": {"batch_size": 2, "generate": {"max_new_tokens": 8, "temperature": 0.0}, "budget": {}},
    "versions": {"python": "3.11"},
}


def a_row(place: int, *, brand: str = "Tavi", prompt: str = "Describe it.", reference: str = "") -> dict[str, Any]:
    """A product with a photo, a colour and a brand."""
    colour = COLOURS[place % len(COLOURS)]
    return {
        "id": f"p{place}",
        "group": f"p{place}",
        "messages": [
            {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": prompt}]},
            {"role": "assistant", "content": [{"type": "text", "text": reference or f"A {colour} mug by {brand}."}]},
        ],
        "images": [{"bytes": b"", "path": None}],
        "image_info": [{"sha256": str(place), "width": 8, "height": 8}],
        "fields": [{"name": "colour", "value": colour}, {"name": "brand", "value": brand}],
        "tags": [{"name": "category", "value": "mug" if place % 2 else "lamp"}],
    }


def rows_of(count: int) -> list[dict[str, Any]]:
    """Products, each a group of its own."""
    return [a_row(place) for place in range(count)]


def references(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Their own answers."""
    return [row["messages"][-1]["content"][0]["text"] for row in rows]


def candidate(name: str, rows: Sequence[Mapping[str, Any]], texts: Sequence[str | None], **more: Any) -> Candidate:
    """A candidate that says these texts; None is a row that it could not take."""
    answers = [
        Answer(id=row["id"], text=text or "", tokens=3, failed=None if text is not None else "too long for its context")
        for row, text in zip(rows, texts, strict=True)
    ]
    metrics = find(list(more.pop("metrics", METRICS)))
    losses = [AnswerLoss(nll=nll, tokens=3) for nll in more.pop("losses", ())] or None
    kind = name if name in {"base", "adapter"} else "answers"
    return evaluate_candidate(
        name, answered_rows(rows, answers, losses), metrics, answers, kind=kind, chance=CHANCE, **more
    )


def a_control(asked: Candidate, rows: Sequence[Mapping[str, Any]], *, looks: int, name: str = "swap") -> Control:
    """A candidate on swapped photos, of which it looks at the first `looks`: there it says the colour that it sees."""
    swapped = swap(rows)
    seen = {row["image_info"][0]["sha256"]: row["fields"][0]["value"] for row in rows}
    said = {row.id: row for row in asked.answered}
    answers = []
    for place, row in enumerate(swapped):
        text, own = said[row["id"]].prediction, said[row["id"]].fields["colour"]
        other = seen[row["image_info"][0]["sha256"]]
        answers.append(Answer(id=row["id"], text=text.replace(own, other) if place < looks else text, tokens=3))
    return evaluate_control(name, asked, swapped, answers, CHANCE)


def result(
    rows: Sequence[Mapping[str, Any]],
    candidates: Sequence[Candidate],
    controls: Sequence[Control] = (),
    alone: Sequence[Alone] = (),
) -> EvalResult:
    """The candidates side by side."""
    metrics = candidates[0].table.metrics
    named = {each.name: each for each in candidates}
    return result_of(rows, named, metrics, controls=controls, alone=alone, setup=SETUP, chance=CHANCE)


def helped(count: int = 40, *, right: int = 36, looks: int = 1_000) -> EvalResult:
    """A base that names neither colour nor brand, and an adapter that says `right` of the references."""
    rows = rows_of(count)
    told = references(rows)
    tuned = [text if place < right else "A mug." for place, text in enumerate(told)]
    base, adapter = candidate("base", rows, ["A thing."] * count), candidate("adapter", rows, tuned)
    return result(rows, (base, adapter), (a_control(adapter, rows, looks=looks),))
