"""What is to be asked of one row, from its prompt to the moment when its pictures are ready to be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlmdata.description.journal import Ended
from vlmdata.description.provider import Ask, Picture


class NotSentError(Exception):
    """An ask that must not be sent as it is: a photo that says where it was taken, or that can't be made ready."""

    def __init__(self, ended: Ended, message: str) -> None:
        super().__init__(message)
        self.ended = ended
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A row that has no text: its ask, the sizes of its pictures, and what makes these ready.

    `pictures` may raise NotSentError; it is None once they stand in the ask, or once `refused` says why they must not.
    """

    ask: Ask
    values: Mapping[str, Any]
    sizes: tuple[tuple[int, int], ...]
    pictures: Callable[[], tuple[Picture, ...]] | None
    refused: NotSentError | None = None

    def ready(self) -> Work:
        """The same with its pictures in the ask. The files that they were made of are let go."""
        if self.pictures is None:
            return self
        try:
            return replace(self, ask=replace(self.ask, pictures=self.pictures()), pictures=None)
        except NotSentError as error:
            return replace(self, pictures=None, refused=error.with_traceback(None))
