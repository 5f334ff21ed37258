"""How much memory a training takes on a GPU: an estimate from the model's architecture, with its arithmetic.

The model is built on torch's meta device: modules with shapes and no weights. Weights, adapter, gradients and optimizer
follow from the shapes exactly; activations are counted by a rule, and the rest is a reserve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmtrain.config import LoraConfig, ModelConfig, RunConfig
from vlmtrain.model import part_of, target_modules

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from vlmtrain.protocols import ModelFamily

NF4_BYTES = 0.5 + 0.127 / 8
"""Of one weight in nf4 with double quantisation: 4 bits, and 0.127 bits of constants (arXiv 2305.14314, section 3)."""

OPTIMIZER_BYTES = {"adamw_8bit": 2.0, "paged_adamw_8bit": 2.0}
"""Of both states of one weight; torch's AdamW keeps two more numbers of the weight's own type."""

HEAD_TOKENS, HEAD_WORDS = 4096, 32768
"""TRL computes logits in tiles of so many tokens and words (trl 1.16 kernels/chunked_logprob.py, trainer/utils.py)."""

CUDA_BYTES = 2**30
"""CUDA's context, kernels and cuBLAS' workspace: ours, about what nvidia-smi shows for an empty process and more."""

SLACK = 0.1
"""The share for fragmentation and for what the rule does not count: ours."""

CARDS_GB = (16, 24, 40, 48, 80)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchShape:
    """The largest batch of a training: rows, tokens of its longest, learned tokens of all, patches of all images."""

    rows: int
    tokens: int
    learned: int
    patches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLine:
    """One thing that takes memory, and how the number comes about."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU of so much memory, and whether it would hold the run."""

    gigabytes: int
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """An estimate for one GPU, line by line. The last two lines are the reserve."""

    batch: BatchShape
    lines: tuple[MemoryLine, ...]

    @property
    def bytes(self) -> int:
        """All lines together."""
        return sum(line.bytes for line in self.lines)

    @property
    def cards(self) -> tuple[Card, ...]:
        """The usual cards. One of 24 GB has 24 * 2**30 bytes, near enough."""
        return tuple(Card(gigabytes=size, holds=self.bytes <= size * 2**30) for size in CARDS_GB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one token takes in a layer, in numbers: kept until the backward pass, and while the layer is at work.

    `again`: only its input is kept, and its inside computed again.
    """

    kept: int
    inside: int
    vision: bool
    again: bool


def load_settings(model: ModelConfig) -> Any:
    """The base's config, without its weights."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(
        model.base, revision=model.revision or "main", trust_remote_code=model.trust_remote_code
    )


def patch_pixels(settings: Any) -> int:
    """How many pixels, over time too, make one patch of the vision tower."""
    tower = getattr(settings, "vision_config", None) or getattr(settings, "vit_config", None)
    side = getattr(tower, "patch_size", None) or getattr(tower, "image_patch_size", None) or 14
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return int(height) * int(width) * int(getattr(tower, "temporal_patch_size", None) or 1)


def on_meta(settings: Any, attention: str | None = None) -> PreTrainedModel:
    """A model of this architecture without weights; `settings` is its config. Raises ValueError where none is known."""
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        made: PreTrainedModel = AutoModelForImageTextToText.from_config(
            settings, dtype=torch.bfloat16, attn_implementation=attention
        )
    return made


def estimate_memory(
    model: PreTrainedModel, config: RunConfig, family: ModelFamily, batch: BatchShape
) -> MemoryEstimate:
    """What training this model under this run takes, for the largest batch. `model` may be on the meta device."""
    adapter = adapter_layers(model, config, family)
    lines = [
        *_weight_lines(model, config, family),
        *_trained_lines(model, config, family, adapter),
        *_activation_lines(model, config, family, batch, adapter),
        _head_line(model, batch, _number(config)),
    ]
    whole = sum(line.bytes for line in lines)
    lines.append(MemoryLine(name="CUDA itself", bytes=CUDA_BYTES, how="1 GiB: a reserve"))
    slack = MemoryLine(name="fragmentation", bytes=int(whole * SLACK), how=f"{SLACK:.0%} of the lines above CUDA")
    return MemoryEstimate(batch=batch, lines=(*lines, slack))


def adapter_layers(model: PreTrainedModel, config: RunConfig, family: ModelFamily) -> dict[str, nn.Linear]:
    """The linear layers that get an adapter, by name; none where the weights themselves learn."""
    if config.lora is None:
        return {}
    targets = set(target_modules(config.lora.targets, model, family))
    return {name: module for name, module in _linear(model) if name in targets}


