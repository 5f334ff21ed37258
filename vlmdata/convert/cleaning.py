"""Steps that tidy a text before it is used: each is asked for by the recipe, and counted where it changed something."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vlmdata.convert.html_text import html_to_text
from vlmdata.record import Change


def nfc(text: str) -> str:
    """The text in Unicode's composed form: an e and an accent behind it become one sign."""
    return unicodedata.normalize("NFC", text)


def whitespace(text: str) -> str:
    """Runs of spaces, tabs and non-breaking spaces as one space, lines trimmed, at most one empty line in a row."""
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in re.split(r"\r\n|[\n\r\v\f\x85\u2028\u2029]", text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def mojibake(text: str) -> str:
    """UTF-8 that was read in another encoding, read again rightly (`GrÃ¶ÃŸe` is `Größe`); by ftfy, and nothing else."""
    import ftfy

    return str(ftfy.fix_encoding(text))


STEPS: dict[str, Callable[[str], str]] = {
    "html_to_text": html_to_text,
    "nfc": nfc,
    "whitespace": whitespace,
    "mojibake": mojibake,
}


def cleaned(
    values: Mapping[str, Any], clean: Mapping[str, Sequence[str]], known: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[Change]]:
    """A row's values after the steps of their columns, and what changed. Texts in lists and mappings are cleaned too.

    `known` gives None for a value that is missing; what the steps leave empty is missing.
    """
    made = dict(values)
    changes: list[Change] = []
    for column, steps in ((column, steps) for column, steps in clean.items() if column in made):
        for step in steps:
            before = made[column]
            after = _applied(before, STEPS[step])
            changes += _changes(f"clean.{step}", column, before, after)
            made[column] = after
        made[column] = known(made[column])
    return made, changes


def _applied(value: Any, step: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return step(value)
    if isinstance(value, list | tuple):
        return [_applied(entry, step) for entry in value]
    if isinstance(value, Mapping):
        return {key: _applied(entry, step) for key, entry in value.items()}
    return value


def _changes(rule: str, column: str, before: Any, after: Any) -> Iterator[Change]:
    """A change for each text that is not what it was."""
    if isinstance(before, str):
        if before != after:
            yield Change(rule=rule, field=column, before=before, after=after)
    elif isinstance(before, list | tuple):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changes(rule, f"{column}[{number}]", old, new)
    elif isinstance(before, Mapping):
        for key in before:
            yield from _changes(rule, f"{column}.{key}", before[key], after[key])
