"""What a run does without for want of rows that are held out, in words, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vlmdata.settings import nearest
from vlmtrain.config import RunConfig
from vlmtrain.errors import RunError

USUAL = ("validation", "valid", "val", "dev")
SHARES = "train=0.8,validation=0.1,test=0.1"


def not_held_out(config: RunConfig) -> str:
    """What the training leaves undone since no split is held out for it, and how to get one; nothing where one is."""
    if config.train is None:
        return ""
    there = split_names(config.data.path)
    if config.data.validation_split is not None:
        return f"`vlmtrain eval` finds no split {config.eval.split!r}" if lacks_eval_split(config) else ""
    undone = "no loss is measured on rows held out, the last step is kept and not the best one, and nothing stops early"
    if config.train.early_stopping is not None:
        undone += " (train.early_stopping has no effect)"
    if own := next((name for name in USUAL if name in there), None):
        return f"{undone}; for that, name the split: data.validation_split: {own}"
    evaluated = f"; `vlmtrain eval` finds no split {config.eval.split!r} either" if lacks_eval_split(config) else ""
    return (
        f"{undone}{evaluated}; {_way(config.data.path, there)}, and data.validation_split names the one to measure on"
    )


def lacks_eval_split(config: RunConfig) -> bool:
    """Whether it is known that there is no split to evaluate on."""
    there = split_names(config.data.path)
    return bool(there) and config.eval.split not in there


def refuse_other_split(config: RunConfig) -> None:
    """Raise RunError where eval.split is not there and another split than those to train and validate with is."""
    there = split_names(config.data.path)
    used = {config.data.train_split, config.data.validation_split, *USUAL}
    if lacks_eval_split(config) and (others := [name for name in there if name not in used]):
        hint = nearest(config.eval.split, others)
        raise RunError(
            f"eval.split: the dataset has no split {config.eval.split!r}; it has {', '.join(there)}. {hint}".rstrip()
        )


def split_names(dataset: Path) -> tuple[str, ...]:
    """The splits of a dataset by its own list, without opening it; none where there is no such list."""
    try:
        names = json.loads((dataset / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _way(dataset: Path, there: Sequence[str]) -> str:
    """How to get a split to measure on: of a dataset that has held rows out already, by what divided it."""
    divide = f"`vlmdata split {dataset.as_posix()} --out {dataset.as_posix()}-split --shares {SHARES}`"
    return f"{divide} makes splits" if len(there) < 2 else "a share for `validation` in the recipe's `split` makes one"
