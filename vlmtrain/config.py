"""run.yaml -> frozen dataclasses, with every problem at once. Imports neither torch nor any library of models."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from vlmdata.errors import ConfigError
from vlmdata.record import Problem
from vlmdata.settings import Settings, check, dotted, nearest, override, read_settings, refuse, to_dataclass
from vlmtrain.errors import RunError

SCHEMA = "run.v1"
RUN_FILE = "run.yaml"
ADAPTER_FOLDER = "adapter"

Load = Literal["nf4", "bf16", "fp32"]
Part = Literal["language", "vision", "projector"]
PARTS: tuple[Part, ...] = ("language", "vision", "projector")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The dataset, and which of its splits are used. `limit` keeps the first rows of each split."""

    path: Path
    train_split: str = "train"
    validation_split: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The base model (a name on the Hub, or a folder) and the precision that it is loaded in."""

    base: str
    revision: str | None = None
    load: Load = "nf4"
    attention: str | None = None
    trust_remote_code: bool = False

    @property
    def is_local(self) -> bool:
        """Whether `base` is a folder on this machine."""
        return Path(self.base).is_dir()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """How many pixels an image, and how many tokens a row, may have. None keeps the model's own default."""

    max_pixels: int | None = None
    min_pixels: int | None = None
    max_length: int | None = None
    over: Literal["error"] = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """Which modules get an adapter, and how large it is."""

    targets: tuple[Part, ...] | Literal["all-linear"] = ("language",)
    r: int = 16
    alpha: float = 16
    dropout: float = 0.05
    modules_to_save: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How the adapter is trained. A step takes `batch_size * accumulate` rows on each device."""

    learning_rate: float
    epochs: float = 1
    batch_size: int = 1
    accumulate: int = 1
    scheduler: str = "linear"
    warmup_ratio: float = 0.0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: str = "adamw_torch"
    gradient_checkpointing: bool = True
    seed: int = 1
    last_turn_only: bool = False
    workers: int = 0
    log_every: int = 10
    report_to: Literal["tensorboard", "none"] = "tensorboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig:
    """How answers are generated. A temperature of 0 takes the likeliest token each time."""

    max_new_tokens: int = 256
    temperature: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """How base and adapter are compared."""

    split: str = "test"
    batch_size: int = 8
    metrics: tuple[str, ...] = ("answer_loss", "exact_match", "rouge_l", "chrf")
    generate: GenerateConfig = GenerateConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A run file after checks: defaults filled in, paths resolved against the files that named them."""

    output: Path
    data: DataConfig
    model: ModelConfig
    extends: str | None = None
    budget: BudgetConfig = BudgetConfig()
    lora: LoraConfig = LoraConfig()
    train: TrainConfig | None = None
    eval: EvalConfig = EvalConfig()
    price_per_hour: float | None = None
    currency: str = "USD"

    @property
    def adapter(self) -> Path | None:
        """The adapter that training left in the output folder, or None before training."""
        folder = self.output / ADAPTER_FOLDER
        return folder if folder.is_dir() else None


def load_run(path: str | Path, set: Mapping[str, Any] | None = None) -> RunConfig:
    """A run from its file, or from the folder that `sft` made, with `set` values put over it.

    Raises RunError with all problems, each with its file, line, and what to do.
    """
    try:
        chain = tuple(_read_chain(_run_file(Path(path))))
        merged = override(_merge(chain), _anchored_changes(set or {}))
    except RunError:
        raise
    except ConfigError as error:
        raise RunError(error.message, error.problems) from None
    refuse(str(path), _placed(check(merged, SCHEMA), chain, set or {}), RunError)
    config = to_dataclass(RunConfig, merged.data)
    refuse(str(path), _placed(tuple(_meaning(config, merged)), chain, set or {}), RunError)
    return config


def shipped_runs() -> Mapping[str, Path]:
    """The run files that come with vlmtrain, by the name that `extends` takes."""
    folder = Path(str(resources.files("vlmtrain"))) / "runs"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def save_run(config: RunConfig, folder: Path) -> Path:
    """Write the resolved run to `folder`/run.yaml, with paths relative to the folder, so that it loads from there."""
    data = as_data(config, relative_to=folder)
    data.pop("extends")
    file = folder / RUN_FILE
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def as_data(config: RunConfig, *, relative_to: Path | None = None) -> dict[str, Any]:
    """The run as plain values for JSON or YAML; paths relative to a folder where one is given."""
    data = _plain(dataclasses.asdict(config))
    if relative_to is not None:
        data["output"] = _relative(config.output, relative_to)
        data["data"]["path"] = _relative(config.data.path, relative_to)
        if config.model.is_local:
            data["model"]["base"] = _relative(Path(config.model.base), relative_to)
    assert isinstance(data, dict)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value.as_posix() if isinstance(value, Path) else value


def _relative(path: Path, folder: Path) -> str:
    """With a leading dot, so that a model's folder is never taken for a name on the Hub."""
    try:
        found = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()
    return found if found.startswith(".") else f"./{found}"


def _run_file(path: Path) -> Path:
    if path.is_dir():
        if not (path / RUN_FILE).is_file():
            raise RunError(f"{path}: this folder holds no {RUN_FILE}, so `vlmtrain sft` did not make it")
        return path / RUN_FILE
    return path


