"""Where the training curve goes: files below the run's folder, or the tracker that the user named."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlmdata.errors import MissingPackageError
from vlmtrain.errors import RunError

TENSORBOARD_FOLDER = "tensorboard"


def require_reporter(name: str) -> None:
    """Raise MissingPackageError with the install command where the package that the curve goes to is missing."""
    if name != "none" and find_spec(name) is None:
        raise MissingPackageError(f"train.report_to: {name} is not installed: pip install {name}")


def curve_callbacks(name: str, folder: Path) -> list[Any]:
    """The trainer's callbacks that keep or send the curve of the run in this folder. Raises RunError."""
    from transformers.integrations.integration_utils import TensorBoardCallback, get_reporting_integration_callbacks

    if name == "none":
        return []
    if name == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        return [TensorBoardCallback(SummaryWriter(log_dir=str(folder / TENSORBOARD_FOLDER)))]
    if name == "wandb":
        _start_wandb()
    return [callback() for callback in get_reporting_integration_callbacks([name])]


def _start_wandb() -> None:
    """Begin wandb's run before the trainer would, where one that can't begin is said in a line.

    The library's callback goes on with a run that is there (transformers 5.23 integration_utils.py, WandbCallback),
    and names its project so.
    """
    wandb = import_module("wandb")
    if wandb.run is not None:
        return
    try:
        wandb.init(project=os.environ.get("WANDB_PROJECT", "huggingface"))
    except wandb.errors.Error as error:
        raise RunError(
            f"train.report_to: wandb can't begin a run: {error}; log in with `wandb login`, or set WANDB_MODE=offline, "
            "which keeps the curve in files here"
        ) from error
