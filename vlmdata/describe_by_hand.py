"""Answers that people wrote into a file, and that name no row which lacks a text: a mistyped id is not to be missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.description.answer_file import answered_names
from vlmdata.description.work import Work
from vlmdata.protocols import CatalogRow
from vlmdata.settings import nearest

SHOWN = 3


@dataclass(slots=True)
class RowsSeen:
    """What makes work of rows, and remembers their names."""

    prepare: Callable[[CatalogRow], Work | None]
    names: set[str] = field(default_factory=set)

    def __call__(self, row: CatalogRow) -> Work | None:
        """The work of a row."""
        work = self.prepare(row)
        self.names.add(row.id)
        if work is not None:
            self.names.update((work.ask.id, work.ask.key))
        return work

    def unanswered_names(self, path: Path) -> str:
        """What to tell of answers in a file that are of none of these rows; nothing where there are none."""
        strays = [name for name in answered_names(path) if name not in self.names]
        if not strays:
            return ""
        shown = ", ".join(map(repr, strays[:SHOWN])) + (" …" if len(strays) > SHOWN else "")
        near = nearest(strays[0], sorted(self.names))
        words = "answer is" if len(strays) == 1 else "answers are"
        hint = f"; {near}" if near else ""
        return f"{len(strays):,} {words} of no row that lacks a text, and not used: {shown} in {path.name}{hint}"