def _read_chain(file: Path) -> Iterator[Settings]:
    """The file, then the one that it extends, and so on; the paths in each anchored to its folder."""
    seen: list[Path] = []
    shipped = shipped_runs()
    while True:
        if file.resolve() in seen:
            raise RunError(f"{file}: extends itself, through {' -> '.join(str(path.name) for path in seen)}")
        seen.append(file.resolve())
        settings = read_settings(file)
        yield dataclasses.replace(settings, data=_anchored(settings.data, file.parent))
        base = settings.data.get("extends")
        if not isinstance(base, str):
            return
        file = shipped[base] if base in shipped else _extended(base, file, settings)


def _extended(base: str, file: Path, settings: Settings) -> Path:
    found = file.parent / base
    if found.is_file():
        return found
    names = sorted(shipped_runs())
    hint = nearest(base, names) or f"shipped with vlmtrain: {', '.join(names)}"
    message = f"{base!r} is neither a run file beside this one nor one shipped with vlmtrain"
    problem = settings.problem(("extends",), message, rule="run.extends", hint=hint)
    raise RunError(f"{file}: 1 problem", [problem])


def _anchored(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data, its paths relative to where the program runs. Values of a wrong type are left to the schema."""
    anchored = dict(data)
    if isinstance(data.get("output"), str):
        anchored["output"] = _joined(folder, data["output"])
    if isinstance(data.get("data"), dict) and isinstance(data["data"].get("path"), str):
        anchored["data"] = {**data["data"], "path": _joined(folder, data["data"]["path"])}
    if isinstance(data.get("model"), dict) and isinstance(data["model"].get("base"), str):
        base = data["model"]["base"]
        if _looks_local(base) or (folder / base).is_dir():
            anchored["model"] = {**data["model"], "base": _joined(folder, base)}
    return anchored


def _anchored_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Paths given with --set are relative to where the program runs."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in changes.items()}


def _joined(folder: Path, value: str) -> str:
    joined = os.path.normpath(folder / value)
    return joined if Path(joined).is_absolute() or joined.startswith(".") else f"./{joined}"


def _looks_local(base: str) -> bool:
    return base.startswith((".", "/")) or Path(base).is_absolute()


def _merge(chain: tuple[Settings, ...]) -> Settings:
    """The first file's values over those of the second, and so on; mappings are merged, lists replaced."""
    data: dict[str, Any] = {}
    for settings in reversed(chain):
        data = _over(data, settings.data)
    return dataclasses.replace(chain[0], data=data)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _placed(problems: tuple[Problem, ...], chain: tuple[Settings, ...], changes: Mapping[str, Any]) -> list[Problem]:
    """Each problem at the file that set the value: the command line, else the first file of the chain that holds it."""
    lines = [{dotted(place): line for place, line in settings.lines.items()} for settings in chain]
    placed = []
    for problem in problems:
        if any(re.match(rf"{re.escape(key)}(?=$|[.\[])", problem.field) for key in changes):
            placed.append(dataclasses.replace(problem, source="--set", line=0))
            continue
        held = (
            (settings.source, own[problem.field])
            for settings, own in zip(chain, lines, strict=True)
            if problem.field in own
        )
        source, line = next(held, (problem.source, problem.line))
        placed.append(dataclasses.replace(problem, source=source, line=line))
    return placed


def _meaning(config: RunConfig, settings: Settings) -> Iterator[Problem]:
    """What a schema can't say."""
    if not config.data.path.is_dir():
        hint = "`vlmdata build` makes it; the path is relative to the run file"
        message = f"there is no dataset folder at {str(config.data.path)!r};"
        yield settings.problem(("data", "path"), message, rule="run.data", hint=hint)
    elif not (config.data.path / "dataset_dict.json").is_file():
        hint = "name the folder that `vlmdata build` made, not one of its splits"
        message = f"{str(config.data.path)!r} holds no dataset (no dataset_dict.json);"
        yield settings.problem(("data", "path"), message, rule="run.data", hint=hint)
    yield from _model_meaning(config.model, settings)
    yield from _metric_meaning(config.eval, settings)
    low, high = config.budget.min_pixels, config.budget.max_pixels
    if low is not None and high is not None and low > high:
        message = f"min_pixels {low} is more than max_pixels {high}"
        yield settings.problem(("budget", "min_pixels"), message, rule="run.budget")


def _model_meaning(model: ModelConfig, settings: Settings) -> Iterator[Problem]:
    if _looks_local(model.base) and not model.is_local:
        message = f"there is no model folder at {model.base!r};"
        hint = "a name on the Hub has no leading dot or slash"
        yield settings.problem(("model", "base"), message, rule="run.model", hint=hint)
    if model.trust_remote_code and not model.is_local and not re.fullmatch(r"[0-9a-f]{40}", model.revision or ""):
        message = "runs code from the model's repository, so the revision must be a full commit of 40 hex digits;"
        hint = f"found revision {model.revision!r}"
        yield settings.problem(("model", "trust_remote_code"), message, rule="run.remote_code", hint=hint)


def _metric_meaning(config: EvalConfig, settings: Settings) -> Iterator[Problem]:
    from vlmtrain.metric import METRICS

    for index, name in enumerate(config.metrics):
        if name not in METRICS:
            hint = nearest(name, list(METRICS)) or f"known: {', '.join(METRICS)}"
            yield settings.problem(("eval", "metrics", index), f"no metric {name!r};", rule="run.metric", hint=hint)
