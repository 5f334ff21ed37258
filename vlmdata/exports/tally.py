"""Rows on their way to an exporter: each judged and counted, and those that can't go written down with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmdata.errors import LedgerError
from vlmdata.exports.json_files import as_json
from vlmdata.exports.judging import LOSSES, losses, refusals
from vlmdata.exports.protocol import Exporter
from vlmdata.exports.result import NOT_EXPORTED, ExportResult, Loss
from vlmdata.exports.row import Row
from vlmdata.record import Problem, problem_dict

EXAMPLES = 5
LOCATED = "location"


@dataclass(slots=True)
class Tally:
    """What is counted while rows pass, and the file that those go to which can't be exported.

    `tells_place` says of a picture whether it says where it was taken, or may; of none where nothing is to be uploaded.
    """

    file: Path
    tells_place: Callable[[memoryview], bool] = lambda _: False
    read: int = 0
    refused: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    references: int = 0
    image_bytes: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    located: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    _lines: Any = None

    @classmethod
    @contextmanager
    def into(cls, folder: Path, tells_place: Callable[[memoryview], bool]) -> Iterator[Tally]:
        """A tally whose file stands in a folder; where every row could go, there is none."""
        tally = cls(folder / NOT_EXPORTED, tells_place)
        try:
            with tally.file.open("w", encoding="utf-8", newline="\n") as tally._lines:
                yield tally
        finally:
            if not tally.refused:
                tally.file.unlink(missing_ok=True)

    def passing(self, rows: Iterable[Row], exporter: Exporter) -> Iterator[Row]:
        """Judge each row, and let those pass that the format can hold."""
        for row in rows:
            self.read += 1
            found = [*refusals(row, exporter.holds), *exporter.refusals(row)]
            if found:
                self._refuse(row, found)
                continue
            self._count(row, [*losses(row, exporter.holds), *exporter.losses(row)])
            yield row

    def _refuse(self, row: Row, found: Sequence[Problem]) -> None:
        self.refused += 1
        self.reasons.update({problem.rule for problem in found})
        self.problems += found[: max(EXAMPLES - len(self.problems), 0)]
        origin = {"source": row.origin.source, "row": row.origin.row, "line": row.origin.line}
        entry = {"id": row.id, "split": row.split, "origin": origin, "problems": [problem_dict(one) for one in found]}
        self._lines.write(f"{as_json(entry)}\n")

    def _count(self, row: Row, kinds: Iterable[str]) -> None:
        self.splits[row.split] += 1
        self.references += len(row.images)
        self.image_bytes += sum(len(picture.data) for picture in row.images)
        for kind in dict.fromkeys(kinds):
            self.lost[kind] += 1
            self._example(kind, row)
        if any(self.tells_place(picture.data) for picture in row.images):
            self.located += 1
            self._example(LOCATED, row)

    def _example(self, kind: str, row: Row) -> None:
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(row.id)

    def result(self, out: Path, name: str, exporter: Exporter, files: Sequence[str]) -> ExportResult:
        """The counts, which must balance."""
        exported = sum(self.splits.values())
        if self.read != exported + self.refused:
            raise LedgerError(f"{self.read} rows read, {exported} exported and {self.refused} not")
        return ExportResult(
            path=out,
            format=name,
            rows_read=self.read,
            rows_exported=exported,
            rows_not_exported=self.refused,
            splits=dict(self.splits),
            files=tuple(files),
            image_references=self.references,
            image_bytes=self.image_bytes,
            losses=tuple(self._losses(exporter.holds.reader)),
            located=self._located(),
            reasons=dict(sorted(self.reasons.items())),
            problems=tuple(self.problems),
            opening=exporter.finish(),
        )

    def _located(self) -> Loss | None:
        if not self.located:
            return None
        meaning = "their photos say where they were taken, or may; images.metadata: strip_location takes that out"
        return Loss(kind=LOCATED, meaning=meaning, rows=self.located, examples=tuple(self.examples[LOCATED]))

    def _losses(self, reader: str) -> Iterator[Loss]:
        for kind, meaning in LOSSES.items():
            if self.lost[kind]:
                said = meaning.format(reader=reader)
                yield Loss(kind=kind, meaning=said, rows=self.lost[kind], examples=tuple(self.examples[kind]))
