"""Phase one of a build: convert a block's rows, have their images verified, check what was made, and note the result.

Rows are judged in the order of the source, whatever order the image threads finish in. Nothing here knows of other
blocks, but for the verdicts on images that they share: what spans blocks (ids, limits, splits) comes afterwards.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from vlmdata.blocks import (
    IMAGE_SCHEMA,
    ROW_SCHEMA,
    Block,
    BlockId,
    BlockResult,
    Entry,
    Naming,
    conversation_schema,
    image_key,
    notes_text,
)
from vlmdata.conversation_rows import conversation_row
from vlmdata.image.names import ImageReferenceError
from vlmdata.protocols import Check, Converter, Describe, Tools
from vlmdata.record import (
    Change,
    Conversation,
    ImageReference,
    Problem,
    RawRecord,
    Rejection,
    Skip,
    rejection_dict,
    row_hash,
)
from vlmdata.verdicts import Verdicts, image_row

SAMPLES = 5
SHOWN = 200
OF_IMAGES = ("images.", "archive.", "network.")
"""Rules of what may be mended without changing the row."""

MAX_IMAGE_BYTES = 2_000_000_000
"""The images of one record: the offsets of Arrow's binary columns have 31 bits."""

HASH_LENGTH = 16


@dataclass(slots=True)
class Row:
    """A row on its way: what it was made into, and what was noticed about it."""

    entry: Entry
    conversations: list[Conversation] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    skip: Skip | None = None
    warnings: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def values(self) -> Any:
        """What the row holds, where it could be read."""
        return self.entry.values if isinstance(self.entry, RawRecord) else None

    @property
    def several(self) -> bool:
        """Whether the recipe makes several conversations of the row, each with its number behind the row's id."""
        return len({made.id for made in self.conversations} | {made.id for made in self.rejections}) > 1

    @property
    def name(self) -> str | None:
        """The row's id, where it has one."""
        ids = [made.id for made in self.conversations] + [made.id for made in self.rejections if made.id]
        if not ids:
            return None
        return ids[0].rpartition("/")[0] if self.several else ids[0]


@dataclass(slots=True)
class Started:
    """A block whose rows are converted and whose images are being verified."""

    id: BlockId
    rows: list[Row]
    keys: dict[int, bytes]


@dataclass(slots=True)
class Judged:
    """The good images of a block, by key, and whether others were no good."""

    images: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    images_failed: bool = False


