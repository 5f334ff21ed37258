"""One row of another format, converted as a build converts it, for tests to look at."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.vlmdata.shop import drawn, encoded
from vlmdata.convert.conversations import ConversationsConverter
from vlmdata.protocols import Tools
from vlmdata.recipe import recipe_from
from vlmdata.record import Change, Conversation, Origin, RawRecord, Rejection, Skip

PNG = encoded(drawn(1))
PNG_BASE64 = b64encode(PNG).decode()
PNG_ADDRESS = f"data:image/png;base64,{PNG_BASE64}"
IMAGE = "<image>"
"""How `said` shows an image part."""


@dataclass(slots=True)
class Result:
    """What a row became."""

    made: Conversation | Rejection | Skip
    changes: list[Change] = field(default_factory=list)

    @property
    def said(self) -> list[tuple[str, list[str]]]:
        """The turns, each part as its text or as IMAGE."""
        assert isinstance(self.made, Conversation), self.made
        return [(turn.role, [IMAGE if part.text is None else part.text for part in turn.content])
                for turn in self.made.messages]  # fmt: skip

    @property
    def images(self) -> tuple[Any, ...]:
        assert isinstance(self.made, Conversation), self.made
        return self.made.images

    @property
    def rules(self) -> tuple[str, ...]:
        assert isinstance(self.made, Rejection), self.said
        return self.made.rules

    @property
    def words(self) -> str:
        assert isinstance(self.made, Rejection), self.said
        return "\n".join(map(str, self.made.problems))

    @property
    def left_out(self) -> list[tuple[str, str]]:
        return [(change.rule, change.field) for change in self.changes]


def converted(
    row: Mapping[str, Any], name: str = "auto", recipe: Mapping[str, Any] | None = None, **source: Any
) -> Result:
    """What a row becomes in a format."""
    data = {"source": {"type": "conversations", "path": "rows.jsonl", "format": name, **source}, **(recipe or {})}
    changes: list[Change] = []
    tools = Tools(warn=lambda _: None, changed=changes.append, matching=lambda _: ())
    convert = ConversationsConverter(recipe_from(data), tools)
    (made,) = convert(RawRecord(origin=Origin(source="rows.jsonl", row=1, line=1), values=row))
    return Result(made, changes)


def turns(
    *texts: str, key: str = "content", who: str = "role", names: tuple[str, str] = ("user", "assistant")
) -> list[Any]:
    """Messages of alternating speakers."""
    return [{who: names[number % 2], key: text} for number, text in enumerate(texts)]


def shared(*texts: str) -> list[Any]:
    """Messages as LLaVA and ShareGPT have them."""
    return turns(*texts, key="value", who="from", names=("human", "gpt"))
