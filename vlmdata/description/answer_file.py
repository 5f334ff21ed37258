"""Descriptions out of a JSON Lines file, for people who write them by hand, or with a tool of their own. No network.

A line is `{"id": "sku-1", "text": "..."}`, by the row's id, or `{"key": "...", "text": "..."}`, by the request's key.
Where the recipe has a schema, `answer` holds what follows it instead of `text`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlmdata.description.provider import Ask, ProviderSettings, Reply, Usage
from vlmdata.errors import ConfigError

MODEL = "file"
MOST_SHOWN = 20


def open_provider(settings: ProviderSettings) -> AnswerFile:
    """The provider `file`. Raises ConfigError with all that is wrong with the file."""
    if settings.path is None:
        raise ConfigError("the provider 'file' needs the name of a JSON Lines file with the answers")
    return AnswerFile(settings.path)


class AnswerFile:
    """Knows where each answer stands in the file, and reads it when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = _places(path)

    async def ask(self, ask: Ask) -> Reply:
        """The answer for a row; an empty one where the file has none."""
        place = self._places.get(("key", ask.key), self._places.get(("id", ask.id)))
        if place is None:
            return Reply(text="", finish="empty", usage=Usage(), model=MODEL, reason=f"not in {self._path.name}")
        with self._path.open("rb") as lines:
            lines.seek(place)
            line = json.loads(lines.readline())
        answer = line["answer"] if "answer" in line else line["text"]
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return Reply(text=text, finish="stop" if text.strip() else "empty", usage=Usage(), model=MODEL)

    async def close(self) -> None:
        """Nothing is held open."""


def answered_names(path: Path) -> list[str]:
    """The rows that a file answers, by id or key, in its order. Raises ConfigError for a file that can't be used."""
    return [name for _, name in _places(path)]


def _places(path: Path) -> dict[tuple[str, str], int]:
    """Where each answer's line begins, by `id` or `key`."""
    places: dict[tuple[str, str], int] = {}
    wrong = []
    try:
        with path.open("rb") as lines:
            place = 0
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    name, mistake = _name(line)
                    if name and name in places:
                        mistake = f"{name[0]} {name[1]!r} has an answer already, in an earlier line"
                    if mistake:
                        wrong.append(f"{path.name}:{number}: {mistake}")
                    if name:
                        places.setdefault(name, place)
                place += len(line)
    except OSError as error:
        raise ConfigError(f"{path.name}: the file of answers can't be read: {error.strerror}") from None
    if wrong:
        more = f"\nand {len(wrong) - MOST_SHOWN:,} more" if len(wrong) > MOST_SHOWN else ""
        raise ConfigError("\n".join(["the file of answers can't be used as it is:", *wrong[:MOST_SHOWN]]) + more)
    return places


def _name(line: bytes) -> tuple[tuple[str, str] | None, str]:
    """What a line answers, and what is wrong with it."""
    try:
        body: Any = json.loads(line)
    except RecursionError:
        return None, 'JSON that is nested too deeply; expected {"id": ..., "text": ...}'
    except ValueError:
        return None, 'no JSON; expected {"id": ..., "text": ...}'
    if not isinstance(body, dict):
        return None, f'{type(body).__name__} found; expected {{"id": ..., "text": ...}}'
    named = [(name, str(body[name])) for name in ("key", "id") if isinstance(body.get(name), str | int)]
    if not named:
        return None, 'neither "id" nor "key" says which row this answers'
    if not isinstance(body.get("text"), str) and "answer" not in body:
        return named[0], '"text" is missing, or no text'
    return named[0], ""
