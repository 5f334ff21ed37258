"""What there is to push in a folder: a run's adapter, a model that was trained whole, or a merged model."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmdata.hub.plan import refuse_link
from vlmdata.settings import to_dataclass
from vlmtrain.card import Facts, facts_of
from vlmtrain.config import ADAPTER_FOLDER, MERGE_FILE, MODEL_FOLDER, TRAIN_FILE, RunConfig, load_run
from vlmtrain.errors import RunError
from vlmtrain.run_problems import looks_local

WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What there is to push: its kind, the folder that it lies in, and the one of its weights."""

    kind: Literal["adapter", "model", "merged"]
    folder: Path
    weights: Path
    facts: Facts

    @property
    def called(self) -> str:
        """What a person calls it."""
        return "merged model" if self.kind == "merged" else self.kind

    @property
    def manifest(self) -> str:
        """The file that says how it was made."""
        return MERGE_FILE if self.kind == "merged" else TRAIN_FILE


def find_made(path: Path) -> Made:
    """What lies in a folder, or in the folder of a run.yaml. Raises RunError for what is neither."""
    if path.is_file():
        path = load_run(path).output
    if not path.is_dir():
        raise RunError(f"{path}: there is no such folder; a run's or a merged model's was expected")
    if (path / MERGE_FILE).is_file():
        refuse_link(path / MERGE_FILE)
        return Made(kind="merged", folder=path, weights=path, facts=_merged_facts(path))
    if not (path / TRAIN_FILE).is_file():
        above = path.parent if (path.parent / TRAIN_FILE).is_file() else None
        hint = f"name {above}, the run's folder" if above else "`vlmtrain sft` or `vlmtrain merge` makes one"
        raise RunError(f"{path}: is no run and no merged model (no {TRAIN_FILE}, no {MERGE_FILE}); {hint}")
    refuse_link(path / TRAIN_FILE)
    facts = facts_of(_config(path, "config", TRAIN_FILE), path)
    kind: Literal["adapter", "model"] = "adapter" if facts.kind == "adapter" else "model"
    weights = path / (ADAPTER_FOLDER if kind == "adapter" else MODEL_FOLDER)
    refuse_link(weights)
    if not list(weights.glob(f"*{WEIGHTS}")):
        raise RunError(f"{path}: the run has no {kind} (no {WEIGHTS} in {weights.name}); `vlmtrain sft` makes it")
    return Made(kind=kind, folder=path, weights=weights, facts=facts)


def _config(folder: Path, key: str, file: str) -> RunConfig:
    """The run as a folder's own file has it, its places found from there. Raises RunError."""
    data = read_json(folder / file).get(key)
    try:
        config = to_dataclass(RunConfig, data)  # type: ignore[arg-type]
    except (TypeError, KeyError, AttributeError):
        raise RunError(f"{folder / file}: is of another version or damaged; no run can be read from it") from None
    base = config.model.base
    return dataclasses.replace(
        config,
        output=folder / config.output,
        data=dataclasses.replace(config.data, path=folder / config.data.path),
        model=dataclasses.replace(config.model, base=str(folder / base) if looks_local(base) else base),
    )


def _merged_facts(folder: Path) -> Facts:
    """What is known of a merged model: from merge.json, and from the run where that is at hand."""
    if not list(folder.glob(f"*{WEIGHTS}")):
        raise RunError(f"{folder}: holds a {MERGE_FILE} but no weights; merge again")
    config = _config(folder, "run", MERGE_FILE)
    facts, merged = facts_of(config, config.output), read_json(folder / MERGE_FILE)
    data = {**facts.data, **(merged.get("dataset") or {})}
    return dataclasses.replace(facts, merged=merged, data=data, dataset=data.get("name"))


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file of keys and values. Raises RunError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: can't be read: {error}") from None
    if not isinstance(found, dict):
        raise RunError(f"{file}: keys and values were expected")
    return found
