"""The training itself: TRL's SFTTrainer with our collator, its figures counted, its loss watched."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmdata.version import __version__
from vlmtrain.config import RunConfig, TrainConfig, as_data
from vlmtrain.errors import TrainingError
from vlmtrain.quiet import library_noise
from vlmtrain.turns import IGNORED

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from peft import LoraConfig

    from vlmtrain.collate import Collator
    from vlmtrain.loaded import LoadedModel

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "safetensors", "datasets")
TENSORBOARD_FOLDER = "tensorboard"
Progress = Callable[[str], None]


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
    """The figures of a training. `peak_memory_bytes` is the device's on CUDA, else that of the whole process."""

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
    cost: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows to learn from, and those whose loss is measured after every epoch."""

    train: Dataset
    validation: Dataset | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What learns: the base in memory, the adapter to put on it, and how rows become its batches."""

    loaded: LoadedModel
    lora: LoraConfig
    collator: Collator


def train(
    config: RunConfig, learner: Learner, rows: Rows, folder: Path, on_progress: Progress | None = None
) -> tuple[Any, TrainResult]:
    """Train an adapter on the loaded model; returns the model with its adapter, and the figures.

    The training curve goes to `folder`. Raises TrainingError where the loss stops being a number.
    """
    assert config.train is not None
    with library_noise():
        trainer = _trainer(config, learner, rows, folder, on_progress)
        started = time.monotonic()
        _reset_peak(learner.loaded.device)
        trainer.train()
        seconds = time.monotonic() - started
    trainer.model.eval()
    return trainer.model, _result(config, trainer, learner.loaded, seconds)


def _trainer(config: RunConfig, learner: Learner, rows: Rows, folder: Path, on_progress: Progress | None) -> Any:
    from transformers import PrinterCallback

    settings, loaded = config.train, learner.loaded
    assert settings is not None
    trainer = _watched_trainer_class()(
        model=loaded.model,
        args=_arguments(settings, loaded, rows, folder),
        train_dataset=rows.train,
        eval_dataset=rows.validation,
        processing_class=loaded.processor,
        data_collator=learner.collator,
        peft_config=learner.lora,
    )
    trainer.remove_callback(PrinterCallback)
    for callback in _callbacks(settings, folder, on_progress):
        trainer.add_callback(callback)
    _float32_for_float16(trainer.model, loaded)
    return trainer


def _arguments(settings: TrainConfig, loaded: LoadedModel, rows: Rows, folder: Path) -> Any:
    """Everything that must not be left to a default. `max_length` None: TRL's 1024 cuts answers silently."""
    import torch
    from trl import SFTConfig

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
        dataloader_num_workers=settings.workers,
        dataloader_pin_memory=loaded.device.type == "cuda",
        eval_strategy="epoch" if rows.validation is not None else "no",
        prediction_loss_only=True,
        save_strategy="no",
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
    )


def _watched_trainer_class() -> Any:
    """SFTTrainer that counts what it sees, and stops at a loss that is no number. Made here, for trl is heavy."""
    from trl import SFTTrainer

    class WatchedTrainer(SFTTrainer):  # type: ignore[misc]
        """Counts rows and tokens of training batches."""

        rows_seen = 0
        tokens_seen = 0
        tokens_learned = 0

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            """TRL's loss; raises TrainingError where it is NaN or infinite."""
            training = self.model.training
            if training:
                self.rows_seen += len(inputs["labels"])
                self.tokens_seen += int(inputs["attention_mask"].sum())
                self.tokens_learned += int((inputs["labels"] != IGNORED).sum())
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            value = (loss[0] if isinstance(loss, tuple) else loss).detach()
            if training and not bool(value.isfinite()):
                raise TrainingError(
                    f"the loss is {float(value)} at step {self.state.global_step + 1}, so training stops; "
                    "a lower train.learning_rate, or model.load bf16, usually helps"
                )
            return loss

    return WatchedTrainer


def _callbacks(settings: TrainConfig, folder: Path, on_progress: Progress | None) -> list[Any]:
    from transformers import TrainerCallback
    from transformers.integrations.integration_utils import TensorBoardCallback

    class Told(TrainerCallback):
        """One line for each point of the training curve."""

        started = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            """Tell the loss, the place and the time left."""
            logs = kwargs.get("logs") or {}
            if on_progress is not None and "loss" in logs:
                on_progress(progress_line(state.global_step, state.max_steps, logs, time.monotonic() - self.started))

    callbacks: list[Any] = [Told()]
    if settings.report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        callbacks.append(TensorBoardCallback(SummaryWriter(log_dir=str(folder / TENSORBOARD_FOLDER))))
    return callbacks


def progress_line(step: int, steps: int, logs: Mapping[str, Any], seconds: float) -> str:
    """`step 20/60  loss 1.2031  learning rate 1.3e-03  0:12 left`."""
    left = round(seconds / max(step, 1) * (steps - step))
    rate = f"  learning rate {logs['learning_rate']:.1e}" if "learning_rate" in logs else ""
    return f"step {step}/{steps}  loss {logs['loss']:.4f}{rate}  {left // 60}:{left % 60:02d} left"


def _float32_for_float16(model: Any, loaded: LoadedModel) -> None:
    """TRL makes the adapter bfloat16, for which a device that computes in float16 has no gradient scaler."""
    import torch

    if loaded.dtype == torch.float16:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()


def _result(config: RunConfig, trainer: Any, loaded: LoadedModel, seconds: float) -> TrainResult:
    history = tuple(_logged(entry) for entry in trainer.state.log_history if {"loss", "eval_loss"} & entry.keys())
    losses = [point.loss for point in history if point.loss is not None]
    peak, of = _peak(loaded.device)
    price = config.price_per_hour
    parameters = list(trainer.model.parameters())
    return TrainResult(
        steps=trainer.state.global_step,
        rows_seen=trainer.rows_seen,
        tokens_seen=trainer.tokens_seen,
        tokens_learned=trainer.tokens_learned,
        parameters_trained=sum(each.numel() for each in parameters if each.requires_grad),
        parameters=loaded.model.num_parameters(),
        seconds=seconds,
        peak_memory_bytes=peak,
        peak_memory_of=of,
        final_loss=losses[-1] if losses else math.nan,
        history=history,
        cost=None if price is None else seconds / 3600 * price,
        currency=config.currency,
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
    import resource
    import sys

    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), torch.cuda.get_device_name(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "the process"


def versions() -> dict[str, str]:
    """What the training ran on."""
    return {"vlmtrain": __version__, **{name: metadata.version(name) for name in LIBRARIES}}


def train_manifest(config: RunConfig, loaded: LoadedModel, result: TrainResult, fingerprint: str) -> dict[str, Any]:
    """What train.json says: all that is needed to know, and to repeat, how the adapter was made."""
    return {
        "config": as_data(config, relative_to=config.output),
        "dataset": {"fingerprint": fingerprint},
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
