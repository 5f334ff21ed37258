"""A recipe's condition (`where`) taken apart at its `and`s, so that a part of it can be left out."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cache

from vlmdata.template_sandbox import Environment
from vlmdata.templates import compile_expression

WEAKER = frozenset({"or", "if", "else"})
"""Words that bind more weakly than `and`: a condition with one of them outside brackets stays whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is left of a condition, None where nothing is, and what was taken out of it, empty where nothing was."""

    kept: str | None
    left_out: str = ""


def without_columns(condition: str, columns: Set[str]) -> Condition:
    """A condition without those of its parts that read nothing but some columns."""
    parts = _parts(condition)
    out = [part for part in parts if (read := compile_expression(part).names) and read <= columns]
    kept = [part for part in parts if part not in out]
    return Condition(kept=" and ".join(kept) or None, left_out=" and ".join(out)) if out else Condition(kept=condition)


@cache
def _parts(condition: str) -> tuple[str, ...]:
    """The parts between the `and`s that stand outside brackets; the whole where a weaker word stands there too."""
    parts, depth = [""], 0
    for _, kind, text in list(Environment().lex(f"{{{{ {condition}\n}}}}"))[1:-1]:
        word = text if kind == "name" and not depth else ""
        if word in WEAKER:
            return (condition,)
        depth += (text in {"(", "[", "{"}) - (text in {")", "]", "}"}) if kind == "operator" else 0
        parts = [*parts, ""] if word == "and" else [*parts[:-1], parts[-1] + text]
    return tuple(part.strip() for part in parts)
