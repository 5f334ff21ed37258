"""Answers to many new rows, put down batch by batch, so that a run that was killed goes on where it stopped.

The journal is JSON Lines, a line for each answer as its batch is made, in no order; then, once a window of rows is
decided, a line for each row that was rejected or left out, and one that closes the window. Every append is on the disk
when it returns. A line that was torn by a kill is cut off, and its row asked again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmdata.errors import OutputError

JOURNAL, IDENTITY = "journal.jsonl", "identity.json"
Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an interrupted run left: how many rows are decided, and answers of the window that was under way."""

    done: int = 0
    answers: Mapping[int, Line] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJournal:
    """The journal in a folder beside the output."""

    folder: Path

    def exists(self) -> bool:
        """Whether a run was interrupted here."""
        return (self.folder / IDENTITY).is_file()

    def begin(self, identity: Mapping[str, Any], *, resume: bool) -> Left:
        """Begin anew, or go on with what is there. Raises OutputError where that was another run."""
        if resume and self.exists():
            self._refuse_other(identity)
            self._cut_torn_line()
            return self._left()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / JOURNAL).touch()
        (self.folder / IDENTITY).write_text(json.dumps(identity, indent=2), encoding="utf-8")
        return Left()

    @contextmanager
    def kept_where_begun(self) -> Iterator[None]:
        """Where the block fails before anything was answered, there is nothing to go on with."""
        try:
            yield
        except BaseException:
            if not (self.folder / JOURNAL).stat().st_size:
                self.clear()
            raise

    def append(self, lines: Iterable[Line]) -> None:
        """Put lines down for good."""
        with (self.folder / JOURNAL).open("ab") as file:
            file.write(b"".join(encoded(line) for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def close_window(self, done: int, lines: Iterable[Line]) -> None:
        """The rows of a window that were not asked; with it the first `done` rows of the input are decided."""
        self.append([*lines, {"done": done}])

    def rows(self) -> Iterator[Line]:
        """Every decided row, in the order of the input; a window at a time is in memory."""
        window: dict[int, Line] = {}
        for line in self._lines():
            if "done" in line:
                yield from (window[row] for row in sorted(window))
                window.clear()
            else:
                window[line["row"]] = line

    def clear(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _left(self) -> Left:
        done = 0
        answers: dict[int, Line] = {}
        for line in self._lines():
            if "done" in line:
                done = line["done"]
                answers.clear()
            elif "answer" in line:
                answers[line["row"]] = line
        return Left(done=done, answers=answers)

    def _lines(self) -> Iterator[Line]:
        with (self.folder / JOURNAL).open("rb") as file:
            for line in file:
                yield json.loads(line)

    def _cut_torn_line(self) -> None:
        with (self.folder / JOURNAL).open("r+b") as file:
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
            file.truncate(whole)

    def _refuse_other(self, identity: Mapping[str, Any]) -> None:
        before = json.loads((self.folder / IDENTITY).read_text(encoding="utf-8"))
        now = json.loads(json.dumps(identity))
        differ = [_difference(key, before.get(key), now.get(key)) for key in {**before, **now}]
        if told := [said for said in differ if said]:
            raise OutputError(
                f"{self.folder.name}: what was interrupted had another {', '.join(told)}; go on with the same, or "
                "begin again with --replace"
            )


def _difference(name: str, before: Any, now: Any) -> str:
    """What differs between two runs under a name, in words; nothing where they are alike."""
    if before == now:
        return ""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return name
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return f"{name} ({', '.join(f'{key}: {before.get(key)} then, {now.get(key)} now' for key in changed)})"


def encoded(value: Any) -> bytes:
    """A line of JSON. Half a surrogate pair, which UTF-8 can't hold, stands as JSON's escape for it."""
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"
