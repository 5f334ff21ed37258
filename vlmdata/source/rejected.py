"""The rejected.jsonl of an earlier build as a source: its rows are repaired in that file, and built from again.

A row's origin is its line in rejected.jsonl, which is where a person looks for it; the row's values, and with them its
id, are those of the first build. What that build could not read has no values: it is rejected again until somebody
writes them under `row`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.settings import to_dataclass
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.json_lines import JsonLinesShard, JsonLinesSource
from vlmdata.source.known_columns import Entry, columns_of

KEYS_OF_BYTES = frozenset({"bytes", "sha256"})
"""What stands in rejected.jsonl for bytes, such as an image's: how many they are, and their hash."""

AGAIN = "the same row stands above"
ADVICE = 'write the row into this line as "row": {"column": "value", …}'


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedOptions:
    """`json` names columns whose cells hold JSON, as in the recipe of the first build; `of` is that recipe's source."""

    json: tuple[str, ...] = ()
    of: Mapping[str, Any] | None = None


def open_rejected(config: SourceConfig) -> Source:
    """The rejected.jsonl that a recipe names."""
    options = to_dataclass(RejectedOptions, config.options)
    cells = options.json or tuple((options.of or {}).get("options", {}).get("json", ()))
    return with_json_cells(RejectedSource(config.path), cells, config.nulls)


class RejectedSource:
    """One rejected.jsonl. Raises SourceError where it is none, or holds no row that could be built from."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLinesSource(path)
        self._name = path.name

    @property
    def files(self) -> Sequence[Path]:
        """The file."""
        return self._lines.files

    @cached_property
    def columns(self) -> Sequence[str]:
        """The keys of the first rows."""
        shard = JsonLinesShard(self._lines)
        try:
            return columns_of(self._name, self._entries(self._lines.entries(shard)), lambda: shard.bytes_read)
        except SourceError as error:
            if "the file is empty" in error.message:
                raise SourceError(f"{self._name}: the file is empty: no row was rejected") from None
            raise

    def shards(self) -> Sequence[RejectedShard]:
        """The file is one shard."""
        return (RejectedShard(self),)

    def rows(self, shard: RejectedShard) -> Iterator[Entry]:
        """Every line as its row, in order, and the counts noted in the shard."""
        lines = JsonLinesShard(self._lines)
        for entry in self._entries(self._lines.entries(lines)):
            shard.lines_read, shard.share_read = lines.lines_read, lines.share_read
            yield entry

    def _entries(self, lines: Iterable[Entry]) -> Iterator[Entry]:
        """The rows in the lines. Where several conversations of a row were rejected, the row stands there as often."""
        seen: set[bytes] = set()
        for line in lines:
            entry = _row(line) if isinstance(line, RawRecord) else line
            if isinstance(entry, RawRecord) and isinstance(line, RawRecord):
                origin = line.values.get("origin")
                digest = _digest(origin, entry.values)
                if digest in seen and isinstance(origin, Mapping):
                    entry = Skip(origin=entry.origin, reason=AGAIN)
                seen.add(digest)
            yield entry


@dataclass(slots=True)
class RejectedShard:
    """The whole file."""

    source: RejectedSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Entry]:
        self.lines_read = 0
        return self.source.rows(self)


def _row(line: RawRecord) -> RawRecord | Rejection:
    """The row of a line, with its own keys alone, so that its hash is that of the first build."""
    found, origin = line.values, line.origin
    row = found.get("row")
    if isinstance(row, dict):
        if holds_members(row):
            message = "the sample's images are in the tar, and not in this file"
            hint = f"repair the sample where it comes from{_came_from(found)}, and import the tar"
            return Rejection(origin=origin, problems=(_problem(origin, "rejected.bytes", message, hint),), row=row)
        missing = next((name for name, value in row.items() if holds_missing_bytes(value)), None)
        if missing is None:
            return RawRecord(origin=origin, values=row)
        message = f"the bytes of {missing!r} are not in this file, only their number and hash"
        hint = f"repair the row where it comes from{_came_from(found)}, or write a file's path in their place"
        return Rejection(origin=origin, problems=(_problem(origin, "rejected.bytes", message, hint),), row=row)
    if "raw" in found or "raw_base64" in found:
        reasons = ", ".join(_rules(found)) or "no reason is given"
        message = f"the earlier build could not read this row{_came_from(found)} ({reasons}); only its text stands here"
        problem = _problem(origin, "rejected.unread", message, ADVICE)
    else:
        message = "the line has no `row`; a line of a build's rejected.jsonl was expected"
        problem = _problem(origin, "rejected.form", message, "for rows of another kind, set source.type: jsonl")
    return Rejection(origin=origin, problems=(problem,), raw=_raw(found))


def _raw(found: Mapping[str, Any]) -> str | bytes:
    """The text or bytes of a row that could not be read; the line's own JSON where they are not there."""
    try:
        return b64decode(found["raw_base64"], validate=True) if "raw_base64" in found else str(found["raw"])
    except (KeyError, TypeError, ValueError):
        return json.dumps(found, ensure_ascii=False)


def holds_members(row: Mapping[str, Any]) -> bool:
    """Whether a row is a sample of a tar, whose images are known by their place in it."""
    images = row.get("images") if "__key__" in row else None
    return isinstance(images, list) and any(isinstance(each, Mapping) and "offset" in each for each in images)


def holds_missing_bytes(value: Any) -> bool:
    """Whether a value stands for bytes, or holds one that does."""
    if isinstance(value, Mapping):
        if value.keys() == KEYS_OF_BYTES and isinstance(value["bytes"], int):
            return True
        return any(map(holds_missing_bytes, value.values()))
    return isinstance(value, list) and any(map(holds_missing_bytes, value))


def _came_from(found: Mapping[str, Any]) -> str:
    origin = found.get("origin")
    if not isinstance(origin, Mapping) or not isinstance(origin.get("source"), str):
        return ""
    return f" ({origin['source']}:{origin.get('line', '?')})"


def _rules(found: Mapping[str, Any]) -> list[str]:
    problems = found.get("problems")
    listed = problems if isinstance(problems, list) else []
    return [str(problem["rule"]) for problem in listed if isinstance(problem, Mapping) and "rule" in problem]


def _problem(origin: Origin, rule: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, source=origin.source, line=origin.line, hint=hint)


def _digest(origin: Any, values: Mapping[str, Any]) -> bytes:
    said = json.dumps([origin, values], sort_keys=True)
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()
