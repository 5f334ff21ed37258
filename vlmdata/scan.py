"""Phase one of a build: read every row, verify its images, convert and check it, and note the result in the index.

Rows are judged in the order of the source, whatever order the image threads finish in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from vlmdata.image.verifying import Verified
from vlmdata.index import ImageTable, IndexWriter, index_batch
from vlmdata.ledger import Ledger
from vlmdata.protocols import Check, Shard
from vlmdata.record import Conversation, ImageReference, Origin, Problem, RawRecord, Rejection, Skip

WINDOW_ROWS = 128
BATCH_CONVERSATIONS = 512

Converted = Conversation | Rejection | Skip


@dataclass(slots=True)
class Row:
    """A row on its way: what it holds, what it was made into, and what is wrong with it."""

    origin: Origin
    values: Any = None
    conversations: list[Conversation] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    skip: Skip | None = None

    @property
    def several(self) -> bool:
        """Whether the recipe makes several conversations of a row, each with its number behind the row's id."""
        return len(self.conversations) + len(self.rejections) > 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Where a scan puts what it finds."""

    index: IndexWriter
    images: ImageTable
    ledger: Ledger
    reject: Callable[[Rejection], None]
    warn: Callable[[Problem], None]


@dataclass(slots=True, kw_only=True)
class Scan:
    """The state of one scan: verdicts on images, ids seen, and the batch that is being filled."""

    convert: Callable[[RawRecord], Iterable[Converted]]
    submit: Callable[[ImageReference], Future[Verified]]
    checks: tuple[Check, ...]
    outcome: Outcome
    verdicts: dict[ImageReference, int | Problem] = field(default_factory=dict)
    pending: dict[ImageReference, Future[Verified]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    batch: list[Row] = field(default_factory=list)

    def run(self, shards: Iterable[Shard], progress: Callable[[int], None]) -> None:
        """Scan every shard to its end."""
        for shard in shards:
            for row in self._in_window(shard):
                self._judge(row)
                self.batch.append(row)
                if len(self.batch) >= BATCH_CONVERSATIONS:
                    self._flush()
                    progress(self.outcome.ledger.rows_read)
            self.outcome.ledger.lines_read += shard.lines_read
            self.outcome.ledger.lines_of_header += shard.lines_of_header
        self._flush()
        progress(self.outcome.ledger.rows_read)

    def _in_window(self, shard: Shard) -> Iterator[Row]:
        """Rows in order, their images asked for ahead of time, never more than a window of them."""
        window: deque[Row] = deque()
        for entry in shard:
            window.append(self._read(entry))
            if len(window) >= WINDOW_ROWS:
                yield window.popleft()
        yield from window

    def _read(self, entry: RawRecord | Rejection | Skip) -> Row:
        row = Row(entry.origin)
        for made in self.convert(entry) if isinstance(entry, RawRecord) else (entry,):
            if isinstance(made, Conversation):
                row.conversations.append(made)
            elif isinstance(made, Rejection):
                row.rejections.append(made)
            else:
                row.skip = made
        if isinstance(entry, RawRecord):
            row.values = entry.values
        for reference in {reference for made in row.conversations for reference in made.images}:
            if reference not in self.verdicts and reference not in self.pending:
                self.pending[reference] = self.submit(reference)
        return row

    def _verdict(self, reference: ImageReference) -> int | Problem:
        if reference not in self.verdicts:
            verified = self.pending.pop(reference).result()
            if verified.image is None:
                self.verdicts[reference] = verified.problem or Problem(rule="images.corrupt", message="no verdict")
            else:
                self.verdicts[reference] = self.outcome.images.add(reference, verified.image)
        return self.verdicts[reference]

    def _judge(self, row: Row) -> None:
        """Find what is wrong with the row as a whole: its images and its id. Then none of its conversations is made."""
        found = list(self._row_problems(row))
        if found:
            found = [*(problem for rejection in row.rejections for problem in rejection.problems), *found]
            row.conversations.clear()
            row.rejections = [Rejection(origin=row.origin, problems=tuple(found), row=row.values)]

    def _row_problems(self, row: Row) -> Iterator[Problem]:
        if not row.conversations:
            return
        first = row.conversations[0]
        name = first.id.rpartition("/")[0] if row.several else first.id
        earlier = self.seen.setdefault(name, row.origin.line)
        if earlier != row.origin.line:
            message = f"the id {name!r} stands already in line {earlier}"
            yield _at(row, Problem(rule="id.duplicate", message=message, field="id", hint="ids must be unique"))
        for place, reference in enumerate(first.images):
            verdict = self._verdict(reference)
            if isinstance(verdict, Problem):
                yield _at(row, replace(verdict, field=f"images[{place}]"))

    def _flush(self) -> None:
        """Check the batch's conversations together, and put every row where it belongs."""
        made = [conversation for row in self.batch for conversation in row.conversations]
        problems = self._check(made)
        bad = {name: found for name, found in problems.items() if any(p.severity == "error" for p in found)}
        accepted = [conversation for conversation in made if conversation.id not in bad]
        for row in self.batch:
            self._settle(row, bad)
        for name in problems.keys() - bad.keys():
            for problem in problems[name]:
                self.outcome.warn(problem)
        self._write(accepted)
        self.batch.clear()

    def _write(self, accepted: list[Conversation]) -> None:
        references = {reference for conversation in accepted for reference in conversation.images}
        numbers = {reference: number for reference in references if isinstance(number := self.verdicts[reference], int)}
        self.outcome.index.write(index_batch(accepted, numbers, self.outcome.images))

    def _check(self, made: list[Conversation]) -> dict[str, list[Problem]]:
        numbers = {reference: 0 for conversation in made for reference in conversation.images}
        for reference in numbers:
            verdict = self.verdicts[reference]
            numbers[reference] = verdict if isinstance(verdict, int) else 0
        batch = index_batch(made, numbers, self.outcome.images)
        found: dict[str, list[Problem]] = {}
        for check in self.checks:
            for problem in check(batch):
                found.setdefault(problem.id, []).append(problem)
        return found

    def _settle(self, row: Row, bad: dict[str, list[Problem]]) -> None:
        """Count the row and write its rejections."""
        ledger = self.outcome.ledger
        ledger.rows_read += 1
        ledger.lines_of_rows += row.origin.lines
        if row.skip is not None:
            ledger.skipped[row.skip.reason] += 1
            return
        rejections = [*row.rejections, *_rejected(row, bad)]
        kept = len(row.conversations) - sum(conversation.id in bad for conversation in row.conversations)
        of_conversations = [rejection for rejection in rejections if rejection.conversation is not None]
        ledger.conversations_made += len(row.conversations) + sum(r.conversation is not None for r in row.rejections)
        ledger.conversations_accepted += kept
        ledger.conversations_rejected += len(of_conversations)
        ledger.rows_used += kept > 0
        ledger.rows_rejected += kept == 0
        ledger.rows_with_rejection += bool(rejections)
        for rejection in sorted(rejections, key=lambda rejection: rejection.conversation or 0):
            self.outcome.reject(rejection)


def _rejected(row: Row, bad: dict[str, list[Problem]]) -> Iterator[Rejection]:
    for number, conversation in enumerate(row.conversations):
        if conversation.id in bad:
            suffix = conversation.id.rpartition("/")[2] if row.several else "0"
            yield Rejection(
                origin=row.origin,
                problems=tuple(bad[conversation.id]),
                row=row.values,
                conversation=int(suffix) if suffix.isdigit() else number,
                id=conversation.id,
            )


def _at(row: Row, problem: Problem) -> Problem:
    return replace(problem, source=row.origin.source, line=row.origin.line)
