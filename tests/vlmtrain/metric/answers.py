"""Answers to score, texts in many scripts, and scores over several rows straight from a metric's own sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vlmtrain.metric import Answered, find
from vlmtrain.protocols import Fitted, Metric, Summed, Whole

SCRIPTS = {
    "latin": "Die Größe der Tasse beträgt 0,3 Liter.",
    "cyrillic": "Синяя кружка из керамики, 300 мл.",
    "greek": "Μπλε κούπα από κεραμικό.",
    "arabic": "كوب أزرق من السيراميك.",
    "hebrew": "ספל כחול מקרמיקה.",
    "devanagari": "सिरेमिक से बना नीला मग।",
    "bengali": "সিরামিকের তৈরি নীল মগ।",
    "thai": "แก้วเซรามิกสีฟ้า",
    "chinese": "这是一个蓝色的陶瓷杯子。",
    "japanese": "青いセラミックのマグカップです。",
    "korean": "파란색 도자기 머그컵입니다.",
    "tamil": "நீல பீங்கான் குவளை.",
}


def answered(prediction: str, reference: str = "", **more: object) -> Answered:
    return Answered(**{"id": "1", "prediction": prediction, "reference": reference, **more})  # type: ignore[arg-type]


def pairs(*texts: tuple[str, str]) -> list[Answered]:
    return [
        answered(prediction, reference, id=str(number)) for number, (prediction, reference) in enumerate(texts, start=1)
    ]


def score(name: str, prediction: str, reference: str = "", **more: object) -> dict[str, float]:
    return dict(find([name])[0].score(answered(prediction, reference, **more)))


def fitted(metric: str | Metric, rows: Sequence[Answered]) -> Metric:
    """A metric that knows the rows where it must know them first."""
    found = find([metric])[0]
    return found.fitted(rows) if isinstance(found, Fitted) else found


def sums(metric: Summed, rows: Sequence[Answered]) -> dict[str, np.ndarray]:
    """What all rows add, by score: [K]."""
    total: dict[str, np.ndarray] = {}
    for row in rows:
        for name, added in metric.sums(row).items():
            total[name] = total.get(name, np.zeros(len(added))) + np.array(added)
    return total


def overall(metric: str | Metric, rows: Sequence[Answered]) -> Mapping[str, float]:
    """The scores over all rows, as protocols.Metric, Summed and Whole say that they are made."""
    known = fitted(metric, rows)
    if isinstance(known, Whole):
        return dict(known.aggregate(rows))
    if isinstance(known, Summed):
        return {name: float(known.value(name, total)) for name, total in sums(known, rows).items()}
    found = [known.score(row) for row in rows]
    names = dict.fromkeys(name for scores in found for name in scores)
    return {name: float(np.mean([scores[name] for scores in found if name in scores])) for name in names}
