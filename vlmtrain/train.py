"""The training itself: a trainer is made, runs to its end or to a reason to stop, and its figures are taken."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.version import __version__
from vlmtrain import processes
from vlmtrain.callbacks import Progress, Stopping, callbacks
from vlmtrain.checkpoints import FOLDER, PREFIX, Checkpoint, Sums, read_sums
from vlmtrain.config import Part, RunConfig, TrainConfig, as_data
from vlmtrain.feature_cache import training_features
from vlmtrain.loading import worker_count
from vlmtrain.order import RowShapes
from vlmtrain.quiet import library_noise
from vlmtrain.reporters import curve_callbacks
from vlmtrain.training_plan import Plan

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from peft import LoraConfig

    from vlmtrain.collate import Collator
    from vlmtrain.loaded import LoadedModel

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "safetensors", "datasets")
PREFETCHED = 4
"""Batches that each worker prepares ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One point of the training curve. `validation_loss` is None between evaluations."""

    step: int
    epoch: float
    loss: float | None = None
    learning_rate: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """The figures of a training. `peak_memory_bytes` is the device's on CUDA, else that of the whole process.

    `stopped` is why it ended early, if it did; `best_step` the step that the result was taken from, where a validation
    split chose it, and `best_loss` the validation loss there. Of a training that was resumed, rows, tokens, seconds and
    cost are those of all its pieces; what was done after the last checkpoint and lost is not among them.
    """

    steps: int
    rows_seen: int
    tokens_seen: int
    tokens_learned: int
    parameters_trained: int
    parameters: int
    seconds: float
    peak_memory_bytes: int
    peak_memory_of: str
    final_loss: float
    history: tuple[Logged, ...]
    stopped: str | None = None
    best_step: int | None = None
    best_loss: float | None = None
    steps_planned: int | None = None
    processes: int = 1
    cost: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows to learn from, and those whose loss is measured meanwhile, with the shapes that order them."""

    train: Dataset
    shapes: RowShapes
    validation: Dataset | None = None
    validation_shapes: RowShapes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What learns: the base in memory, the adapter to put on it, and how rows become its batches.

    Without an adapter it is those weights of the base that ask for gradients.
    """

    loaded: LoadedModel
    lora: LoraConfig | None
    collator: Collator
    identity: Mapping[str, Any]
    part_of: Callable[[str], Part | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a training writes, and the checkpoint that it goes on from, if any."""

    folder: Path
    checkpoint: Checkpoint | None = None


def train(
    config: RunConfig, learner: Learner, rows: Rows, place: Place, on_progress: Progress | None = None
) -> tuple[Any, TrainResult]:
    """Train an adapter on the loaded model; returns the model with its adapter, and the figures.

    Checkpoints and the training curve go to the place's folder. Raises TrainingError where the loss stops being a
    number or the disk is full, and KeyboardInterrupt, with a checkpoint written, after Ctrl-C.
    """
    stopping = Stopping()
    with library_noise():
        trainer = _trainer(config, learner, rows, place, (stopping, on_progress))
        trainer.before = read_sums(place.checkpoint.path) if place.checkpoint else Sums()
        trainer.began = time.monotonic()
        _reset_peak(learner.loaded.device)
        with stopping.on_interrupt():
            trainer.train(resume_from_checkpoint=str(place.checkpoint.path) if place.checkpoint else None)
        if stopping.reason == "interrupted":
            raise KeyboardInterrupt
        sums = trainer.sums()
        best = _take_best(config, trainer)
    trainer.model.eval()
    result = _result(config, trainer, learner.loaded, sums)
    lowest = trainer.state.best_metric if best is not None else None
    return trainer.model, dataclasses.replace(result, stopped=stopping.reason, best_step=best, best_loss=lowest)


def _trainer(
    config: RunConfig, learner: Learner, rows: Rows, place: Place, watched: tuple[Stopping, Progress | None]
) -> Any:
    from transformers import PrinterCallback

    from vlmtrain.trainer import Trainer

    settings, loaded = config.train, learner.loaded
    assert settings is not None
    splits = [rows.train, *([] if rows.validation is None else [rows.validation])]
    learner.collator.features = training_features(settings.cache, loaded, splits, watched[1] or _silent)
    trainer = Trainer(
        model=loaded.model,
        args=_on_one_device(_arguments(settings, loaded, rows, place.folder / FOLDER)),
        train_dataset=rows.train,
        eval_dataset=rows.validation,
        processing_class=loaded.processor,
        data_collator=learner.collator,
        peft_config=learner.lora,
    )
    trainer.plan = _plan(settings, learner, rows)
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks(settings, *watched, lambda: trainer.tokens_seen * processes.count()):
        trainer.add_callback(callback)
    if processes.is_first():
        for callback in curve_callbacks(settings.report_to, place.folder):
            trainer.add_callback(callback)
    _float32_for_float16(trainer.model, loaded)
    return trainer


def _silent(line: str) -> None:
    """Progress that nobody asked for."""


