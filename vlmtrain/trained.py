"""What a training leaves, in one of two shapes: an adapter for its base, or, trained without one, a whole model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmtrain import processes
from vlmtrain.checkpoints import FOLDER as CHECKPOINTS
from vlmtrain.checkpoints import whole_checkpoints
from vlmtrain.config import ADAPTER_FOLDER, MODEL_FOLDER, TRAIN_FILE, RunConfig
from vlmtrain.errors import RunError
from vlmtrain.model import attach_adapter, load_base, save_adapter, save_whole
from vlmtrain.publishing import stage_of
from vlmtrain.run_problems import is_commit

if TYPE_CHECKING:
    from vlmtrain.loaded import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What was trained, and the folder that holds it."""

    kind: Literal["adapter", "model"]
    path: Path

    def sha256(self) -> str:
        """Of its weights: of one file, or of the digests of several."""
        digests = [_digest(file) for file in sorted(self.path.glob("*.safetensors"))]
        return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()


def find_trained(config: RunConfig) -> Trained | None:
    """What `sft` left in the run's folder, if it was there."""
    if config.adapter is not None:
        return Trained(kind="adapter", path=config.adapter)
    return None if config.whole_model is None else Trained(kind="model", path=config.whole_model)


def require_trained(config: RunConfig) -> Trained:
    """The same. Raises RunError where there is nothing."""
    found = find_trained(config)
    if found is None:
        what = "adapter" if config.lora is not None else "trained model"
        interrupted = any(whole_checkpoints(stage_of(config.output.absolute()) / CHECKPOINTS))
        way = "it was interrupted: `vlmtrain sft --resume` goes on" if interrupted else "`vlmtrain sft` makes it"
        raise RunError(f"there is no {what} in {config.output}; {way}")
    return found


def trained_or_base(config: RunConfig, *, base: bool) -> Trained | None:
    """What a run answers with: what it trained, or None for its base, where that is asked or nothing is trained.

    Raises RunError for a run that is to be trained and was not: its base would answer in the place of the adapter.
    """
    if base:
        return None
    return require_trained(config) if config.train else find_trained(config)


def load_trained(config: RunConfig, found: Trained | None) -> LoadedModel:
    """The base with its adapter, the model that was trained whole, or for None the base. Raises ModelError."""
    if found is None:
        return load_base(as_trained_on(config))
    if found.kind == "adapter":
        return attach_adapter(load_base(as_trained_on(config)), found.path)
    whole = replace(config.model, base=str(found.path), revision=None, trust_remote_code=False)
    return load_base(replace(config, model=whole))


def as_trained_on(config: RunConfig) -> RunConfig:
    """The run with its base at the commit that it was trained on, unless its file names a commit itself.

    A base on the Hub may have moved on meanwhile, and an adapter is right for no other.
    """
    if config.model.is_local or is_commit(config.model.revision):
        return config
    commit = _base_commit(config.output / TRAIN_FILE)
    return config if commit is None else replace(config, model=replace(config.model, revision=commit))


def _base_commit(file: Path) -> str | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("base_commit")
    except (OSError, ValueError, AttributeError):
        return None
    return found if is_commit(found) else None


def save_trained(model: Any, folder: Path, config: RunConfig, loaded: LoadedModel) -> None:
    """Write what was trained below the run's folder. Every process calls this, and the first one writes."""
    weights = _gathered(model)
    if not processes.is_first():
        return
    if config.lora is None:
        save_whole(model, folder / MODEL_FOLDER, loaded, weights)
    else:
        save_adapter(model, folder / ADAPTER_FOLDER, config, loaded.commit, weights)


def _gathered(model: Any) -> dict[str, Any] | None:
    """All weights, on the first process, where FSDP2 has shared them out; None where each process has them anyway."""
    if processes.sharing() != "fsdp":
        return None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    found: dict[str, Any] = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    return found


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
