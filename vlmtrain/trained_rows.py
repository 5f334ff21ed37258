"""Which rows a model was trained on, known again in whatever dataset and split they come to stand.

A dataset may be built or split anew after a training, and a row that was trained on then stands among those held out.
A row is known by its images' bytes, together with its id (of a row without images: and its texts) or with all of its
texts. Two hashes of eight bytes for each row lie in the run's folder; beside a million rows, one in some
millions of others would be taken for one of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xxhash

from vlmtrain.config import TRAIN_FILE, RunConfig
from vlmtrain.data import dataset_fingerprint

if TYPE_CHECKING:
    from datasets import Dataset

TRAINED_ROWS = "trained-rows.npy"
AT_ONCE = 1_000
"""Rows that are in memory at a time; their pixels are not."""


def write_trained_rows(rows: Dataset, folder: Path) -> None:
    """Put down which rows a run learned from, as sorted numbers of eight bytes."""
    np.save(folder / TRAINED_ROWS, np.unique(row_hashes(rows)), allow_pickle=False)


def trained_count(config: RunConfig, rows: Dataset, split: str) -> int | None:
    """How many of these rows of a split the run was trained on; None where nobody knows, as of a run from before that
    was kept."""
    if config.train is None:
        return None
    try:
        known = np.load(config.output / TRAINED_ROWS, allow_pickle=False)
    except (OSError, ValueError):
        same = other_dataset(config, dataset_fingerprint(config.data.path)) is False
        learned = len(rows) if split == config.data.train_split else 0
        return learned if same else None
    return int(np.isin(row_hashes(rows), known).any(axis=1).sum())


def other_dataset(config: RunConfig, fingerprint: str) -> bool | None:
    """Whether a dataset is another one than the run was trained on; None where nobody knows."""
    try:
        train = json.loads((config.output / TRAIN_FILE).read_text(encoding="utf-8"))
        return bool(train["dataset"]["fingerprint"] != fingerprint)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def trained_words(count: int | None, rows: int) -> str:
    """`4 held-out rows`, or how many of the rows were trained on; where that is not known, bare rows."""
    every = f"{rows:,} {'' if count != 0 else 'held-out '}{'row' if rows == 1 else 'rows'}"
    return f"{every}, {count:,} of them trained on" if count else every


def row_hashes(rows: Dataset) -> npt.NDArray[np.uint64]:
    """xxh3-64 of each row [rows, 2]: by its id, and by its texts; both with its images."""
    light = rows.select_columns(["id", "messages", "image_info"]).with_format("arrow")
    found = [_hashes(row) for batch in light.iter(AT_ONCE) for row in batch.to_pylist()]
    return np.array(found, np.uint64).reshape(-1, 2)


def _hashes(row: dict[str, Any]) -> tuple[int, int]:
    turns = [[turn["role"], [part["text"] for part in turn["content"]]] for turn in row["messages"]]
    images = [image["sha256"] for image in row["image_info"] or ()]
    return _hash([row["id"], images or turns]), _hash([turns, images])


def _hash(said: list[Any]) -> int:
    return xxhash.xxh3_64_intdigest(json.dumps(said).encode())
