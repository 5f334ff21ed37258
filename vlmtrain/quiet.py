"""What the libraries say on a terminal, silenced for the command line in this one place.

Only what says nothing about the user's run: progress bars of loading, deprecations inside the libraries, hints. Their
errors reach the user as exceptions. Nothing here is used from Python, where the caller's own settings hold.
"""

from __future__ import annotations

import logging
import os
import warnings

LOGGERS = ("transformers", "trl", "datasets", "peft", "accelerate", "bitsandbytes", "huggingface_hub")


def quiet_environment() -> None:
    """Before any library is imported. A variable that the user set is left alone."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # those of transformers follow it
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