def _linear(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    from torch.nn import Linear
    from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

    apart = (
        NonDynamicallyQuantizableLinear  # torch's own attention reads its weights; neither peft nor bitsandbytes may
    )
    for name, module in model.named_modules():
        if isinstance(module, Linear) and not isinstance(module, apart):
            yield name, module


def quantised_weights(model: PreTrainedModel, config: RunConfig, family: ModelFamily) -> int:
    """How many weights nf4 takes: those of the linear layers of the parts that the run names.

    transformers leaves the output head and tied weights alone.
    """
    from transformers.quantizers.base import get_keys_to_not_convert

    if config.model.load != "nf4":
        return 0
    left, parts = tuple(get_keys_to_not_convert(model)), {None, *config.model.quantise}
    return sum(
        module.weight.numel()
        for name, module in _linear(model)
        if part_of(name, family) in parts and not any(_below(name, each) for each in left)
    )


def _below(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")


def _weight_lines(model: PreTrainedModel, config: RunConfig, family: ModelFamily) -> Iterator[MemoryLine]:
    """The base's weights. Those that learn themselves are counted with what is trained."""
    number, packed = _number(config), quantised_weights(model, config, family)
    learning = 0 if config.lora else _learning(model, config, family)
    rest = sum(parameter.numel() for parameter in model.parameters()) - packed - learning
    if packed:
        how = f"{packed:,} in nf4, {NF4_BYTES:.3f} bytes each (0.5 + 0.127 bit of constants)"
        yield MemoryLine(name="weights in 4 bits", bytes=int(packed * NF4_BYTES), how=how)
        head = model.get_output_embeddings()
        largest = max(module.weight.numel() for _, module in _linear(model) if module is not head)
        how = f"the largest layer's {largest:,} while it is computed with, {number} bytes each"
        yield MemoryLine(name="one layer unpacked", bytes=largest * number, how=how)
    what = "embeddings, head, norms" if packed else "frozen" if learning else "all"
    name = "other weights" if packed or learning else "weights"
    yield MemoryLine(name=name, bytes=rest * number, how=f"{rest:,} ({what}), {number} bytes each")


def _learning(model: PreTrainedModel, config: RunConfig, family: ModelFamily) -> int:
    """How many of the model's own weights learn where there is no adapter."""
    parts = config.learned_parts
    return sum(each.numel() for name, each in model.named_parameters() if part_of(name, family) in parts)


def _trained_lines(
    model: PreTrainedModel, config: RunConfig, family: ModelFamily, adapter: dict[str, nn.Linear]
) -> Iterator[MemoryLine]:
    """What is trained, its gradients and the optimizer's states.

    TRL trains an adapter on a quantised base in bfloat16; on any other base peft makes it float32, as whole parts are.
    """
    assert config.train is not None
    number = 2 if config.lora and config.model.load == "nf4" else 4
    if config.lora is None:
        count = _learning(model, config, family)
        yield MemoryLine(name="weights that learn", bytes=count * number, how=f"{count:,}, {number} bytes each")
    else:
        own, whole = _adapter_weights(config.lora, adapter), _saved_weights(config.lora, model)
        count, more = own + whole, f" + {whole:,} of modules trained whole" if whole else ""
        how = f"{own:,} (r = {config.lora.r}){more}, {number} bytes each"
        yield MemoryLine(name="adapter", bytes=count * number, how=how)
    yield MemoryLine(name="gradients", bytes=count * number, how=f"{count:,}, {number} bytes each")
    each = OPTIMIZER_BYTES.get(config.train.optimizer, 2.0 * number)
    how = f"{count:,}, {each:g} bytes each ({config.train.optimizer})"
    yield MemoryLine(name="optimizer", bytes=int(count * each), how=how)


def _adapter_weights(lora: LoraConfig, adapter: dict[str, nn.Linear]) -> int:
    count = sum(lora.r * (layer.in_features + layer.out_features) for layer in adapter.values())
    return count + (sum(layer.out_features for layer in adapter.values()) if lora.dora else 0)


def _saved_weights(lora: LoraConfig, model: PreTrainedModel) -> int:
    saved = [
        module
        for name, module in model.named_modules()
        if any(name == each or name.endswith(f".{each}") for each in lora.modules_to_save)
    ]
    return sum(parameter.numel() for module in saved for parameter in module.parameters())


def repeated_layers(
    model: PreTrainedModel, family: ModelFamily, adapter: dict[str, nn.Linear], rank: int
) -> Iterator[Layer]:
    """The layers of both parts, with what a token takes in each.

    Inside a layer every linear layer's inputs and outputs are counted once. So they stand for those of norms,
    activations and attention too, between which they lie. An adapter keeps its input after dropout, and `rank` numbers.
    Only layers of transformers' own kind can be computed again: those of Llama 3.2's vision tower can't.
    """
    from torch.nn import ModuleList
    from transformers.modeling_layers import GradientCheckpointingLayer

    found: list[str] = []
    listed = {
        f"{name}.{place}"
        for name, module in model.named_modules()
        if isinstance(module, ModuleList)
        for place in module._modules
    }
    for name, module in model.named_modules():
        again = isinstance(module, GradientCheckpointingLayer)
        if any(_below(name, each) for each in found) or not (again or name in listed):
            continue
        linear = [(f"{name}.{inner}", layer) for inner, layer in _linear(module)]
        if not linear or (not again and any(isinstance(each, GradientCheckpointingLayer) for each in module.modules())):
            continue
        found.append(name)
        inside = sum(layer.in_features + layer.out_features for _, layer in linear)
        inside += sum(layer.in_features + rank for path, layer in linear if path in adapter)
        yield Layer(
            kept=linear[0][1].in_features if again else inside,
            inside=inside,
            vision=part_of(name, family) != "language",
            again=again,
        )


def _activation_lines(
    model: PreTrainedModel, config: RunConfig, family: ModelFamily, batch: BatchShape, adapter: dict[str, nn.Linear]
) -> Iterator[MemoryLine]:
    """Of the language model by tokens, of the vision tower by patches.

    The tower's layers too are kept: TRL asks the embeddings of every part for gradients.
    """
    assert config.train is not None
    number, again = _number(config), config.train.gradient_checkpointing
    layers = list(repeated_layers(model, family, adapter, config.lora.r if config.lora else 0))
    tokens = batch.rows * batch.tokens
    for vision, count, unit in ((False, tokens, "tokens"), (True, batch.patches, "patches")):
        chosen = [layer for layer in layers if layer.vision == vision]
        if chosen and count:
            yield from _layer_lines(chosen, count, unit, number, again=again)
    if model.config._attn_implementation == "eager":
        yield _scores_line(model, batch, number)


def _layer_lines(layers: Sequence[Layer], count: int, unit: str, number: int, *, again: bool) -> Iterator[MemoryLine]:
    """What the layers of one part keep between forward and backward, and what the one at work needs."""
    part = "vision tower" if layers[0].vision else "language model"
    widest = max(layer.inside for layer in layers)
    values = sum(layer.kept if again else layer.inside for layer in layers)
    what = "inputs" if again and all(layer.again for layer in layers) else "insides"
    how = f"{count:,} {unit} x {values:,} numbers ({what} of {len(layers)} layers) x {number} bytes"
    yield MemoryLine(name=f"{part}, kept", bytes=count * values * number, how=how)
    how = f"{count:,} {unit} x {widest:,} numbers (inside its widest layer) x {number} bytes x 2 (with their gradients)"
    yield MemoryLine(name=f"{part}, at work", bytes=2 * count * widest * number, how=how)


def _scores_line(model: PreTrainedModel, batch: BatchShape, number: int) -> MemoryLine:
    """Eager attention writes all scores down: as they are, as float32 for the softmax, and their gradient."""
    heads, each = model.config.get_text_config().num_attention_heads, 2 * number + 4
    how = f"{batch.rows:,} rows x {heads} heads x {batch.tokens:,} x {batch.tokens:,} x {each} bytes (eager attention)"
    return MemoryLine(name="attention scores", bytes=batch.rows * heads * batch.tokens**2 * each, how=how)


def _head_line(model: PreTrainedModel, batch: BatchShape, number: int) -> MemoryLine:
    """TRL's head: one tile of logits and its gradient in float32, and the learned tokens' hidden states likewise."""
    text = model.config.get_text_config()
    rows, words = min(batch.learned, HEAD_TOKENS), min(text.vocab_size, HEAD_WORDS)
    size = rows * words * (number + 4) + batch.learned * text.hidden_size * (number + 4)
    how = (
        f"{rows:,} learned tokens x {words:,} words x {number + 4} bytes "
        f"+ {batch.learned:,} x {text.hidden_size:,} x {number + 4}"
    )
    return MemoryLine(name="logits", bytes=size, how=how)


def _number(config: RunConfig) -> int:
    """The bytes of a number that is computed with."""
    return 4 if config.model.load == "fp32" else 2
