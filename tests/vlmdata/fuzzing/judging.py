"""What must hold of a build of damaged input: the rows that were not touched are there, and no count is off."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.dataset import data_files
from vlmdata.validation import validate

LINE_END = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")
ID_TAKEN = "id.duplicate"
OF_IMAGES = ("images.", "archive.", "mmiu.", "tar.")
"""Rules of what is wrong with a picture, or with the archive that it stands in."""

IMAGE_PART = json.dumps({"type": "image", "text": None})

Place = tuple[str, int, int]
"""A row's source, line and number: in JSON several rows may stand in one line."""


@dataclass(frozen=True, slots=True)
class Used:
    """The records of one row: their messages, and the names of their pictures without endings, which may be changed."""

    messages: tuple[str, ...]
    images: frozenset[str]

    @property
    def texts(self) -> tuple[str, ...]:
        """The messages without their pictures: a pattern of names finds fewer where an archive has lost some."""
        return tuple(message.replace(IMAGE_PART + ", ", "").replace(IMAGE_PART, "") for message in self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a build, published or refused: its counts, its records and its rejections, by row."""

    counts: Mapping[str, Any]
    used: Mapping[Place, Used]
    rejected: Mapping[Place, frozenset[str]]

    @property
    def rows_read(self) -> int:
        """How many rows the source had."""
        return int(self.counts["rows"]["read"])

    @property
    def lines_read(self) -> int:
        """How many physical lines the source had."""
        return int(self.counts["lines"]["read"])


def published(folder: Path) -> Outcome:
    """The outcome of a build that was published."""
    return Outcome(counts=_counts(folder), used=_used(folder), rejected=_rejected(folder))


def refused(folder: Path) -> Outcome:
    """The outcome of a build that was refused, from what stands beside its output."""
    return Outcome(counts=_counts(folder), used={}, rejected=_rejected(folder))


def _counts(folder: Path) -> dict[str, Any]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return dict(report["ledger"])


def _used(folder: Path) -> dict[Place, Used]:
    messages: dict[Place, list[str]] = defaultdict(list)
    images: dict[Place, set[str]] = defaultdict(set)
    for file in data_files(folder):
        for batch in file.batches():
            columns = (batch.column(name) for name in ("origin", "messages", "images"))
            for origin, talk, pictures in zip(*columns, strict=True):
                place = _place(origin.as_py())
                messages[place].append(json.dumps(talk.as_py()))
                images[place].update(stem(picture["path"].as_py() or "") for picture in pictures)
    return {place: Used(tuple(sorted(found)), frozenset(images[place])) for place, found in messages.items()}


def _place(origin: Mapping[str, Any]) -> Place:
    return origin["source"], origin["line"], origin["row"]


def _rejected(folder: Path) -> dict[Place, frozenset[str]]:
    found: dict[Place, frozenset[str]] = {}
    path = folder / "rejected.jsonl"
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
        if line:
            entry = json.loads(line)
            place = _place(entry["origin"])
            found[place] = found.get(place, frozenset()) | {problem["rule"] for problem in entry["problems"]}
    return found


def stem(name: str) -> str:
    """A file's name without its ending."""
    return name.rpartition(".")[0] or name


def unsound(folder: Path) -> Iterator[str]:
    """What is wrong with a published dataset. A build tells of a picture that some processors refuse, and keeps it."""
    result, counts = validate(folder), _counts(folder)
    for problem in result.problems:
        if problem.severity == "error" and problem.rule not in counts["warned_by_rule"]:
            yield f"validate: {problem}"
    if result.records != counts["conversations"]["accepted"]:
        yield f"{result.records} records, {counts['conversations']['accepted']} accepted"


def lost_by_pictures(before: Outcome, after: Outcome, damaged: str) -> Iterator[str]:
    """What is lost though only a picture, or an archive of them, was damaged."""
    if before.rows_read != after.rows_read:
        yield f"{after.rows_read} rows read, {before.rows_read} before only a picture was damaged"
    for place, row in before.used.items():
        if place in after.used:
            if after.used[place].texts != row.texts:
                yield f"the text at {place} changed, though only a picture was damaged"
        elif not all(rule.startswith(OF_IMAGES) for rule in after.rejected.get(place, {"nothing"})):
            rules = sorted(after.rejected.get(place, ()))
            yield f"the row at {place} is gone, though only a picture was damaged: {rules}"
        elif damaged and stem(damaged) not in row.images:
            yield f"the row at {place} is rejected for a picture that was not damaged"


def lost_lines(before: Outcome, after: Outcome, old: bytes, new: bytes, table: str) -> Iterator[str]:
    """What is lost of a table's lines that stand in the damaged file as they stood before."""
    csv = table.endswith(".csv")
    old_lines, new_lines = physical_lines(old, csv=csv), physical_lines(new, csv=csv)
    if csv and (new_lines[:1] != old_lines[:1] or _quotes_reach(new_lines)):
        return
    was_used = {old_lines[line - 1]: row for line, row in _by_line(before.used, table).items()}
    is_used, rejected = _by_line(after.used, table), _by_line(after.rejected, table)
    seen: set[bytes] = set()
    for line, text in enumerate(new_lines, start=1):
        row = was_used.get(text)
        if row is None or text in seen or (csv and b'"' in text):
            continue
        seen.add(text)
        if line in is_used:
            if is_used[line].messages != row.messages:
                yield f"the text of line {line} is another, though the line is the same"
        elif rejected.get(line) != {ID_TAKEN}:
            yield f"line {line} is whole and not used: {sorted(rejected.get(line, ()))}"


def _by_line(found: Mapping[Place, Any], table: str) -> dict[int, Any]:
    """What is known of a table's rows, by the line that they start on."""
    name = table.rpartition("/")[2]
    return {line: value for (source, line, _), value in found.items() if source.rpartition("/")[2] == name}


def _quotes_reach(lines: Sequence[bytes]) -> bool:
    """Whether quotes stand in more than one line, so that a cell may rightly reach from one to the other."""
    return sum(b'"' in line for line in lines) > 1


def physical_lines(data: bytes, *, csv: bool) -> list[bytes]:
    """The lines of a file as an editor counts them; in JSON Lines a carriage return ends none."""
    if csv:
        return [line for line in LINE_END.split(data) if line]
    found = data.split(b"\n")
    return [line + b"\n" for line in found[:-1]] + ([found[-1]] if found[-1] else [])
