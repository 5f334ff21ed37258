"""Which conversation goes into which output file: bounded in bytes and rows, and the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SHARD_BYTES = 256_000_000
SHARD_ROWS = 100_000
BATCH_BYTES = 16_000_000
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


def plan_shards(positions: Mapping[str, Sequence[int]], image_bytes: Sequence[int]) -> list[OutputShard]:
    """The output files of every split. A split without rows gets one empty file, which datasets can open."""
    shards = []
    for split, rows in positions.items():
        pieces = list(bounded(rows, image_bytes, SHARD_BYTES, SHARD_ROWS)) or [[]]
        shards += [
            OutputShard(split=split, number=number, of=len(pieces), positions=piece)
            for number, piece in enumerate(pieces)
        ]
    return shards


def bounded(rows: Sequence[int], image_bytes: Sequence[int], most_bytes: int, most_rows: int) -> Iterator[list[int]]:
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
