"""The base model and its processor, as this machine can hold them; 4-bit loading; the adapter."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.base_place import commit_of, explained, origin_of
from vlmtrain.config import PARTS, ModelConfig, Part, RunConfig
from vlmtrain.errors import ModelError
from vlmtrain.family import choose_for_processor, family_of_config, family_of_processor, molmo1, plugged_in
from vlmtrain.loaded import LoadedModel
from vlmtrain.quiet import library_noise

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import PreTrainedModel, ProcessorMixin

    from vlmtrain.protocols import ModelFamily


HEAD = "lm_head"


@library_noise()
def load_processor(config: RunConfig) -> ProcessorMixin:
    """The base model's processor, with the run's pixel budget in its own settings. Raises ModelError."""
    from transformers import AutoProcessor, ProcessorMixin

    family = family_of_model(config.model)
    with explained(config.model):
        processor = AutoProcessor.from_pretrained(config.model.base, **origin_of(config.model))
    if not isinstance(processor, ProcessorMixin) or not hasattr(processor, "image_processor"):
        kind = type(processor).__name__
        raise ModelError(
            f"{config.model.base}: its processor is a {kind}, which takes no images; expected a vision-language model"
        )
    choose_for_processor(processor, family)
    family.set_pixels(processor, config.budget.min_pixels, config.budget.max_pixels)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def load_base(config: RunConfig, *, device: str | None = None) -> LoadedModel:
    """The base model in the precision of the run file, in evaluation mode, with its processor. Raises ModelError."""
    import torch

    commit = commit_of(config.model)
    if commit is not None:
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, revision=commit))
    processor = load_processor(config)
    place = torch.device(device) if device else processes.device()
    dtype, notes = _compute_dtype(config.model, place)
    family = family_of_processor(processor)
    model = _load_weights(config.model, place, dtype, family)
    keep_cpu_weights_unpacked(model)
    model.eval()
    return LoadedModel(
        model=model,
        processor=processor,
        family=family,
        device=place,
        dtype=dtype,
        quantisation=_quantisation(config.model),
        attention=str(model.config._attn_implementation),
        commit=commit,
        notes=notes,
    )


def family_of_model(model: ModelConfig) -> ModelFamily:
    """The family that a run names, else the one that the base's config.json belongs to. Runs no code of the base.

    Raises ModelError for a Molmo 1.
    """
    from transformers import PreTrainedConfig

    if model.family is not None:
        return plugged_in(model.family)
    with explained(model):
        found, _ = PreTrainedConfig.get_config_dict(model.base, revision=model.revision or "main")
    if found.get("model_type") == molmo1.MODEL_TYPE:
        raise ModelError(f"{model.base}: {molmo1.REASON} {molmo1.WAY}")
    return family_of_config(found)


def _compute_dtype(model: ModelConfig, device: torch.device) -> tuple[torch.dtype, tuple[str, ...]]:
    """What the device computes in, and a word on it where it is not what was asked."""
    import torch

    if model.load == "fp32":
        return torch.float32, ()
    if device.type != "cuda":
        return torch.bfloat16, ()
    if torch.cuda.is_bf16_supported(including_emulation=False):
        torch.set_float32_matmul_precision("high")
        return torch.bfloat16, ("TF32 where float32 is multiplied",)
    if model.load == "bf16":
        raise ModelError(f"model.load: {torch.cuda.get_device_name()} has no bfloat16; take nf4 or fp32")
    return torch.float16, ("no bfloat16 on this device",)


def _quantisation(model: ModelConfig) -> str:
    if model.load != "nf4":
        return "not quantised"
    only = "" if set(model.quantise) == set(PARTS) else f" of {' and '.join(model.quantise)} alone"
    return f"nf4 with double quantisation{only}"


def _load_weights(model: ModelConfig, device: torch.device, dtype: torch.dtype, family: ModelFamily) -> PreTrainedModel:
    from transformers import AutoModelForImageTextToText

    from vlmtrain.patch_embedding import multiply_patches

    with explained(model), library_noise():
        loaded: PreTrainedModel = AutoModelForImageTextToText.from_pretrained(
            model.base,
            dtype=dtype,
            device_map={"": str(device)},
            attn_implementation=model.attention or family.attention,
            quantization_config=_nf4(dtype, _left_alone(model, family)) if model.load == "nf4" else None,
            use_safetensors=True,
            **origin_of(model),
        )
    multiply_patches(loaded)
    return loaded


def _nf4(dtype: torch.dtype, left_alone: list[str] | None) -> Any:
    """4-bit NormalFloat with double quantisation (Dettmers et al. 2023, arXiv 2305.14314, section 3)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=left_alone,
    )


def _left_alone(model: ModelConfig, family: ModelFamily) -> list[str] | None:
    """Every layer that is not quantised, as a pattern of its whole name; None where the library's own choice is right.

    transformers matches a pattern from the start of a name, so that a part of one ("visual") would skip nothing
    (quantizers/quantizers_utils.py, should_convert_module). A list replaces the library's own, which keeps the output
    head and tied weights as they are.
    """
    if set(model.quantise) == set(PARTS):
        return None
    from transformers.quantizers.base import get_keys_to_not_convert

    made = _without_weights(model)
    asked = [name for name, _ in made.named_modules() if part_of(name, family) not in {None, *model.quantise}]
    return [f"{re.escape(name)}$" for name in sorted({*asked, *get_keys_to_not_convert(made)})]


