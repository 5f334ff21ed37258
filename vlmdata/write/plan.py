"""Which conversation goes into which output file: bounded in bytes and rows, and the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Sizes = Sequence[int] | npt.NDArray[np.int64]
"""How many image bytes each conversation of the index holds."""

PLAN, POSITIONS = "plan.json", "positions.npy"
SMALLEST_SHARD, LARGEST_SHARD, SHARDS = 32_000_000, 512_000_000, 32
"""A dataset is cut into about 32 files, so that workers have enough to share, of these sizes."""

SHARD_ROWS = 100_000
BATCH_BYTES = 8_000_000
BATCH_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputShard:
    """One output file: its split, its place among the split's files, and the index positions of its rows."""

    split: str
    number: int
    of: int
    positions: Sequence[int]

    @property
    def file(self) -> str:
        """The file's name inside its split's folder, as datasets names it."""
        return f"data-{self.number:05d}-of-{self.of:05d}.arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every output file, in order. `digest` stands for the plan and for the index that it was made from."""

    shards: Sequence[OutputShard]
    digest: str

    def save(self, folder: Path) -> None:
        """Put the plan down, for whoever writes a share of it. The positions stand in one array."""
        np.save(folder / POSITIONS, np.concatenate([np.asarray(shard.positions, np.int64) for shard in self.shards]))
        said = [[shard.split, shard.number, shard.of, len(shard.positions)] for shard in self.shards]
        unfinished = folder / f"{PLAN}.part"
        unfinished.write_text(json.dumps({"shards": said, "digest": self.digest}), encoding="utf-8")
        unfinished.replace(folder / PLAN)

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Read what was put down. Raises FileNotFoundError where nothing was."""
        said = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        positions = np.load(folder / POSITIONS, mmap_mode="r", allow_pickle=False)
        shards, start = [], 0
        for split, number, of, length in said["shards"]:
            piece = positions[start : start + length]
            shards.append(OutputShard(split=split, number=number, of=of, positions=piece))
            start += length
        return cls(shards=shards, digest=said["digest"])


def plan_shards(positions: Mapping[str, Sequence[int]], image_bytes: Sizes) -> list[OutputShard]:
    """The output files of every split. A split without rows gets one empty file, which datasets can open."""
    total = sum(int(image_bytes[row]) for rows in positions.values() for row in rows)
    size = min(max(total // SHARDS, SMALLEST_SHARD), LARGEST_SHARD)
    shards = []
    for split, rows in positions.items():
        pieces = list(bounded(rows, image_bytes, size, SHARD_ROWS)) or [[]]
        shards += [
            OutputShard(split=split, number=number, of=len(pieces), positions=piece)
            for number, piece in enumerate(pieces)
        ]
    return shards


def bounded(rows: Sequence[int], image_bytes: Sizes, most_bytes: int, most_rows: int) -> Iterator[list[int]]:
    """Rows in order, in pieces of at most so many bytes and rows; a row larger than that is a piece of its own."""
    piece: list[int] = []
    size = 0
    for row in rows:
        if piece and (size + image_bytes[row] > most_bytes or len(piece) >= most_rows):
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += image_bytes[row]
    if piece:
        yield piece
