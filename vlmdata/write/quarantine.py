"""rejected.jsonl: every row that did not make it, with each reason, in a form that can be built from again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from vlmdata.record import Rejection, rejection_from

FILE = "rejected.jsonl"


class Quarantine:
    """Writes rejections as JSON lines, in the order in which they come. To be closed, as a file is."""

    def __init__(self, folder: Path) -> None:
        self._file: TextIO = (folder / FILE).open("w", encoding="utf-8", newline="\n")

    def write(self, rejection: Mapping[str, Any]) -> None:
        """Append one rejection, as plain data."""
        line = json.dumps(rejection, ensure_ascii=False)
        try:
            self._file.write(line + "\n")
        except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
            self._file.write(json.dumps(rejection) + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def read_quarantine(folder: Path) -> Iterator[Rejection]:
    """The rejections of a build, one by one."""
    with (folder / FILE).open(encoding="utf-8") as file:
        for line in file:
            yield rejection_from(json.loads(line))
