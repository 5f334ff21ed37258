"""rejected.jsonl: every row that did not make it, with each reason, in a form that can be built from again."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from vlmdata.record import Origin, Problem, Rejection, problem_dict

FILE = "rejected.jsonl"


class Quarantine:
    """Writes rejections as JSON lines, in the order in which they come. To be closed, as a file is."""

    def __init__(self, folder: Path) -> None:
        self._file: TextIO = (folder / FILE).open("w", encoding="utf-8", newline="\n")

    def write(self, rejection: Rejection) -> None:
        """Append one rejection."""
        self._file.write(json.dumps(as_json(rejection), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def as_json(rejection: Rejection) -> dict[str, Any]:
    """A rejection as plain data. A row that could not be read stands as its text, or as base64 where it is no text."""
    origin = rejection.origin
    found: dict[str, Any] = {
        "origin": {"source": origin.source, "row": origin.row, "line": origin.line, "last_line": origin.last_line},
        "problems": [problem_dict(problem) for problem in rejection.problems],
    }
    if rejection.id:
        found["id"] = rejection.id
    if rejection.conversation is not None:
        found["conversation"] = rejection.conversation
    if rejection.row is not None:
        found["row"] = dict(rejection.row)
    elif isinstance(rejection.raw, bytes):
        found["raw_base64"] = b64encode(rejection.raw).decode("ascii")
    elif rejection.raw is not None:
        found["raw"] = rejection.raw
    return found


def read_quarantine(folder: Path) -> Iterator[Rejection]:
    """The rejections of a build, one by one."""
    with (folder / FILE).open(encoding="utf-8") as file:
        for line in file:
            yield _rejection(json.loads(line))


def _rejection(data: Mapping[str, Any]) -> Rejection:
    raw = b64decode(data["raw_base64"]) if "raw_base64" in data else data.get("raw")
    return Rejection(
        origin=Origin(**data["origin"]),
        problems=tuple(Problem(**problem) for problem in data["problems"]),
        row=data.get("row"),
        raw=raw,
        conversation=data.get("conversation"),
        id=data.get("id", ""),
    )
