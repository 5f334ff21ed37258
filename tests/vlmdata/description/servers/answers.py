"""What the model of a test writes: a pure function of what it is asked, so that two runs can be compared."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

OPENINGS = ("This item comes with", "Here you see a piece with", "The maker gave this piece", "It stands out for")
TRAITS = ("a smooth surface", "a clear outline", "a steady base", "a soft colour", "a careful finish", "a simple shape")
USES = ("for the kitchen table", "for everyday use", "for a quiet corner", "as a present", "for the whole family")


def described(prompt: str, shas: Sequence[str]) -> str:
    """A few English sentences that are the same for the same prompt and pictures, and others for others."""
    chance = random.Random(hashlib.sha256("\n".join([prompt, *shas]).encode()).digest())
    first, second = chance.sample(TRAITS, 2)
    photos = f"{len(shas)} photo{'' if len(shas) == 1 else 's'}"
    mark = hashlib.sha256("\n".join(shas).encode()).hexdigest()[:8] if shas else "none"
    return (
        f"{chance.choice(OPENINGS)} {first} and {second}, made {chance.choice(USES)}. "
        f"It is shown in {photos} under the mark {mark}-{chance.randrange(10**6):06d}, and it is easy to clean."
    )


def answered(prompt: str, shas: Sequence[str], schema: Mapping[str, Any] | None) -> str:
    """The text, or JSON after the schema."""
    text = described(prompt, shas)
    return text if schema is None else json.dumps(_value(schema, text), ensure_ascii=False)


def _value(schema: Mapping[str, Any], text: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type", "string")).lower()
    if kind == "object":
        return {name: _value(part, text) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema.get("items", {}), text)]
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, text)
