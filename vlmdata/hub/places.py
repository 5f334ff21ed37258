"""Places of this machine taken out of what goes to the Hub: of a path that leads elsewhere only the last name stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ELSEWHERE = re.compile(r"(~|/|\\|\.{1,2}[/\\]|\.\.$|[A-Za-z]:[/\\]|file:)|.*[/\\]\.\.([/\\]|$)", re.DOTALL)
"""The beginning of a path that is no plain name below the folder at hand."""

WITHIN = re.compile(
    r"(?<![\w/\\.:~-])(?:~[\w.-]*[/\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\|file:/+|/)(?=\w)[^\s\"'`()<>\[\]{}|,;]*(?<![.:!?])"
)
"""What may be a path in the middle of a sentence."""

PROSE = frozenset({"conversations", "clean", "fields", "tags"})
"""Keys of a recipe below which stand texts for readers and models; a slash in them is no path."""

TEXTS = frozenset({"where", "prompt", "system", "separator"})
"""Keys of which the same is true where they hold a text."""


def without_places(data: Any) -> Any:
    """JSON's values with each path of this machine cut to its last name; `../data/shop` becomes `shop`."""
    if isinstance(data, Mapping):
        return {
            without_place(key): value if _is_prose(key, value) else without_places(value) for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [without_places(value) for value in data]
    return without_place(data) if isinstance(data, str) else data


def is_place(text: str) -> bool:
    """Whether a whole text is a path of a machine: one of Windows or of a home, or one whose first folder is here.

    `/r/pics` or `/imagine a mug` are words, unless there is a folder `/r`.
    """
    text = text.strip()
    if not ELSEWHERE.match(text) or "\n" in text:
        return False
    first = re.match(r"/[^/\s]+(?=/|$)", text)
    return first is None or Path(first[0]).exists()


def places_within(text: str) -> list[str]:
    """The paths of a machine that stand in a sentence, as `export of /home/me/shop` does."""
    return [found[0] for found in WITHIN.finditer(text) if is_place(found[0])]


def without_places_within(text: str) -> str:
    """A sentence with each such path cut to its last name."""
    return WITHIN.sub(lambda found: without_place(found[0]) if is_place(found[0]) else found[0], text)


def _is_prose(key: str, value: Any) -> bool:
    """Whether a slash below a key is no path. A block `dataset` says what a card does; a source's may be a folder."""
    if key == "dataset":
        return isinstance(value, Mapping)
    return key in PROSE or (key in TEXTS and isinstance(value, str))


def without_place(text: str) -> str:
    """A path's last name, where it leads elsewhere; any other text as it is."""
    if not ELSEWHERE.match(text):
        return text
    names = [name for name in re.split(r"[/\\]+", text) if name not in {"", ".", "..", "~", "file:"}]
    return names[-1] if names else "."
