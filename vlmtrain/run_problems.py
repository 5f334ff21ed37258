"""What a schema can't say of a run file: places that are not there, settings that do not go together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vlmdata.record import Problem
from vlmdata.settings import Place, Settings, nearest
from vlmtrain.family import molmo1

if TYPE_CHECKING:
    from vlmtrain.config import EvalConfig, ModelConfig, RunConfig

PLUGIN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
PARTS = frozenset({"language", "vision", "projector"})


def looks_local(base: str) -> bool:
    """Whether a base is written as a folder, not as a name on the Hub."""
    return base.startswith((".", "/")) or Path(base).is_absolute()


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a full commit, which can't come to mean something else."""
    return re.fullmatch(r"[0-9a-f]{40}", revision or "") is not None


def deeper_problems(config: RunConfig, settings: Settings) -> Iterator[Problem]:
    """What a schema can't say."""
    if not config.data.path.is_dir():
        hint = "`vlmdata build` makes it; the path is relative to the run file, that of --set to this folder"
        message = f"there is no dataset folder at {str(config.data.path)!r};"
        yield settings.problem(("data", "path"), message, rule="run.data", hint=hint)
    elif not (config.data.path / "dataset_dict.json").is_file():
        hint = "name the folder that `vlmdata build` made, not one of its splits"
        message = f"{str(config.data.path)!r} holds no dataset (no dataset_dict.json);"
        yield settings.problem(("data", "path"), message, rule="run.data", hint=hint)
    yield from _model_problems(config.model, settings)
    yield from _method_problems(config, settings)
    yield from _metric_problems(config.eval, settings)
    low, high = config.budget.min_pixels, config.budget.max_pixels
    if low is not None and high is not None and low > high:
        message = f"min_pixels {low} is more than max_pixels {high}"
        yield settings.problem(("budget", "min_pixels"), message, rule="run.budget")


def plugin_problems(config: RunConfig, settings: Settings, *, allowed: bool) -> Iterator[Problem]:
    """Code from outside that the run names, its family and its metrics, where that is no name or may not run."""
    named: list[tuple[Place, str]] = [
        (("eval", "metrics", index), name) for index, name in enumerate(config.eval.metrics) if ":" in name
    ]
    if config.model.family is not None:
        named = [(("model", "family"), config.model.family), *named]
    for place, name in named:
        if not PLUGIN.fullmatch(name):
            yield settings.problem(place, f"found {name!r}, expected package.module:NAME", rule="run.plugin")
        elif not allowed:
            message = f"{name} is code that does not come with vlmtrain, and is not run unasked;"
            yield settings.problem(place, message, rule="run.plugin", hint="add --allow-plugins if you trust it")


def _model_problems(model: ModelConfig, settings: Settings) -> Iterator[Problem]:
    if molmo1.is_molmo1(model.base) and not model.is_local:
        message = f"{model.base}: {molmo1.REASON}"
        yield settings.problem(("model", "base"), message, rule="run.molmo1", hint=molmo1.WAY)
    if looks_local(model.base) and not model.is_local:
        message = f"there is no model folder at {model.base!r};"
        hint = "a name on the Hub has no leading dot or slash"
        yield settings.problem(("model", "base"), message, rule="run.model", hint=hint)
    if model.trust_remote_code and not model.is_local and not is_commit(model.revision):
        message = "runs code from the model's repository, so the revision must be a full commit of 40 hex digits;"
        hint = f"found revision {model.revision!r}"
        yield settings.problem(("model", "trust_remote_code"), message, rule="run.remote_code", hint=hint)


def _method_problems(config: RunConfig, settings: Settings) -> Iterator[Problem]:
    """What is trained, and in what precision, must fit together."""
    model, train = config.model, config.train
    if config.lora is None and train is not None and model.load == "nf4":
        message = "4-bit weights can't be trained themselves, and `lora: null` asks for no adapter;"
        hint = "load bf16 or fp32, or keep the adapter"
        yield settings.problem(("model", "load"), message, rule="run.full", hint=hint)
    if config.lora is not None and train is not None and train.parts is not None:
        message = "says which parts are trained themselves, but an adapter is trained;"
        hint = "lora.targets chooses the adapter's parts; `lora: null` trains the parts themselves"
        yield settings.problem(("train", "parts"), message, rule="run.full", hint=hint)
    if model.load != "nf4" and set(model.quantise) != PARTS:
        message = f"nothing is quantised with load {model.load};"
        yield settings.problem(("model", "quantise"), message, rule="run.quantise", hint="leave it out, or load nf4")


def _metric_problems(config: EvalConfig, settings: Settings) -> Iterator[Problem]:
    from vlmtrain.metric import METRICS

    for index, name in enumerate(config.metrics):
        if ":" not in name and name not in METRICS:
            hint = nearest(name, list(METRICS)) or f"known: {', '.join(METRICS)}"
            yield settings.problem(("eval", "metrics", index), f"no metric {name!r};", rule="run.metric", hint=hint)
