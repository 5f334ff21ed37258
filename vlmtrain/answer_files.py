"""The files that answers to many new rows end up in: JSON Lines or CSV, and the rejected rows beside them."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from vlmdata.errors import ConfigError, LedgerError, OutputError
from vlmtrain.answer_journal import AnswerJournal, Line, encoded

ENDINGS = (".jsonl", ".ndjson", ".csv")


@dataclass(slots=True, kw_only=True)
class Counts:
    """What became of the rows. `cut` are answers that `max_new_tokens` ended."""

    read: int = 0
    answered: int = 0
    rejected: int = 0
    cut: int = 0
    tokens: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected_by_rule: Counter[str] = field(default_factory=Counter)

    def add(self, line: Line) -> None:
        """Count a decided row."""
        if "rejected" in line:
            self.rejected += 1
            self.rejected_by_rule.update({problem["rule"] for problem in line["rejected"]["problems"]})
        elif "skipped" in line:
            self.skipped[line["skipped"]] += 1
        else:
            self.answered += 1
            self.tokens += line["answer"]["tokens"]
            self.cut += not line["answer"]["finished"]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "read": self.read,
            "answered": self.answered,
            "rejected": self.rejected,
            "skipped": dict(sorted(self.skipped.items())),
            "rejected_by_rule": dict(sorted(self.rejected_by_rule.items())),
            "cut": self.cut,
            "tokens": self.tokens,
        }

    def check(self) -> None:
        """Raise LedgerError where a row vanished: that would be our bug."""
        ended = self.answered + self.rejected + self.skipped.total()
        if self.read != ended:
            raise LedgerError(f"rows read == answered + rejected + skipped: {self.read:,} != {ended:,}")


def rejected_file(out: Path) -> Path:
    """Where the rejected rows go."""
    return out.with_name(f"{out.name}.rejected.jsonl")


def refuse(out: Path, *, replace: bool, resume: bool) -> None:
    """Raise ConfigError for an ending that says no format, OutputError where something stands there already.

    Going on with a run that was killed while it published, the rejected rows may be in their place already.
    """
    if out.suffix.lower() not in ENDINGS:
        raise ConfigError(f"--out {out}: ends in {out.suffix!r}; the answers are written as .jsonl or .csv")
    for file in (out,) if resume else (out, rejected_file(out)):
        if file.is_dir():
            raise OutputError(f"{file}: is a folder; name a file")
        if file.exists() and not replace:
            raise OutputError(f"{file}: exists already; name another file, or say --replace")


def publish(journal: AnswerJournal, out: Path, *, read: int, id_column: str | None) -> Counts:
    """Write both files from the journal and put them in their places, whole; without rejected rows there is one."""
    counts = Counts(read=read)
    made, rejected = journal.folder / "answers", journal.folder / "rejected"
    columns = _columns(journal) if out.suffix.lower() == ".csv" else None
    with rejected.open("wb") as refused, _writer(made, columns, id_column) as write:
        for line in journal.rows():
            counts.add(line)
            if "rejected" in line:
                refused.write(encoded(line["rejected"]))
            elif "answer" in line:
                write(line)
    counts.check()
    for file in (made, rejected):
        _sync(file)
    if counts.rejected:
        rejected.replace(rejected_file(out))
    else:
        rejected_file(out).unlink(missing_ok=True)
    made.replace(out)
    journal.clear()
    return counts


def _columns(journal: AnswerJournal) -> list[str]:
    """Every column that an answered row has, in the order in which they turn up."""
    return list(dict.fromkeys(name for line in journal.rows() for name in line.get("values", ())))


@contextmanager
def _writer(file: Path, columns: Sequence[str] | None, id_column: str | None) -> Iterator[Any]:
    """A function that writes an answered row; with `columns` as CSV."""
    if columns is None:
        with file.open("wb") as lines:
            yield lambda line: lines.write(encoded(line["answer"]))
        return
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as text:
        table = _Table(text, columns, id_column)
        yield table.write


class _Table:
    """A CSV: the row's id, unless a column of the input is just that, the input's columns, and the answer.

    Where the input has a column `id` or `answer` of its own, ours is called so with `_2` behind it.
    """

    def __init__(self, file: IO[str], columns: Sequence[str], id_column: str | None) -> None:
        self._columns = columns
        self._with_id = id_column not in columns
        self._file = csv.writer(file, lineterminator="\n")
        first = [_free("id", columns)] if self._with_id else []
        self._file.writerow([*first, *columns, _free("answer", columns)])

    def write(self, line: Line) -> None:
        """Write an answered row."""
        answer, values = line["answer"], line["values"]
        first = [answer["id"]] if self._with_id else []
        self._file.writerow([*first, *(_cell(values.get(name)) for name in self._columns), answer["text"]])


def _free(name: str, taken: Iterable[str]) -> str:
    """A name that no column has."""
    number = 1
    while (made := name if number == 1 else f"{name}_{number}") in set(taken):
        number += 1
    return made


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | Mapping | bool) else str(value)


def _sync(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
