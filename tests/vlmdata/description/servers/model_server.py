"""What both providers' servers have in common: what they saw, what they answered, and what they put on the bill."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.vlmdata.description.servers.answers import answered
from tests.vlmdata.description.servers.loopback import Answer, LoopbackServer, Request
from tests.vlmdata.description.servers.script import LOST, PAID, Act, Script

KEY = "AIzaLoopbackKeyThatMustNotBeSeen0123456"
PICTURE_TOKENS = 258
"""What Gemini counts for a small image, by https://ai.google.dev/gemini-api/docs/tokens (read in November 2025)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as the server understood it. `pictures` are sha256 of the bytes of the last turn, in order."""

    model: str
    system: str | None
    prompt: str
    pictures: tuple[str, ...]
    earlier: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """A name for all that was asked, the same for the same request."""
        parts = [self.model, self.system, self.prompt, self.pictures, self.earlier, self.schema]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the model made of a request: its text, how it ended, and the tokens on the bill."""

    text: str
    act: Act
    input_tokens: int
    output_tokens: int


class ModelServer(LoopbackServer):
    """Knows one key and one model. A subclass says how its provider writes requests, answers and errors.

    `paid` and `lost` count, by content, what the provider would put on the bill, and what of it never arrived.
    With `keep` off nothing but these counts is kept, for long runs.
    """

    model = "test-model"

    def __init__(self, script: Script | None = None, *, key: str = KEY, keep: bool = True) -> None:
        super().__init__(self.respond)
        self.script = script or Script()
        self.key, self.keep = key, keep
        self.number = 0
        self.seen: list[Seen] = []
        self.headers: list[Mapping[str, str]] = []
        self.pictures: dict[str, bytes] = {}
        self.paid: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    @abstractmethod
    def respond(self, request: Request) -> Answer:
        """The answer to a request."""

    @property
    def paid_twice(self) -> int:
        """How many answers arrived though the same content had been answered before."""
        return sum(max(0, times - self.lost[content] - 1) for content, times in self.paid.items())

    def picture(self, data: bytes) -> str:
        """The sha256 of an image that was sent; its bytes are kept for a look."""
        name = hashlib.sha256(data).hexdigest()
        if self.keep:
            self.pictures[name] = data
        return name

    def noticed(self, seen: Seen, request: Request) -> Act:
        """Put a request down; what to do with it."""
        self.number += 1
        if self.keep:
            self.seen.append(seen)
            self.headers.append(request.headers)
        return self.script.act(self.number, seen.prompt)

    def write(self, seen: Seen, act: Act) -> Written:
        """What the model writes, put on the bill where the act is one that the provider charges for."""
        text = answered(seen.prompt, seen.pictures, seen.schema)
        if act in {"cut", "truncated_answer"}:
            text = text[: len(text) // 2]
        elif act == "other_answer":
            text = json.dumps({"unasked": text})
        elif act in {"empty", "blocked_answer", "blocked_prompt"}:
            text = ""
        turns = [seen.prompt, seen.system or "", *(text for turn in seen.earlier for text in turn)]
        written = Written(
            text=text,
            act=act,
            input_tokens=sum(map(len, turns)) // 4 + PICTURE_TOKENS * len(seen.pictures),
            output_tokens=(len(text) + 3) // 4,
        )
        if act in PAID:
            self.paid[seen.content] += 1
            self.tokens.update(input=written.input_tokens, output=written.output_tokens)
            self.lost[seen.content] += act in LOST
        return written


def as_json(body: Any, *, status: int = 200, sent: int | None = None, late: bool = False, **headers: str) -> Answer:
    """An answer in JSON; underscores in the headers' names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = json.dumps(body).encode()
    return Answer(status=status, body=data, headers={"content-type": "application/json"} | named, sent=sent, late=late)


PAGE = Answer(body=b"<html><body>Bad gateway, said a proxy</body></html>", headers={"content-type": "text/html"})
ELSEWHERE = Answer(status=307, headers={"location": "http://localhost:9/elsewhere"})
