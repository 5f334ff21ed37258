"""The estimate of GPU memory: exact where shapes decide, and near what a step really keeps where a rule does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.vlmtrain.small_data import product_rows
from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain.collate import Collator
from vlmtrain.config import DataConfig, LoraConfig, ModelConfig, RunConfig, TrainConfig
from vlmtrain.family import family_of_processor
from vlmtrain.memory import BatchShape, MemoryEstimate, estimate_memory, load_settings, on_meta, patch_pixels
from vlmtrain.model import load_base, lora_config
from vlmtrain.quiet import library_noise

Tiny = Callable[[str], Path]
BATCH = BatchShape(rows=2, tokens=50, learned=20, patches=64)


def run(base: Path, **model: Any) -> RunConfig:
    return RunConfig(
        output=Path("out"),
        data=DataConfig(path=Path("shop")),
        model=ModelConfig(base=str(base), **model),
        train=TrainConfig(learning_rate=1e-4),
    )


def estimated(config: RunConfig, batch: BatchShape = BATCH) -> MemoryEstimate:
    from vlmtrain.model import load_processor

    family = family_of_processor(load_processor(config))
    attention = config.model.attention or family.attention
    return estimate_memory(on_meta(load_settings(config.model), attention), config, family, batch)


def line(found: MemoryEstimate, name: str) -> int:
    (chosen,) = [each.bytes for each in found.lines if each.name == name]
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(MAKERS))
def test_the_weights_in_4_bits_are_those_of_the_loaded_model(family: str, tiny: Tiny) -> None:
    from bitsandbytes.nn import Params4bit

    config = run(tiny(family))
    model = load_base(config, device="cpu").model
    found = estimated(config)
    packed = sum(each.numel() for each in model.parameters() if isinstance(each, Params4bit))  # two weights a byte
    assert line(found, "weights in 4 bits") == pytest.approx(packed * (1 + 2 * 0.127 / 8), rel=1e-3)
    others = sum(each.numel() * each.element_size() for each in model.parameters() if not isinstance(each, Params4bit))
    assert line(found, "other weights") == others


@pytest.mark.slow
@pytest.mark.parametrize("load", ["nf4", "fp32"])
def test_adapter_gradients_and_optimizer_are_those_of_the_trained_model(load: str, tiny: Tiny) -> None:
    from peft import get_peft_model

    config = replace(run(tiny("qwen2_vl"), load=load), lora=LoraConfig(r=8, targets="all-linear"))
    loaded = load_base(config, device="cpu")
    with library_noise():
        adapted: Any = get_peft_model(loaded.model, lora_config(config, loaded.model, loaded.family))
    trained = sum(each.numel() for each in adapted.parameters() if each.requires_grad)
    size = 2 if load == "nf4" else 4  # TRL makes the adapter on a 4-bit base bfloat16
    found = estimated(config)
    assert line(found, "adapter") == line(found, "gradients") == trained * size
    assert line(found, "optimizer") == 2 * trained * size
    eight = replace(config, train=TrainConfig(learning_rate=1e-4, optimizer="adamw_8bit"))
    assert line(estimated(eight), "optimizer") == 2 * trained


def test_parts_that_learn_themselves_are_counted_in_float32(tiny: Tiny) -> None:
    config = replace(run(tiny("qwen2_vl"), load="bf16"), lora=None)
    found = estimated(config)
    names = [each.name for each in found.lines]
    assert "adapter" not in names
    assert line(found, "optimizer") == 2 * line(found, "gradients") == 2 * line(found, "weights that learn")
    every = sum(each.numel() for each in on_meta(load_settings(config.model)).parameters())
    assert line(found, "weights that learn") // 4 + line(found, "other weights") // 2 == every


def test_modules_that_are_saved_whole_are_counted(tiny: Tiny) -> None:
    plain = run(tiny("qwen2_vl"))
    saved = replace(plain, lora=LoraConfig(modules_to_save=("lm_head",)))
    head = on_meta(load_settings(plain.model)).get_output_embeddings()
    assert head is not None
    assert line(estimated(saved), "adapter") - line(estimated(plain), "adapter") == 2 * head.weight.numel()


@pytest.mark.slow
@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("family", sorted(MAKERS))
def test_what_a_forward_pass_keeps_is_within_the_estimate_and_not_far_below(
    family: str, again: bool, tiny: Tiny
) -> None:
    """The tensors that autograd saves on the CPU, each storage once, against the lines of both parts' layers."""
    from peft import get_peft_model
    from torch.autograd.graph import saved_tensors_hooks

    train = TrainConfig(learning_rate=1e-4, gradient_checkpointing=again)
    config = replace(run(tiny(family), load="bf16"), train=train, lora=LoraConfig(targets=("language",)))
    loaded = load_base(config, device="cpu")
    batch = Collator(loaded.processor)(product_rows(2, size=(112, 112)))
    with library_noise():
        model: Any = get_peft_model(loaded.model, lora_config(config, loaded.model, loaded.family))
        if again:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model.train()
    kept: dict[int, int] = {}
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    labels = batch.pop("labels")
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model.base_model.model.model(**batch)
    rows, tokens = labels.shape
    patches = int(batch["pixel_values"].numel()) // (3 * patch_pixels(loaded.model.config))
    shape = BatchShape(rows=rows, tokens=tokens, learned=1, patches=patches)
    lines = estimated(config, shape).lines
    layers = sum(each.bytes for each in lines if each.name.endswith((", kept", ", at work")))
    assert sum(kept.values()) <= layers * 1.1
    if not again:
        assert sum(kept.values()) >= layers / 2


def test_a_card_holds_a_run_up_to_its_own_memory() -> None:
    from vlmtrain.memory import MemoryLine

    def of(size: int) -> list[int]:
        made = MemoryEstimate(batch=BATCH, lines=(MemoryLine(name="all", bytes=size, how=""),))
        return [card.gigabytes for card in made.cards if card.holds]

    assert of(24 * 2**30) == [24, 40, 48, 80]
    assert of(24 * 2**30 + 1) == [40, 48, 80]
    assert of(81 * 2**30) == []
