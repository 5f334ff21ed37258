"""Answers kept on disk as soon as a batch of them is made, so that an evaluation goes on where it stopped.

A file of JSON Lines for each model under one set of settings; a line for each row and kind of result. Several processes
write files of their own and read those of all. A line that was torn by a kill is left out, and its row asked again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain import processes
from vlmtrain.turns import asked

if TYPE_CHECKING:
    from vlmtrain.generation import Answer, AnswerLoss

FOLDER = "answers"
Row = Mapping[str, Any]
Kind = Literal["answer", "loss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCache:
    """The answers of one model under one set of settings. `key` is of all that an answer depends on but the row."""

    folder: Path
    key: str

    @classmethod
    def of(cls, folder: Path, identity: Mapping[str, Any]) -> AnswerCache:
        """The cache of what `identity` describes, as plain data."""
        return cls(folder=folder, key=digest(identity))

    def known(self, kind: Kind, rows: Sequence[str]) -> dict[int, Any]:
        """What is known of rows, by place, given their digests."""
        places: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row, []).append(place)
        found: dict[int, Any] = {}
        for line in self._lines():
            if line.get("kind") == kind:
                found |= dict.fromkeys(places.get(line.get("row", ""), ()), line["value"])
        return found

    def keep(self, kind: Kind, made: Mapping[str, Answer | AnswerLoss]) -> None:
        """Put down results by their rows' digests; they are on the disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.key}.{processes.rank()}.jsonl").open("ab") as file:
            if file.tell() and not self._ends_whole():
                file.write(b"\n")
            for row, value in made.items():
                line = {"kind": kind, "row": row, "value": dataclasses.asdict(value)}
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _ends_whole(self) -> bool:
        with (self.folder / f"{self.key}.{processes.rank()}.jsonl").open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        for file in sorted(self.folder.glob(f"{self.key}.*.jsonl")):
            for line in file.read_bytes().splitlines():
                try:
                    read = json.loads(line)
                except ValueError:  # torn
                    continue
                if isinstance(read, dict) and "value" in read:
                    found.append(read)
        return found


def row_digests(rows: Sequence[Row], *, answers: bool) -> list[str]:
    """What each row asks, and its images by their hashes; with `answers` what it is to be answered as well."""
    bare = rows.remove_columns("images") if hasattr(rows, "remove_columns") else rows
    return [
        digest([row["messages"] if answers else asked(row["messages"]), _images(row), str(row["id"])]) for row in bare
    ]


def _images(row: Row) -> list[str]:
    info = row.get("image_info")
    if info is not None:
        return [each["sha256"] for each in info]
    return [sha256(image["bytes"]).hexdigest() for image in row.get("images") or ()]


def digest(value: Any) -> str:
    """The hash of plain data."""
    return sha256(json.dumps(value, sort_keys=True, default=str, ensure_ascii=False).encode()).hexdigest()[:32]


def weights_digest(folder: Path) -> str:
    """The hash of a folder's weights and config, by their bytes."""
    import xxhash

    found = xxhash.xxh3_128()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        found.update(file.name.encode())
        with file.open("rb") as opened:
            while part := opened.read(1 << 24):
                found.update(part)
    return found.hexdigest()