def _plan(settings: TrainConfig, learner: Learner, rows: Rows) -> Plan:
    return Plan(
        shapes=rows.shapes,
        validation_shapes=rows.validation_shapes,
        group_by_length=settings.group_by_length,
        part_of=lambda name: learner.part_of(name.removeprefix("base_model.model.")),
        learning_rates=settings.learning_rates,
        keep_checkpoints=settings.keep_checkpoints,
        identity=learner.identity,
    )


def _take_best(config: RunConfig, trainer: Any) -> int | None:
    """Put the adapter of the lowest validation loss back into the model. The step that it is of."""
    assert config.train is not None
    best = trainer.state.best_model_checkpoint
    if not config.train.keep_best or best is None:
        return None
    step = int(Path(best).name.removeprefix(PREFIX))
    if step != trainer.state.global_step:
        trainer._load_from_checkpoint(best)
    return step


def _on_one_device(arguments: Any) -> Any:
    """A process trains on one GPU also where it sees several: TRL refuses the library's own way to use them all."""
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _arguments(settings: TrainConfig, loaded: LoadedModel, rows: Rows, folder: Path) -> Any:
    """Everything that must not be left to a default. `max_length` None: TRL's 1024 cuts answers silently."""
    import torch
    from trl import SFTConfig

    measured = rows.validation is not None
    seen = int(len(rows.train) * settings.epochs) // processes.count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    workers = worker_count(settings.workers, rows=seen, gpu=loaded.device.type == "cuda", here=here)
    save_every = settings.save_every or (settings.evaluate_every if measured else None)
    return SFTConfig(
        output_dir=str(folder),
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=settings.optimizer,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=loaded.dtype == torch.bfloat16,
        fp16=loaded.dtype == torch.float16,
        use_cpu=loaded.device.type == "cpu",
        dataloader_num_workers=workers,
        dataloader_prefetch_factor=PREFETCHED if workers else None,
        dataloader_pin_memory=loaded.device.type == "cuda",
        eval_strategy=("steps" if settings.evaluate_every else "epoch") if measured else "no",
        eval_steps=settings.evaluate_every,
        metric_for_best_model="loss" if measured and settings.keep_best else None,
        greater_is_better=False if measured and settings.keep_best else None,
        prediction_loss_only=True,
        save_strategy="steps" if save_every else "epoch",
        save_steps=save_every or 500,
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )


def _float32_for_float16(model: Any, loaded: LoadedModel) -> None:
    """TRL makes the adapter bfloat16, for which a device that computes in float16 has no gradient scaler."""
    import torch

    if loaded.dtype == torch.float16:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()


def _result(config: RunConfig, trainer: Any, loaded: LoadedModel, sums: Sums) -> TrainResult:
    history = tuple(_logged(entry) for entry in trainer.state.log_history if {"loss", "eval_loss"} & entry.keys())
    losses = [point.loss for point in history if point.loss is not None]
    peak, of = _peak(loaded.device)
    price = config.price_per_hour
    parameters = list(trainer.model.parameters())
    return TrainResult(
        steps=trainer.state.global_step,
        steps_planned=trainer.state.max_steps,
        rows_seen=sums.rows,
        tokens_seen=sums.tokens,
        tokens_learned=sums.learned,
        parameters_trained=sum(each.numel() for each in parameters if each.requires_grad),
        parameters=loaded.model.num_parameters(),
        seconds=sums.seconds,
        peak_memory_bytes=peak,
        peak_memory_of=of,
        final_loss=losses[-1] if losses else math.nan,
        history=history,
        cost=None if price is None else sums.seconds / 3600 * price,
        currency=config.currency,
        processes=processes.count(),
    )


def _logged(entry: Mapping[str, Any]) -> Logged:
    return Logged(
        step=entry["step"],
        epoch=entry["epoch"],
        loss=entry.get("loss"),
        learning_rate=entry.get("learning_rate"),
        validation_loss=entry.get("eval_loss"),
    )


def _reset_peak(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> tuple[int, str]:
    """The most memory that was taken, and by what."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), torch.cuda.get_device_name(device)
    return _peak_of_process(), "the process"


def _peak_of_process() -> int:
    """The most bytes of memory that this process had."""
    try:
        import resource
    except ImportError:  # Windows; psutil comes with accelerate
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """What the training ran on."""
    return {"vlmtrain": __version__, **{name: metadata.version(name) for name in LIBRARIES}}


def train_manifest(
    config: RunConfig, loaded: LoadedModel, result: TrainResult, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What train.json says: all that is needed to know, and to repeat, how the adapter was made, `data` of its rows."""
    return {
        "config": as_data(config, relative_to=config.output),
        "dataset": dict(data),
        "base_commit": loaded.commit,
        "device": loaded.describe(),
        "training": _figures(result),
        "versions": versions(),
    }


def _figures(result: TrainResult) -> dict[str, Any]:
    data = dataclasses.asdict(result)
    data["history"] = [{key: value for key, value in point.items() if value is not None} for point in data["history"]]
    data["final_loss"] = None if math.isnan(result.final_loss) else result.final_loss
    data["seconds"] = round(result.seconds, 3)
    return data
