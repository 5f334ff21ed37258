"""Adapters as training leaves them, without the training: random, and strong enough to change every answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmtrain.config import DataConfig as Data
from vlmtrain.config import EvalConfig, GenerateConfig, ModelConfig, RunConfig, TrainConfig
from vlmtrain.model import lora_config


def a_run(folder: Path, model: Path, data: Path, load: Any = "nf4", **more: Any) -> RunConfig:
    """A run file's values, for a tiny model."""
    return RunConfig(
        output=folder / "run",
        data=Data(path=data),
        model=ModelConfig(base=str(model), load=load),
        train=TrainConfig(learning_rate=1e-3),
        eval=EvalConfig(
            split="test",
            batch_size=4,
            metrics=("answer_loss", "exact_match", "rouge_l", "chrf", "attribute_recall"),
            generate=GenerateConfig(max_new_tokens=6),
        ),
        **more,
    )


def save_random_adapter(config: RunConfig, *, seed: int = 3) -> Path:
    """An adapter in the run's folder whose weights, and whose copies of modules, are not those of the base."""
    import torch
    from peft import get_peft_model

    from vlmtrain.model import load_base
    from vlmtrain.quiet import library_noise

    loaded = load_base(config)
    settings = lora_config(config, loaded.model, loaded.family)
    torch.manual_seed(seed)
    with library_noise():
        model = get_peft_model(loaded.model, settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
            elif "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    folder = config.output / "adapter"
    model.save_pretrained(str(folder))
    return folder
