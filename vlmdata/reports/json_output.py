"""JSON as reports print it: readable in any script, and safe to show in any terminal."""

from __future__ import annotations

import json
import re
from typing import Any

UNUSUAL = re.compile(r"[^\n -~]")


def json_text(value: Any) -> str:
    """Indented JSON. Letters of all scripts stay; what does not print, or moves text about, stands as its code."""
    return UNUSUAL.sub(_escaped, json.dumps(value, indent=2, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character == "\x7f":
        return "\\u007f"
    return character if character.isprintable() else json.dumps(character)[1:-1]
