"""What differs between model families, one file each. This file finds them by name, without importing any."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlmtrain.protocols import ModelFamily

FAMILIES: dict[str, str] = {
    "qwen2_vl": "vlmtrain.family.qwen2_vl:FAMILY",
    "gemma3": "vlmtrain.family.gemma3:FAMILY",
    "mllama": "vlmtrain.family.mllama:FAMILY",
    "llava": "vlmtrain.family.pixtral:FAMILY",
}
"""By the `model_type` of the model's config. Pixtral's checkpoints are Llava models with a Pixtral vision tower."""

PROCESSORS: dict[str, str] = {
    "Qwen2VLProcessor": "qwen2_vl",
    "Gemma3Processor": "gemma3",
    "MllamaProcessor": "mllama",
    "PixtralProcessor": "llava",
}
"""By the class of the processor, for a collator that knows no model."""

GENERAL = "vlmtrain.family.general:FAMILY"


def family_of(model_type: str) -> ModelFamily:
    """The family of a model's `model_type`; the general one where it has none of its own."""
    module, _, attribute = FAMILIES.get(model_type, GENERAL).partition(":")
    found: ModelFamily = getattr(importlib.import_module(module), attribute)
    return found


def family_of_processor(processor: Any) -> ModelFamily:
    """The family that a processor belongs to; the general one where it has none of its own."""
    return family_of(PROCESSORS.get(type(processor).__name__, ""))
