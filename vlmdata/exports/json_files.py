"""Rows as JSON: one a line, or a list with one row a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlmdata.exports.protocol import Written

LINE_ENDS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
"""What some readers take for the end of a line, as the escape that stands for it inside a JSON text."""


def as_json(data: Any) -> str:
    """JSON on one line, whoever counts the lines."""
    text = json.dumps(data, ensure_ascii=False)
    for sign, escape in LINE_ENDS.items():
        text = text.replace(sign, escape)
    return text


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Written:
    """JSON Lines."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(f"{as_json(row)}\n")
            count += 1
    return Written(rows=count, files=(path.name,))


def write_list(path: Path, rows: Iterable[Mapping[str, Any]]) -> Written:
    """A JSON list."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for row in rows:
            file.write(f"{',' if count else ''}\n{as_json(row)}")
            count += 1
        file.write("\n]\n")
    return Written(rows=count, files=(path.name,))
