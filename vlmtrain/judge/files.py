"""Every judgement as a person can check it: one line a row, with both texts, both orders, verdicts and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vlmtrain.judge.judgement import JudgedRow, Judgement, judgements_file


def write_judgements(judgements: Iterable[Judgement], folder: Path) -> None:
    """Write judgements-BEFORE-AFTER.jsonl of each pair into a folder that exists."""
    for each in judgements:
        with (folder / judgements_file(each.before, each.after)).open("w", encoding="utf-8", newline="\n") as file:
            for row in each.rows:
                file.write(json.dumps(_line(each, row), ensure_ascii=False) + "\n")


def _line(judgement: Judgement, row: JudgedRow) -> dict[str, Any]:
    names = judgement.before, judgement.after
    orders = (names, names[::-1])
    return {
        "id": row.id,
        "group": row.group,
        "outcome": row.outcome,
        "why": row.why,
        "prompt": row.prompt,
        "reference": row.reference,
        "answers": {judgement.before: row.before, judgement.after: row.after},
        "orders": [
            {
                "first": first,
                "second": second,
                "verdict": opinion.verdict,
                "preferred": {"first": first, "second": second, "tie": None, None: None}[opinion.verdict],
                "reason": opinion.reason,
                "problem": opinion.problem,
            }
            for (first, second), opinion in zip(orders, row.opinions, strict=False)
        ],
    }
