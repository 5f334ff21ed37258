"""Token ids as the text that they stand for, and where in it each token stands."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlmtrain.turns import Span, encode

HALF = "\ufffd"
"""What a decoder shows for a part of a character."""

LONGEST_CHARACTER = 4
"""The most bytes of a character in UTF-8, and so the most tokens that can share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A sequence of tokens and its text. `spans` are each token's characters; tokens that share one have it both."""

    ids: tuple[int, ...]
    text: str
    spans: tuple[Span, ...]

    def tokens(self, start: int, end: int) -> Span:
        """The tokens that hold any of the characters from `start` on, before `end`."""
        first = bisect_right([span[1] for span in self.spans], start)
        last = bisect_left([span[0] for span in self.spans], end)
        return first, max(first, last)

    def of(self, start: int, end: int) -> str:
        """The text of the tokens from `start` on, before `end`."""
        return self.text[self.spans[start][0] : self.spans[end - 1][1]] if start < end else ""


class Reader:
    """A tokenizer, asked for the text of single tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        # Some decoders drop the blank before the first token, so no token that is asked for is the first.
        self._anchor: list[int] = tokenizer("x", add_special_tokens=False)["input_ids"]
        self._before = len(tokenizer.decode(self._anchor))
        self._known: dict[tuple[int, ...], str] = {}

    def read(self, ids: Sequence[int]) -> Reading:
        """The text of token ids, special tokens as they are written."""
        pieces: list[str] = []
        spans: list[Span] = []
        group: tuple[int, ...] = ()
        place = 0
        for index, token in enumerate(ids):
            group = (*group, int(token))
            piece = self._decoded(group)
            if piece.endswith(HALF) and len(group) < LONGEST_CHARACTER and index + 1 < len(ids):
                continue
            pieces.append(piece)
            spans += [(place, place + len(piece))] * len(group)
            place += len(piece)
            group = ()
        return Reading(ids=tuple(int(token) for token in ids), text="".join(pieces), spans=tuple(spans))

    def of_text(self, text: str, *, marked: bool = False) -> Reading:
        """The reading of a rendered text: as its tokens have it, which may be normalised."""
        return self.read(encode([text], self.tokenizer, marked=marked)[0])

    def _decoded(self, group: tuple[int, ...]) -> str:
        if group not in self._known:
            found = self.tokenizer.decode([*self._anchor, *group], clean_up_tokenization_spaces=False)
            self._known[group] = str(found)[self._before :]
        return self._known[group]
