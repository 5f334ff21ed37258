"""Fine-tunes, measures and merges vision-language models on datasets of vlmdata. Importing it imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlmdata.version import __version__

if TYPE_CHECKING:
    from vlmtrain.collate import Collator
    from vlmtrain.config import RunConfig, load_run
    from vlmtrain.doctor import examine
    from vlmtrain.evaluating import evaluate
    from vlmtrain.generating import NewRows, generate, generate_file
    from vlmtrain.inspection import inspect
    from vlmtrain.preflighting import preflight
    from vlmtrain.pushing import push
    from vlmtrain.run import merge, sft

__all__ = [
    "Collator",
    "NewRows",
    "RunConfig",
    "__version__",
    "evaluate",
    "examine",
    "generate",
    "generate_file",
    "inspect",
    "load_run",
    "merge",
    "preflight",
    "push",
    "sft",
]

_HOMES = {
    "Collator": "vlmtrain.collate",
    "NewRows": "vlmtrain.generating",
    "RunConfig": "vlmtrain.config",
    "load_run": "vlmtrain.config",
    "evaluate": "vlmtrain.evaluating",
    "examine": "vlmtrain.doctor",
    "generate": "vlmtrain.generating",
    "generate_file": "vlmtrain.generating",
    "inspect": "vlmtrain.inspection",
    "merge": "vlmtrain.run",
    "preflight": "vlmtrain.preflighting",
    "push": "vlmtrain.pushing",
    "sft": "vlmtrain.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vlmtrain' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
