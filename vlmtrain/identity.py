"""What a training depends on, as plain data: going on with a checkpoint is right only where all of it is the same."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.config import RunConfig, as_data

if TYPE_CHECKING:
    from transformers import ProcessorMixin

FREE = ("max_hours", "workers", "cache", "log_every", "report_to", "keep_checkpoints", "early_stopping")
"""Settings of `train` that change neither a batch nor a step."""


def run_identity(config: RunConfig, fingerprint: str, processor: ProcessorMixin, commit: str | None) -> dict[str, Any]:
    """The run's data, processor, settings and processes. `fingerprint` is the dataset's, `commit` the base model's."""
    data = as_data(config)
    train = {key: value for key, value in (data["train"] or {}).items() if key not in FREE}
    rows = {key: value for key, value in data["data"].items() if key != "path"}
    return {
        "dataset": {"fingerprint": fingerprint, **rows},
        "processor": processor_digest(processor),
        "model": {**data["model"], "commit": commit},
        "budget": data["budget"],
        "lora": data["lora"],
        "train": train,
        "processes": processes.count(),
    }


def processor_digest(processor: ProcessorMixin) -> dict[str, str]:
    """What text and images become under a processor: its class, and digests of template, vocabulary and pixels."""
    tokenizer = processor.tokenizer
    return {
        "class": type(processor).__name__,
        "template": _digest(processor.chat_template or tokenizer.chat_template),
        "vocabulary": _digest(sorted(tokenizer.get_vocab().items())),
        "pixels": _digest(processor.image_processor.to_dict()),
    }


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=str, ensure_ascii=False).encode()).hexdigest()[:16]
