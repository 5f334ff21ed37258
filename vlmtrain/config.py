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
from vlmtrain.family import molmo1
from vlmtrain.judge.settings import JudgeConfig
from vlmtrain.run_problems import deeper_problems, looks_local, plugin_problems

SCHEMA = "run.v1"
RUN_FILE = "run.yaml"
ADAPTER_FOLDER = "adapter"
MODEL_FOLDER = "model"
TRAIN_FILE = "train.json"
"""What marks a run's folder, and says how it was trained."""

MERGE_FILE = "merge.json"
"""What marks a merged model's folder, and says how it was made."""

Load = Literal["nf4", "bf16", "fp32"]
Over = Literal["error", "drop", "shrink_images"]
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
    """The base model (a name on the Hub, or a folder) and the precision that it is loaded in.

    `family` names a family from outside, `package.module:NAME`; None takes the one of the base's config. `quantise` are
    the parts whose linear layers are 4-bit under nf4.
    """

    base: str
    family: str | None = None
    revision: str | None = None
    load: Load = "nf4"
    quantise: tuple[Part, ...] = PARTS
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
    over: Over = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """Which modules get an adapter, and how large it is.

    `rslora` scales by alpha / sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732); `dora` splits weights into magnitude and
    direction (Liu et al. 2024, arXiv 2402.09353).
    """

    targets: tuple[Part, ...] | Literal["all-linear"] = ("language",)
    r: int = 16
    alpha: float = 16
    dropout: float = 0.05
    modules_to_save: tuple[str, ...] = ()
    rslora: bool = False
    dora: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Stop where the validation loss has not fallen by `min_delta` for `patience` measurements."""

    patience: int
    min_delta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """Where what was made of images is kept from one epoch, run or process to the next, and how much of it."""

    folder: Path
    max_gb: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How the model is trained. A step takes `batch_size * accumulate` rows on each device.

    `parts` are those that learn where there is no adapter; None is all but the vision tower. `learning_rates` are those
    of single parts. `evaluate_every` and `save_every` are steps; without them
    it is every epoch. With a validation split the adapter of the best measurement is kept, unless `keep_best` is off.
    """

    learning_rate: float
    parts: tuple[Part, ...] | None = None
    learning_rates: Mapping[Part, float] = dataclasses.field(default_factory=dict)
    epochs: float = 1
    max_hours: float | None = None
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
    group_by_length: bool = True
    workers: int | Literal["auto"] = "auto"
    cache: CacheConfig | None = None
    evaluate_every: int | None = None
    save_every: int | None = None
    keep_checkpoints: int = 2
    keep_best: bool = True
    early_stopping: EarlyStopping | None = None
    log_every: int = 10
    report_to: Literal["tensorboard", "wandb", "trackio", "none"] = "tensorboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig:
    """How answers are generated. A temperature of 0 takes the likeliest token each time."""

    max_new_tokens: int = 256
    temperature: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """How base and adapter are compared.

    `slices` are the tags by which scores are told; None takes every tag of 2 to 50 values. `controls` are what is done
    to the images in a second look. `alone` rows are asked one by one too, to count what batching changes; None takes 8
    where the model computes in less than 32 bits, where a batch can tip the choice of a token, and else none. `judge`
    is asked where the command line says so.
    """

    split: str = "test"
    batch_size: int = 8
    metrics: tuple[str, ...] = ("answer_loss", "exact_match", "rouge_l", "chrf")
    slices: tuple[str, ...] | None = None
    controls: tuple[str, ...] = ("swap",)
    alone: int | None = None
    resamples: int = 2_000
    seed: int = 0
    generate: GenerateConfig = GenerateConfig()
    judge: JudgeConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """A run file after checks: defaults filled in, paths resolved against the files that named them."""

    output: Path
    data: DataConfig
    model: ModelConfig
    extends: str | None = None
    budget: BudgetConfig = BudgetConfig()
    lora: LoraConfig | None = LoraConfig()
    train: TrainConfig | None = None
    eval: EvalConfig = EvalConfig()
    price_per_hour: float | None = None
    currency: str = "USD"

    @property
    def adapter(self) -> Path | None:
        """The adapter that training left in the output folder, or None before training."""
        folder = self.output / ADAPTER_FOLDER
        return folder if folder.is_dir() else None

    @property
    def whole_model(self) -> Path | None:
        """The model that training without an adapter left in the output folder, or None before training."""
        folder = self.output / MODEL_FOLDER
        return folder if folder.is_dir() else None

    @property
    def learned_parts(self) -> tuple[Part, ...]:
        """The parts that learn where there is no adapter."""
        chosen = self.train.parts if self.train else None
        return ("language", "projector") if chosen is None else chosen


def load_run(path: str | Path, set: Mapping[str, Any] | None = None, *, allow_plugins: bool = True) -> RunConfig:
    """A run from its file, or from the folder that `sft` made, with `set` values put over it.

    `allow_plugins` says whether the run may name code from outside; none of it is imported here.
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
    problems = (*deeper_problems(config, merged), *plugin_problems(config, merged, allowed=allow_plugins))
    refuse(str(path), _placed(problems, chain, set or {}), RunError)
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
        if config.train and config.train.cache:
            data["train"]["cache"]["folder"] = _relative(config.train.cache.folder, relative_to)
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
    if molmo1.is_molmo1(base):
        refused = settings.problem(("extends",), f"{base!r}: {molmo1.REASON}", rule="run.molmo1", hint=molmo1.WAY)
        raise RunError(f"{file}: 1 problem", [refused])
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
    cache = data["train"].get("cache") if isinstance(data.get("train"), dict) else None
    if isinstance(cache, dict) and isinstance(cache.get("folder"), str):
        anchored["train"] = {**data["train"], "cache": {**cache, "folder": _joined(folder, cache["folder"])}}
    if isinstance(data.get("model"), dict) and isinstance(data["model"].get("base"), str):
        base = data["model"]["base"]
        if looks_local(base) or (folder / base).is_dir():
            anchored["model"] = {**data["model"], "base": _joined(folder, base)}
    return anchored


def _anchored_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Paths given with --set are relative to where the program runs."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in changes.items()}


def _joined(folder: Path, value: str) -> str:
    joined = os.path.normpath(folder / value)
    return joined if Path(joined).is_absolute() or joined.startswith(".") else f"./{joined}"


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
