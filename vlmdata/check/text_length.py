"""Questions and answers that are too short or too long, counted in characters."""

from __future__ import annotations

import re

import numpy as np

from vlmdata.check.text_residue import null, placeholder
from vlmdata.check.text_rule import Columns, Mask, Numbers, Text, TextRule
from vlmdata.check_settings import CheckSettings
from vlmdata.record import Role

DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of scripts that write a word with one or two of them."""
WORTH = 3
"""How many letters of other scripts such a letter counts for."""
MAX_BYTES = 4
"""Bytes of one character, at most."""


def length(text: str) -> int:
    """Characters, those of Chinese, Japanese and Korean counting for several."""
    return len(text) + (WORTH - 1) * len(DENSE.findall(text))


def rules(settings: CheckSettings) -> tuple[TextRule, ...]:
    """The rules of this file, with the thresholds that were settled."""
    shortest = {
        "text.short_answer": int(settings.threshold("text.short_answer", "min_characters")),
        "text.short_question": int(settings.threshold("text.short_question", "min_characters")),
    }
    longest = {
        "text.long_answer": int(settings.threshold("text.long_answer", "max_characters")),
        "text.long_question": int(settings.threshold("text.long_question", "max_characters")),
    }
    return (
        *(_short(name, least) for name, least in shortest.items()),
        *(_long(name, most) for name, most in longest.items()),
    )


def _short(name: str, least: int) -> TextRule:
    role: Role = "assistant" if name.endswith("answer") else "user"

    def find(text: Text) -> str | None:
        size = length(text.whole)
        if not text.first or text.role != role or not 0 < size < least or text.asked or null(text) or placeholder(text):
            return None
        return f"is {text.whole.strip()!r}, {size} character{'s' if size != 1 else ''}, expected at least {least}"

    def suspects(columns: Columns) -> Mask:
        return columns.of(role) & (_per_message(columns) < MAX_BYTES * least)

    hint = "write more, or set the rule's min_characters"
    return TextRule(id=name, find=find, suspects=suspects, roles=(role,), hint=hint)


def _long(name: str, most: int) -> TextRule:
    role: Role = "assistant" if name.endswith("answer") else "user"

    def find(text: Text) -> str | None:
        size = len(text.whole)
        if not text.first or text.role != role or size <= most:
            return None
        return f"has {size:,} characters, expected at most {most:,}"

    def suspects(columns: Columns) -> Mask:
        return columns.of(role) & (_per_message(columns) > most)

    hint = "shorten it, or set the rule's max_characters"
    return TextRule(id=name, find=find, suspects=suspects, roles=(role,), hint=hint)


def _per_message(columns: Columns) -> Numbers:
    """For each text, the bytes of all texts of its message."""
    totals = np.bincount(columns.messages, weights=columns.sizes)
    return totals[columns.messages].astype(np.int64)
