"""What differs between model families, one file each. This file finds them by name, without importing any."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from vlmdata.errors import PluginError
from vlmdata.plugins import imported
from vlmtrain.errors import ModelError
from vlmtrain.family.plugged import Plugged
from vlmtrain.protocols import ModelFamily

FAMILIES: dict[str, str] = {
    "qwen2_vl": "vlmtrain.family.qwen2_vl:FAMILY",
    "qwen2_5_vl": "vlmtrain.family.qwen2_5_vl:FAMILY",
    "qwen3_vl": "vlmtrain.family.qwen3_vl:FAMILY",
    "gemma3": "vlmtrain.family.gemma3:FAMILY",
    "mllama": "vlmtrain.family.mllama:FAMILY",
    "llava/pixtral": "vlmtrain.family.pixtral:FAMILY",
    "mistral3": "vlmtrain.family.mistral3:FAMILY",
    "molmo2": "vlmtrain.family.molmo2:FAMILY",
    "idefics3": "vlmtrain.family.idefics3:FAMILY",
    "smolvlm": "vlmtrain.family.smolvlm:FAMILY",
}
"""By the `model_type` of the model's config; with a slash, by that and the `model_type` of its vision tower.

Pixtral's checkpoints are Llava models with a Pixtral tower. Those with another tower are LLaVA itself, in the general
family.
"""

PROCESSORS: dict[str, str] = {
    "Qwen2VLProcessor": "qwen2_vl",
    "Qwen2_5_VLProcessor": "qwen2_5_vl",
    "Qwen3VLProcessor": "qwen3_vl",
    "Gemma3Processor": "gemma3",
    "MllamaProcessor": "mllama",
    "PixtralProcessor": "llava/pixtral",
    "Molmo2Processor": "molmo2",
    "Idefics3Processor": "idefics3",
    "SmolVLMProcessor": "smolvlm",
}
"""By the class of the processor, for a collator that knows no model. Mistral 3 has Pixtral's."""

GENERAL = "vlmtrain.family.general:FAMILY"
_chosen: WeakKeyDictionary[Any, ModelFamily] = WeakKeyDictionary()


def family_of(model_type: str, tower: str = "") -> ModelFamily:
    """The family of a model's `model_type` and its vision tower's; the general one where it has none of its own."""
    return _loaded(FAMILIES.get(f"{model_type}/{tower}") or FAMILIES.get(model_type) or GENERAL)


def family_of_config(config: Mapping[str, Any]) -> ModelFamily:
    """The family of a model, by what its config.json says."""
    tower = config.get("vision_config")
    kind = tower.get("model_type") if isinstance(tower, Mapping) else None
    return family_of(str(config.get("model_type")), str(kind))


def family_of_processor(processor: Any) -> ModelFamily:
    """The family that a processor was loaded for, else the one of its class, else the general one."""
    return _chosen.get(processor) or family_of(PROCESSORS.get(type(processor).__name__, ""))


def choose_for_processor(processor: Any, family: ModelFamily) -> None:
    """Let `family_of_processor` find this family for as long as the processor lives."""
    _chosen[processor] = family


def plugged_in(name: str) -> ModelFamily:
    """A family from outside, `package.module:NAME`. Runs that module's code. Raises ModelError."""
    try:
        found: ModelFamily = imported(name)
    except PluginError as error:
        raise ModelError(f"model.family: {error.message}") from error
    members = [member for member in vars(ModelFamily) if not member.startswith("_")]
    missing = [member for member in members if not hasattr(found, member)]
    if missing:
        raise ModelError(f"model.family: {name} is no model family: it has no {', '.join(missing)}")
    return Plugged(name, found)


def _loaded(place: str) -> ModelFamily:
    module, _, attribute = place.partition(":")
    found: ModelFamily = getattr(importlib.import_module(module), attribute)
    return found
