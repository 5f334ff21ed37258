"""Conversations as batches, and what the checks say of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from vlmdata.check import checks
from vlmdata.check.text import TextCheck, Texts, text_rules
from vlmdata.check_settings import CheckSettings
from vlmdata.corpus import corpus_schema
from vlmdata.record import Problem

EVERYTHING = CheckSettings(preview=True)
ALL_CHECKS = checks(EVERYTHING)
ALL_RULES = text_rules(EVERYTHING)
Turn = tuple[str, Sequence[str | None]]


def batch_of(conversations: Iterable[Sequence[Turn]]) -> pa.RecordBatch:
    """Conversations as a batch of a corpus. A turn is its role and its parts: texts, and None for an image."""
    rows = [row_of(number, turns) for number, turns in enumerate(conversations)]
    return pa.RecordBatch.from_pylist(rows, schema=corpus_schema())


def asked(question: str, answer: str) -> list[Turn]:
    """A question and its answer."""
    return [("user", [question]), ("assistant", [answer])]


def row_of(number: int, turns: Sequence[Turn]) -> dict[str, Any]:
    """A conversation as a record, without the images' bytes."""
    messages = [
        {"role": role, "content": [{"type": "text" if part is not None else "image", "text": part} for part in parts]}
        for role, parts in turns
    ]
    images = sum(part is None for _, parts in turns for part in parts)
    return {
        "id": str(number),
        "messages": messages,
        "image_info": [{"sha256": "0" * 64, "width": 8, "height": 8, "format": "png", "dhash": None}] * images,
        "origin": {"source": "mugs.csv", "row": number + 1, "line": number + 2},
        "group": str(number),
        "tags": [],
        "fields": [],
        "provenance": None,
    }


def problems(batch: pa.RecordBatch, settings: CheckSettings = EVERYTHING) -> list[Problem]:
    """What all checks find, preview rules too."""
    wanted = ALL_CHECKS if settings is EVERYTHING else checks(settings)
    return [problem for check in wanted for problem in check(batch)]


def found(turns: Sequence[Turn], settings: CheckSettings = EVERYTHING) -> set[str]:
    """The rules that one conversation breaks."""
    return {problem.rule for problem in problems(batch_of([turns]), settings)}


def with_screens(batch: pa.RecordBatch) -> set[tuple[str, str, str]]:
    """Id, rule and field of what the check of texts finds."""
    check = TextCheck(ALL_RULES)
    return {(problem.id, problem.rule, problem.field) for problem in check(batch)}


def without_screens(batch: pa.RecordBatch) -> set[tuple[str, str, str]]:
    """The same where every rule looks closely at every text."""
    texts, said = Texts(batch), set()
    for place in range(len(texts.columns.rows)):
        text = texts[place]
        for rule in ALL_RULES:
            message = rule.find(text) if text.role in rule.roles else None
            if message is not None:
                problem = texts.problem(place, rule, message)
                said.add((problem.id, problem.rule, problem.field))
    return said
