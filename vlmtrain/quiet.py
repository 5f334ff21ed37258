"""What is set for the libraries: their noise, and for the command line their environment, in this one place.

Only what says nothing about the user's run is silenced: progress bars of loading, deprecations inside the libraries,
hints. Their errors reach the user as exceptions.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("transformers", "trl", "datasets", "peft", "accelerate", "bitsandbytes", "huggingface_hub")
DEFAULTS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # those of transformers follow it
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # several processes: that no parameter was left unused, once from each
    # Threads that wait for each other sleep. Spinning, two of them beside another program on a machine of two cores
    # made a training eight times slower.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def quiet_environment() -> None:
    """For the command line, before any library is imported. A variable that the user set is left alone."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for logger in LOGGERS:
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)


@contextmanager
def library_noise() -> Iterator[None]:
    """While it lasts, the libraries' warnings that say nothing about this run are silent, and only those; and the bars
    of loading, since a function prints nothing."""
    with warnings.catch_warnings(), _no_bars(), _errors_alone("bitsandbytes"):  # which kernels it did not find
        # TRL's, peft's and transformers' own use of names that transformers renames in its version 6
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
        yield


@contextmanager
def _no_bars() -> Iterator[None]:
    """Without transformers' bars and those of downloads, where they were not switched on by their variable."""
    from huggingface_hub.constants import HF_HUB_DISABLE_PROGRESS_BARS
    from transformers.utils import logging as bars

    if not bars.is_progress_bar_enabled() or HF_HUB_DISABLE_PROGRESS_BARS is False:
        yield
        return
    bars.disable_progress_bar()
    try:
        yield
    finally:
        bars.enable_progress_bar()


@contextmanager
def _errors_alone(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
