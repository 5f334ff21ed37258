"""What all conformance tests share: every fault of a plug-in at once, and its own exceptions among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Given = TypeVar("Given")


class ConformanceError(AssertionError):
    """A plug-in that does not do what its Protocol says. `faults` are all that were found, in words."""

    def __init__(self, subject: str, faults: Iterable[str]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        super().__init__("\n".join([f"{subject}: {count}", *(f"  - {fault}" for fault in self.faults)]))


class RaisedError(Exception):
    """A fault after which nothing more can be told, such as what a plug-in raised where it must not."""


def refuse(subject: object, faults: Iterable[str]) -> None:
    """Raise ConformanceError where there are faults."""
    found: list[str] = []
    try:
        found.extend(faults)
    except RaisedError as error:
        found.append(str(error))
    if found:
        raise ConformanceError(called(subject), found)


def attempted(call: Callable[[], Given], when: str) -> Given:
    """What a call gives. What it raises becomes RaisedError, with `when` it was raised; nothing can be tested then."""
    try:
        return call()
    except Exception as error:
        raise RaisedError(f"raises {type(error).__name__} {when}: {error}") from error


def called(subject: object) -> str:
    """What to call a plug-in: its name, or its class's."""
    name = getattr(subject, "__qualname__", None) or type(subject).__qualname__
    return str(name)


def shortened(value: object, most: int = 120) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