@dataclass(slots=True)
class Scan:
    """Blocks to results. `start` a block early and `finish` it later, so that its images are verified meanwhile.

    `unique_ids`: whether ids come from a column that the recipe names, so that none may stand twice. `allowance` is how
    many rows the recipe's limit still lets through, where it has one; rows behind are left as they are, since the
    gathering will skip them. `describe` finds the texts that were written for rows without one.
    """

    converter: Callable[[Tools], Converter]
    matching: Callable[[str], Sequence[str]]
    verdicts: Verdicts
    checks: tuple[Check, ...]
    unique_ids: bool = True
    allowance: int | None = None
    describe: Describe | None = None
    _row: Row | None = None
    _convert: Converter | None = None

    def start(self, block: Block) -> Started:
        """Convert the rows of a block, and ask for the verdicts on their images."""
        started = Started(block.id, [], {})
        for entry in block.entries:
            row = self._converted(entry)
            started.rows.append(row)
            for reference in (reference for made in row.conversations for reference in made.images):
                if id(reference) not in started.keys:
                    key = started.keys[id(reference)] = image_key(reference)
                    self.verdicts.ask(key, reference)
        self.verdicts.hand_on()
        return started

    def count_passed(self, rows: int) -> None:
        """Take rows off the allowance that were let through elsewhere."""
        if self.allowance is not None:
            self.allowance = max(self.allowance - rows, 0)

    def finish(self, started: Started, waiting: Callable[[], None]) -> BlockResult:
        """Wait for the verdicts, check what was made, and put down the result. `waiting` is called at each row."""
        judged = Judged()
        for row in started.rows:
            waiting()
            self._judge_images(row, started, judged)
        return self._result(started, judged)

    def _converted(self, entry: Entry) -> Row:
        self._row = row = Row(entry)
        if self.allowance == 0 and isinstance(entry, RawRecord):
            return row
        if self._convert is None:
            tools = Tools(warn=self._warn, changed=self._changed, matching=self.matching, describe=self.describe)
            self._convert = self.converter(tools)
        try:
            for made in self._convert(entry) if isinstance(entry, RawRecord) else (entry,):
                _sort(row, made)
        except ImageReferenceError as error:  # a pattern of names that leads out of the roots, or matches too much
            problem = Problem(rule=error.rule, message=error.message, hint=error.hint, field="images")
            row.conversations.clear()
            row.rejections = [Rejection(origin=entry.origin, problems=(_at(row, problem),), row=row.values)]
        if row.skip is None and isinstance(entry, RawRecord):
            self.count_passed(1)
        return row

    def _warn(self, problem: Problem) -> None:
        assert self._row is not None
        self._row.warnings.append(problem)

    def _changed(self, change: Change) -> None:
        assert self._row is not None
        self._row.changes.append(change)

    def _judge_images(self, row: Row, started: Started, judged: Judged) -> None:
        """Note the row's images; where one is no good, none of the row's conversations is made."""
        found: list[Problem] = []
        for place, reference in _places(row.conversations):
            key = started.keys[id(reference)]
            if key in judged.images:
                continue
            verdict = self.verdicts.answer(key, reference)
            if verdict.problem is not None:
                found.append(_at(row, replace(verdict.problem, field=f"images[{place}]")))
                continue
            if verdict.warnings:
                warnings = tuple(_at(row, replace(warning, field=f"images[{place}]")) for warning in verdict.warnings)
                verdict = replace(verdict, warnings=warnings)
            judged.images[key] = image_row(key, reference, verdict)
        found += _too_large(row, started, judged.images)
        if found:
            earlier = [problem for rejection in row.rejections for problem in rejection.problems]
            name = row.name or ""
            row.conversations.clear()
            problems = tuple(dict.fromkeys([*earlier, *found]))
            row.rejections = [Rejection(origin=row.entry.origin, problems=problems, row=row.values, id=name)]
        said = (problem for rejection in row.rejections for problem in rejection.problems)
        judged.images_failed |= any(problem.rule.startswith(OF_IMAGES) for problem in said)

    def _result(self, started: Started, judged: Judged) -> BlockResult:
        batch, places, problems = _batch(list(_conversations(started, judged)))
        written = _written(started) if self.describe is not None else {}
        for check in self.checks:
            for place, problem in _checked(check, batch, places):
                if problem.field.startswith(written.get(place, "-")):
                    problem = replace(problem, severity="error")  # noqa: PLW2901  (a written text is held to more)
                problems.setdefault(place, []).append(problem)
        bad = {place: found for place, found in problems.items() if any(p.severity == "error" for p in found)}
        samples: Counter[str] = Counter()
        rows, place = [], 0
        for row in started.rows:
            mine = range(place, place + len(row.conversations))
            row.warnings = [replace(problem, id=problem.id or row.name or "") for problem in row.warnings]
            row.warnings += [problem for each in mine if each not in bad for problem in problems.get(each, ())]
            row.rejections += list(_rejected(row, [bad.get(each) for each in mine]))
            rows.append(_row_row(row, sum(each not in bad for each in mine), samples, self.unique_ids))
            place = mine.stop
        if bad:
            batch = batch.filter(pa.array([place not in bad for place in places], pa.bool_()))
        return BlockResult(
            id=started.id,
            rows=pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA),
            conversations=batch,
            images=pa.RecordBatch.from_pylist(list(judged.images.values()), schema=IMAGE_SCHEMA),
            images_failed=judged.images_failed,
        )


def _conversations(started: Started, judged: Judged) -> Iterator[dict[str, Any]]:
    """Every conversation of a block as a row of its table."""
    shas = {key: image["sha256"] for key, image in judged.images.items()}
    for entry, row in enumerate(started.rows):
        for made in row.conversations:
            keys = [started.keys[id(reference)] for reference in made.images]
            yield conversation_row(made, keys, shas, entry)


def _written(started: Started) -> dict[int, str]:
    """The conversations whose text this recipe had written, by their places, and the field of their answer."""
    made = (conversation for row in started.rows for conversation in row.conversations)
    return {place: f"messages[{len(each.messages) - 1}]" for place, each in enumerate(made) if each.provenance}


def _sort(row: Row, made: Conversation | Rejection | Skip) -> None:
    """Put one thing that a row was made into where it belongs."""
    if isinstance(made, Conversation):
        row.conversations.append(made)
    elif isinstance(made, Rejection):
        row.rejections.append(made)
    else:
        row.skip = made


def _places(conversations: Iterable[Conversation]) -> Iterator[tuple[int, ImageReference]]:
    """Each different reference of a row's conversations, and its place in the first one that names it."""
    seen: set[int] = set()
    for conversation in conversations:
        for place, reference in enumerate(conversation.images):
            if id(reference) not in seen:
                seen.add(id(reference))
                yield place, reference


