"""Messages as lists of typed parts in JSON, as transformers' chat templates take them; the images stand elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmdata.record import Message


def part_rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages of parts, without empty keys."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "image"} if part.type == "image" else {"type": "text", "text": part.text or ""}
                for part in message.content
            ],
        }
        for message in messages
    ]
