"""What a rule about texts is: a cheap screen over whole columns, and a closer look at the few texts that it stops.

A screen may stop too many, never too few: a test runs the closer look over everything and compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlmdata.record import Role

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
Where = Literal["anywhere", "start"]

EXCERPT = 24
ANGLE = r"<[|｜A-Za-z/!%<]"
BRACKET = r"\[[A-Za-z/\[]"
BRACE = r"\{[{%A-Za-z]|[}%]\}"
"""What tokens, tags and templates begin with. Rules share these, so that all of them are one short pattern."""
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
CALLED = {"system": "system text", "user": "question", "assistant": "answer"}

OPTIONS = re.compile(r"(?:^|\n)[ \t]*\(?[A-Da-d1-4][.):][ \t]*\S", re.MULTILINE)
SHORT_WANTED = re.compile(
    r"(?i)answer with|single word|one word|short phrase|yes or no|\bchoose\b|\bselect\b|\boptions?\b"
    r"|(?:^|[.!\n])[ \t]*(?:please )?(?:classify|name|identify|recogni[sz]e|count|compute|calculate|solve|label|read"
    r"|transcribe|ocr"
    r"|detect|predict|translate|extract|rate|guess|find|give|tell|state)\b|[:：]\s*\Z"
)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text part in its place. `questions` are the text parts of the turn before, where that is the user's.

    `first`: whether it is the first text part of its turn; `whole`: all of the turn's text; `turns`: the record's.
    """

    role: Role
    text: str
    questions: tuple[str, ...] = ()
    first: bool = True
    alone: bool = True
    whole: str = ""
    turns: Sequence[Mapping[str, Any] | None] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers of the conversation, this one among them."""
        return tuple("".join(texts_of(turn)) for turn in self._said_by("assistant"))

    @property
    def system(self) -> tuple[str, ...]:
        """The system message's texts."""
        return tuple(text for turn in self._said_by("system") for text in texts_of(turn))

    def _said_by(self, role: Role) -> Iterator[Mapping[str, Any]]:
        return (turn for turn in self.turns if turn is not None and turn["role"] == role)

    @property
    def called(self) -> str:
        """`question`, `answer` or `system text`."""
        return CALLED[self.role]

    @cached_property
    def asked(self) -> bool:
        """Whether the turn before is a question to which a word or a letter is an answer."""
        return any(
            set(question) & set("?？؟") or OPTIONS.search(question) or SHORT_WANTED.search(question)
            for question in self.questions
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """The texts of a batch, image parts left out, and for each its row, its message and its role's number.

    Messages are numbered through the batch, so that the one before may be of the row before. `sizes` are in
    bytes, and `data` is the bytes of all texts, one behind the other.
    """

    texts: pa.StringArray
    rows: Numbers
    messages: Numbers
    roles: Numbers
    sizes: Numbers
    data: npt.NDArray[np.uint8]

    def of(self, role: Role) -> Mask:
        """Which texts are of a role."""
        found: Mask = self.roles == ROLES.index(role)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextRule:
    """One rule. `find` says what it found in a text, in words that follow `the answer `, or nothing.

    `screen` is a pattern for RE2, which knows no look-around and takes `\\b`, `\\s` and `\\d` for ASCII; `beyond_ascii`
    is one more, for texts that hold more than ASCII. `where` says whether they need looking for from the start only.
    What no pattern can screen has `suspects` instead.
    """

    id: str
    find: Callable[[Text], str | None]
    hint: str
    screen: str = ""
    beyond_ascii: str = ""
    where: Where = "anywhere"
    roles: tuple[Role, ...] = ROLES
    suspects: Callable[[Columns], Mask] | None = None


def texts_of(turn: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of a turn's parts."""
    return tuple(part["text"] for part in turn["content"] or () if part is not None and part["text"] is not None)


def around(text: str, match: re.Match[str], group: int | str = 0) -> str:
    """What a pattern found, quoted, with the words around it where it says little by itself."""
    start, end = match.span(group)
    if end - start > 2 * EXCERPT:
        return repr(f"{text[start : start + 2 * EXCERPT]}...")
    left = max(start - EXCERPT // 2, 0)
    right = min(end + EXCERPT // 2, len(text))
    return repr(f"{'...' if left else ''}{text[left:right]}{'...' if right < len(text) else ''}")


def times(count: int) -> str:
    """`, 3 times`, or nothing for once."""
    return f", {count:,} times" if count > 1 else ""