def _too_large(row: Row, started: Started, images: dict[bytes, dict[str, Any]]) -> Iterator[Problem]:
    """Conversations whose images together are more than a list of an Arrow file can hold."""
    for conversation in row.conversations:
        total = 0
        for reference in conversation.images:
            image = images.get(started.keys[id(reference)])
            total += image["size"] if image is not None else 0
        if total > MAX_IMAGE_BYTES:
            message = f"its images are {total:,} bytes together, at most {MAX_IMAGE_BYTES:,} fit into one record"
            hint = "leave some out, or set images.max and images.resize"
            yield _at(row, Problem(rule="images.too_large", message=message, field="images", hint=hint))
            return


def _at(row: Row, problem: Problem) -> Problem:
    """The problem where its row stands, and by the row's name."""
    origin = row.entry.origin
    return replace(problem, source=origin.source, line=origin.line, id=problem.id or row.name or "")


def _batch(entries: list[dict[str, Any]]) -> tuple[pa.RecordBatch, Sequence[int], dict[int, list[Problem]]]:
    """Conversations as a batch, the place of each of its rows among them, and by their places the problems of those
    that hold half a character, which no file can store."""
    schema = conversation_schema()
    try:
        return pa.RecordBatch.from_pylist(entries, schema=schema), range(len(entries)), {}
    except (UnicodeEncodeError, pa.ArrowInvalid):
        fit, unfit = [], {}
        for place, entry in enumerate(entries):
            try:
                pa.RecordBatch.from_pylist([entry], schema=schema)
                fit.append(place)
            except (UnicodeEncodeError, pa.ArrowInvalid):
                message = "the text holds half of a surrogate pair, which is no character"
                origin = entry["origin"]
                problem = Problem(
                    rule="text.surrogate", message=message, id=entry["id"], source=origin["source"], line=origin["line"]
                )
                unfit[place] = [problem]
        return pa.RecordBatch.from_pylist([entries[place] for place in fit], schema=schema), fit, unfit


def _checked(check: Check, batch: pa.RecordBatch, places: Sequence[int]) -> Iterator[tuple[int, Problem]]:
    """What a check finds, with the conversation's place. It is given numbers for ids, since two rows may have one id
    and only one of them something wrong."""
    ids = batch.column("id")
    at = batch.schema.get_field_index("id")
    for problem in check(batch.set_column(at, "id", pa.array(map(str, range(len(ids))), pa.string()))):
        number = int(problem.id)
        yield places[number], replace(problem, id=ids[number].as_py())


def _rejected(row: Row, bad: Sequence[list[Problem] | None]) -> Iterator[Rejection]:
    """The rejections of a row's conversations, `bad` being what is wrong with each of them."""
    several = row.several
    for number, (conversation, found) in enumerate(zip(row.conversations, bad, strict=True)):
        if found is not None:
            suffix = conversation.id.rpartition("/")[2] if several else "0"
            yield Rejection(
                origin=row.entry.origin,
                problems=tuple(found),
                row=row.values,
                conversation=int(suffix) if suffix.isdigit() else number,
                id=conversation.id,
            )


def _naming(row: Row, name: str | None, unique_ids: bool) -> Naming | None:
    if name is None or unique_ids:
        return "column"
    return "hash" if len(name) == HASH_LENGTH and name == row_hash(row.values or {}) else "own"


def _row_row(row: Row, accepted: int, samples: Counter[str], unique_ids: bool) -> dict[str, Any]:
    """A row as the block's table holds it. `accepted`: how many of its conversations are good."""
    origin, name = row.entry.origin, row.name
    of_conversations = sum(rejection.conversation is not None for rejection in row.rejections)
    rejections = sorted(row.rejections, key=lambda rejection: rejection.conversation or 0)
    return {
        "source": origin.source,
        "row": origin.row,
        "line": origin.line,
        "last_line": origin.last_line,
        "readable": isinstance(row.entry, RawRecord),
        "passed": isinstance(row.entry, RawRecord) and row.skip is None,
        "skip": row.skip.reason if row.skip is not None else None,
        "id": name.encode("utf-8", "backslashreplace").decode() if name is not None else None,
        "naming": _naming(row, name, unique_ids),
        "made": accepted + of_conversations,
        "accepted": accepted,
        "rejections": json.dumps([rejection_dict(each) for each in rejections]) if rejections else None,
        "notes": notes_text(row.warnings, [_sampled(change, samples) for change in row.changes]),
    }


def _sampled(change: Change, samples: Counter[str]) -> Change:
    """A change with what it changed, shortened, or without where the block has shown enough of its rule."""
    samples[change.rule] += 1
    if samples[change.rule] > SAMPLES:
        return replace(change, before="", after="")
    return replace(change, before=change.before[:SHOWN], after=change.after[:SHOWN])
