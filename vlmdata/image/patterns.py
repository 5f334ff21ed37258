"""Patterns of file names, such as `photos/**/mug-*.jpg`, taken apart into one step a folder."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlmdata.image.names import ImageReferenceError, refuse_shape

SPECIAL = re.compile(r"[*?\[]")
ESCAPED = re.compile(r"\[([*?\[])\]")
MOST_FOLDERS = "**"
MOST_DEPTHS = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What one folder's or file's name must be like: how it begins to the letter, and what is said of the rest.

    `rest` is empty where nothing may follow. Most patterns are a name, one `*` and an ending, and each row has one of
    its own, so that these are matched without a regular expression.
    """

    start: str
    rest: str
    part: str

    @property
    def whole(self) -> bool:
        """Whether a single name matches."""
        return not self.rest

    def matches(self, name: str) -> bool:
        """Whether a name is as the step says. Names that start with a dot must be asked for with one."""
        if name.startswith(".") and not self.part.startswith("."):
            return False
        if self.whole:
            return name == self.start
        ending = self.rest[1:]
        if self.rest.startswith("*") and not SPECIAL.search(ending):
            return len(name) >= len(self.start) + len(ending) and name.startswith(self.start) and name.endswith(ending)
        return fnmatch.fnmatchcase(name, self.part)


Steps = Sequence[Step | None]
"""A pattern's steps; None stands for `**`, any number of folders."""


def steps_of(pattern: str) -> Steps:
    """A pattern's steps; `photos/**` means all images below. Raises ImageReferenceError for one that climbs."""
    refuse_shape(pattern)
    steps: list[Step | None] = []
    for part in pattern.split("/"):
        if part == MOST_FOLDERS and (not steps or steps[-1] is not None):
            steps.append(None)
        elif part not in {"", ".", MOST_FOLDERS}:
            steps.append(_step(part))
    if steps.count(None) > MOST_DEPTHS:
        message = f"the pattern {pattern[:80]!r} has more than {MOST_DEPTHS} times `**`"
        raise ImageReferenceError("images.pattern", message, "make it simpler")
    return [*steps, _step("*")] if steps and steps[-1] is None else steps


def _step(part: str) -> Step:
    """A part of a pattern, its start being the letters before the first sign for others; `[*]` stands for itself."""
    start, place = "", 0
    while place < len(part):
        escaped = ESCAPED.match(part, place)
        if escaped:
            start, place = start + escaped[1], escaped.end()
        elif SPECIAL.match(part, place):
            break
        else:
            start, place = start + part[place], place + 1
    return Step(start=start, rest=part[place:], part=part)


def start_of_all(steps: Steps) -> str:
    """How every path begins that the steps match."""
    start = ""
    for number, step in enumerate(steps):
        if step is None:
            return start
        start += step.start
        if not step.whole:
            return start
        start += "/" if number + 1 < len(steps) else ""
    return start


def match_all(steps: Steps, parts: Sequence[str]) -> bool:
    """Whether a path's parts are as the steps say."""
    if not steps:
        return not parts
    if steps[0] is None:
        return match_all(steps[1:], parts) or bool(
            parts and not parts[0].startswith(".") and match_all(steps, parts[1:])
        )
    return bool(parts) and steps[0].matches(parts[0]) and match_all(steps[1:], parts[1:])