def _without_weights(model: ModelConfig) -> PreTrainedModel:
    """The model's modules, on the device that holds no numbers."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    settings = AutoConfig.from_pretrained(model.base, **origin_of(model))
    with torch.device("meta"):
        made: PreTrainedModel = AutoModelForImageTextToText.from_config(
            settings, trust_remote_code=model.trust_remote_code
        )
    return made


def keep_cpu_weights_unpacked(model: torch.nn.Module) -> None:
    """Stop bitsandbytes from repacking 4-bit weights in place when the model answers on a CPU with AVX512-BF16.

    Packed weights can't be trained on, fail for layers narrower than 64, and merge into nonsense
    (bitsandbytes 0.50 nn/modules.py, Linear4bit.forward).
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def lora_config(config: RunConfig, model: PreTrainedModel, family: ModelFamily) -> LoraConfig:
    """The adapter's settings, its targets as explicit module names. Raises ModelError for a part without any."""
    from peft import LoraConfig

    assert config.lora is not None
    save = list(config.lora.modules_to_save)
    tied = bool(getattr(model.config.get_text_config(), "tie_word_embeddings", False))
    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        use_rslora=config.lora.rslora,
        use_dora=config.lora.dora,
        target_modules=target_modules(config.lora.targets, model, family),
        modules_to_save=_found_modules(save, model) or None,
        ensure_weight_tying=tied and bool(save),
        bias="none",
        task_type="CAUSAL_LM",
    )


def target_modules(targets: Sequence[Part] | str, model: PreTrainedModel, family: ModelFamily) -> list[str]:
    """The full names of the linear layers that get an adapter; the output head is never one.

    Raises ModelError where a part of the model matches no layer.
    """
    linear = list(_linear_layers(model))
    if targets == "all-linear":
        return linear
    chosen: list[str] = []
    for part in (part for part in PARTS if part in targets):
        found = [name for name in linear if part_of(name, family) == part]
        if not found:
            paths = ", ".join(family.parts[part]) if part in family.parts else "nothing"
            message = f"lora.targets: {part!r} matches no linear layer of {type(model).__name__} (looked below {paths})"
            raise ModelError(message)
        chosen += found
    return chosen


def _linear_layers(model: PreTrainedModel) -> Iterator[str]:
    """Not torch's own attention: it reads the weights of its layers past their forward, and past any adapter."""
    from torch.nn import Linear
    from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if (
            isinstance(module, Linear)
            and not isinstance(module, NonDynamicallyQuantizableLinear)
            and module is not head
        ):
            yield name


def what_learns(config: RunConfig, model: PreTrainedModel, family: ModelFamily) -> LoraConfig | None:
    """The adapter's settings; without an adapter None, and the parts that learn are chosen in the model itself."""
    if config.lora is not None:
        return lora_config(config, model, family)
    choose_parts(config.learned_parts, model, family)
    return None


def choose_parts(parts: Sequence[Part], model: PreTrainedModel, family: ModelFamily) -> None:
    """Let the weights of some parts learn, in float32, and no others. Raises ModelError for a part without any.

    The output head learns with the language model. Weights of bfloat16 would lose most steps: near 1 its next number is
    1.008.
    """
    found = set()
    for name, parameter in model.named_parameters():
        part = part_of(name, family)
        parameter.requires_grad_(part in parts)
        if part in parts:
            found.add(part)
            parameter.data = parameter.data.float()
    missing = [part for part in parts if part not in found]
    if missing:
        raise ModelError(f"train.parts: {type(model).__name__} has no weights in {missing[0]!r}")


def part_of(name: str, family: ModelFamily) -> Part | None:
    """The part of the model that a module or weight belongs to: the one with the longest path above it.

    The output head, which no family's paths name, is the language model's.
    """
    if name.partition(".")[0] == HEAD:
        return "language"
    held = [
        (len(path), part)
        for part in PARTS
        for path in family.parts.get(part, ())
        if name == path or name.startswith(f"{path}.")
    ]
    return max(held)[1] if held else None


def _found_modules(names: Sequence[str], model: PreTrainedModel) -> list[str]:
    known = [name for name, _ in model.named_modules()]
    for wanted in names:
        if not any(name == wanted or name.endswith(f".{wanted}") for name in known):
            raise ModelError(f"lora.modules_to_save: {type(model).__name__} has no module {wanted!r}")
    return list(names)


@library_noise()
def save_whole(model: Any, folder: Path, loaded: LoadedModel, weights: dict[str, Any] | None = None) -> None:
    """Write a model that was trained itself, with its processor, in the precision that it was loaded in.

    `weights` stand for the model's own where these are shared out over several processes.
    """
    if weights is None:
        for parameter in model.parameters():
            parameter.data = parameter.data.to(loaded.dtype)
    else:
        weights = {name: each.to(loaded.dtype) if each.is_floating_point() else each for name, each in weights.items()}
    model.save_pretrained(str(folder), state_dict=weights)
    loaded.processor.save_pretrained(str(folder))


@library_noise()
def save_adapter(
    model: Any, folder: Path, config: RunConfig, commit: str | None, weights: dict[str, Any] | None = None
) -> None:
    """Write the adapter as safetensors. A base that is a folder is named relative to the adapter's.

    `weights` stand for the model's own where these are shared out over several processes.
    """
    base = config.model.base
    settings = model.peft_config["default"]
    settings.base_model_name_or_path = os.path.relpath(base, folder) if config.model.is_local else base
    settings.revision = commit or config.model.revision
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False, state_dict=weights)
    (folder / "README.md").unlink(missing_ok=True)


def attach_adapter(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """The model with a trained adapter on it, in evaluation mode. Reads safetensors only. Raises ModelError."""
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{folder}: holds no adapter_model.safetensors; `vlmtrain sft` makes it")
    with library_noise():
        model = PeftModel.from_pretrained(loaded.model, str(folder), use_safetensors=True)
    model.eval()
    return dataclasses.replace(loaded, model=model)
