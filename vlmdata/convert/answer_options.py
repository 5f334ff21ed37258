"""The options of a question, however they are written: a list, a mapping, or a text such as `A: one` line by line."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

LABELS = (
    r"^[ \t]*{letter}[ \t]*[:.)][ \t]*",  # A: one   A. one   A) one
    r"^[ \t]*[(\[]{letter}[)\]][ \t]*[:.]?[ \t]*",  # (A) one   [A] one
    r"(?:^|(?<=\s))\({letter}\)[ \t]*",  # (A) one (B) two
)
"""How a letter stands before its option. Only the last way has several options on one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """A question's options: the text that shows them, and each by its letter.

    There are no letters where the options can't be told apart.
    """

    shown: str
    by_letter: Mapping[str, str]

    def letter_of(self, answer: str) -> str | None:
        """The letter that an answer is, or whose option has just the answer's text; None where it is neither."""
        if answer in self.by_letter:
            return answer
        letters = [letter for letter, text in self.by_letter.items() if text == answer]
        return letters[0] if len(letters) == 1 else None


def read_options(value: Any) -> Options | None:
    """The options in a row's value; None where there are none."""
    if isinstance(value, str):
        value = value.strip()
        listed = list_or_mapping(value)
        return _from_text(value) if listed is None else read_options(listed)
    if isinstance(value, Mapping):
        given = {str(key).strip(): _text(text) for key, text in value.items() if text is not None}
        return Options(_shown(given), given) if given else None
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return _from_list([_text(entry) for entry in value if entry is not None])
    return None if value is None else Options(_text(value), {})


def _from_list(entries: list[str]) -> Options | None:
    """A list's entries, with the letters that they bear, else with letters in their order."""
    if not entries:
        return None
    text = "\n".join(entries)
    labelled = _labelled(text)
    if len(labelled) == len(entries):
        return Options(text, labelled)
    if len(entries) > len(ascii_uppercase):
        return Options(text, {})
    lettered = dict(zip(ascii_uppercase, entries, strict=False))
    return Options(_shown(lettered), lettered)


def _from_text(text: str) -> Options | None:
    return Options(text, _labelled(text)) if text else None


def _labelled(text: str) -> dict[str, str]:
    """A text's options by letter, A first and none left out; nothing where it is not written so."""
    for label in LABELS:
        starts: list[tuple[int, int]] = []
        for letter in ascii_uppercase:
            pattern = re.compile(label.format(letter=letter), re.MULTILINE)
            found = pattern.search(text, starts[-1][1] if starts else 0)
            if found is None:
                break
            starts.append(found.span())
        if len(starts) > 1 and not text[: starts[0][0]].strip():
            ends = [start for start, _ in starts[1:]] + [len(text)]
            return {
                letter: text[begin:end].strip()
                for letter, (_, begin), end in zip(ascii_uppercase, starts, ends, strict=False)
            }
    return {}


def _shown(by_letter: Mapping[str, str]) -> str:
    return "\n".join(f"{letter}: {text}" for letter, text in by_letter.items())


def _text(value: Any) -> str:
    return str(value).strip()


def list_or_mapping(text: str) -> list[Any] | dict[str, Any] | None:
    """The list or mapping that a text is, as JSON or as Python writes it; None where it is neither.

    Python's own form is taken only where writing the value again gives the same text: `['a' 'b']`, which numpy
    writes, would else become one entry.
    """
    if not text.startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
        value = value if repr(value) == text else None
    return value if isinstance(value, list | dict) else None
