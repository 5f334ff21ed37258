"""Messages as one text each, in which `<image>` marks the place of an image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vlmdata.exports.row import Row
from vlmdata.record import Message

MARKER = "<image>"


def marked(message: Message, between: str = "") -> str:
    """A message as a text. `between` follows a marker that a text follows."""
    texts: list[str] = []
    for number, part in enumerate(message.content):
        if part.type == "image":
            last = number + 1 == len(message.content)
            texts.append(MARKER if last else f"{MARKER}{between}")
        else:
            texts.append(part.text or "")
    return "".join(texts)


def text_losses(row: Row, between: str = "") -> Iterator[str]:
    """What is lost where the parts of a message become one text, as far as an import reads it."""
    for message in row.messages:
        kinds = "".join(part.type[0] for part in message.content)
        if "tt" in kinds or any(not (part.text or "").strip() for part in message.content if part.type == "text"):
            yield "text_parts"
        if _touches_newline(message, between):
            yield "newlines"


def _touches_newline(message: Message, between: str) -> bool:
    parts = message.content
    for number, (part, after) in enumerate(pairwise(parts)):
        if part.type == "image" and after.type == "text" and not between and (after.text or "").startswith("\n"):
            return True
        last = number + 2 == len(parts)
        if last and after.type == "image" and part.type == "text" and (part.text or "").endswith("\n"):
            return True
    return False
