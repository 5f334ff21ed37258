"""A pattern of file names from a template over a row's values, which stand in it for themselves alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from glob import escape
from typing import Any

from jinja2 import Template

from vlmdata.template_sandbox import MISSING, PRESENT, Environment, Row
from vlmdata.templates import RENDER_ERRORS, ROW, compile_template

LONGEST = 4_000
"""Characters of a pattern; no path is longer."""

NO_NAME = "\0"
"""Stands before a value that is no name of a file or folder. No path can hold it, so that it can't go unnoticed."""


class NamePatternError(ValueError):
    """A row's values make no pattern: `rule` is the rule's name, `hint` what to do."""

    def __init__(self, rule: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.hint = hint


def pattern_of_names(text: str, values: Mapping[str, Any]) -> str | None:
    """The glob pattern that a template gives for a row, or None where a value that it prints is missing.

    A value's own `*`, `?` and `[` match themselves, and none leads to a folder above. Raises NamePatternError.
    """
    named = {name: _as_names(values.get(name)) for name in compile_template(text).names}
    try:
        made = _rendered(text, named)
    except RENDER_ERRORS as error:
        message = f"the pattern {text!r} fails on this row: {error}"
        raise NamePatternError("images.value", message, "correct the pattern, or the row") from None
    if MISSING in made:
        return None
    made = made.replace(PRESENT, "").strip()
    if NO_NAME in made:
        message = f"{made.replace(NO_NAME, '')!r} holds a value that is no name of a file or folder"
        raise NamePatternError("images.outside", message, "correct the row: no '..', and no / at either end")
    if made.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", made):
        message = f"the pattern {made!r} leads out of the image root"
        raise NamePatternError("images.outside", message, "correct the pattern, or the row")
    return made


@cache
def _compiled(text: str) -> Template:
    return Environment().from_string(text)


def _rendered(text: str, values: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    for piece in _compiled(text).generate({**values, ROW: Row(values)}):
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST:
            raise ValueError(f"it makes more than {LONGEST:,} characters")
    return "".join(pieces)


def _as_names(value: Any) -> Any:
    """A value whose texts are parts of file names: their pattern signs escaped, those that are no names marked."""
    if isinstance(value, Mapping):
        return {key: _as_names(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_names(entry) for entry in value]
    if not isinstance(value, str):
        return value
    name = value.strip()
    is_name = name and not {"", ".", ".."} & set(re.split(r"[/\\]", name))
    return f"{'' if is_name else NO_NAME}{escape(name)}" if name else None
