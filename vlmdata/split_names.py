"""Names of splits, which become names of folders and files: what some platform has no room for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for itself, whatever follows the first dot."""

MOST_LETTERS = 64


def odd_names(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names that no folder can bear everywhere, each with what is wrong with it."""
    first: dict[str, str] = {}
    for name in names:
        if DEVICE.fullmatch(name):
            yield name, "Windows keeps this name for a device"
        elif len(name) > MOST_LETTERS:
            yield name, f"a name of at most {MOST_LETTERS} letters was expected"
        elif (other := first.setdefault(name.casefold(), name)) != name:
            yield name, f"its folder and that of {other!r} are one on Windows and macOS"
