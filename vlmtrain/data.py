"""Opens a dataset, its contract verified before any pixel is decoded, and chooses rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vlmdata.errors import ContractError
from vlmdata.settings import nearest
from vlmtrain.errors import RunError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


MOST_NAMED = 4


def open_dataset(path: Path) -> DatasetDict:
    """The splits of a built dataset, images left as bytes. Raises ContractError where the contract is broken."""
    import vlmdata

    return as_bytes(vlmdata.open(path))


def as_bytes(opened: Mapping[str, Dataset]) -> DatasetDict:
    """The same splits, images left as bytes."""
    import datasets

    return datasets.DatasetDict({name: _undecoded(split) for name, split in opened.items()})


def _undecoded(split: Dataset) -> Dataset:
    """The same memory-mapped rows, images as bytes. `cast_column` would write every image to the disk again."""
    import datasets

    info = split.info.copy()
    bytes_only = datasets.List(datasets.Image(decode=False))
    info.features = datasets.Features({**split.features, "images": bytes_only})
    return datasets.Dataset(split.data, info=info, split=split.split)


def choose(dataset: Mapping[str, Dataset], split: str, limit: int | None = None) -> Dataset:
    """A split, or its first rows. Raises RunError with the splits that there are."""
    if split not in dataset:
        there = ", ".join(f"{name} ({len(rows):,} rows)" for name, rows in dataset.items())
        hint = nearest(split, list(dataset))
        raise RunError(f"the dataset has no split {split!r}; it has {there}. {hint}".rstrip())
    rows = dataset[split]
    if len(rows) == 0:
        raise RunError(f"the split {split!r} is empty")
    return rows if limit is None or limit >= len(rows) else rows.select(range(limit))


def hint_of_id(name: str, known: Sequence[str]) -> str:
    """What an id that no row has may stand for: the conversations that a recipe made of one row, or the nearest id."""
    made = [each for each in known if each.rpartition("/")[0] == name]
    return f"its conversations are {', '.join(made[:MOST_NAMED])}" if made else nearest(name, known)


def dataset_fingerprint(path: Path) -> str:
    """The fingerprint that the build wrote into manifest.json. Raises ContractError where there is none."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        return cast(str, manifest["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ContractError(
            f"{path}: no manifest.json with a fingerprint ({reason}); build it with `vlmdata build`"
        ) from None


def recipe_of(path: Path) -> dict[str, Any]:
    """The recipe that a dataset's manifest keeps, as plain data; empty where it keeps none."""
    try:
        found = json.loads((path / "manifest.json").read_text(encoding="utf-8")).get("recipe")
    except (OSError, ValueError, AttributeError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}
