"""Loading: what is quantised, what is trained, and what a user is told when it does not work."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain import RunConfig, load_run
from vlmtrain.config import BudgetConfig, DataConfig, LoraConfig, ModelConfig, shipped_runs
from vlmtrain.errors import ModelError
from vlmtrain.family import FAMILIES, family_of
from vlmtrain.model import (
    attach_adapter,
    load_base,
    load_processor,
    lora_config,
    part_of,
    save_adapter,
    target_modules,
)
from vlmtrain.quiet import library_noise

Tiny = Callable[[str], Path]


def a_run(base: str | Path, **more: Any) -> RunConfig:
    model = ModelConfig(base=str(base), **more.pop("model", {}))
    return RunConfig(output=Path("out"), data=DataConfig(path=Path("shop")), model=model, **more)


@pytest.mark.parametrize("family", sorted(MAKERS))
def test_linear_layers_are_4_bit_and_head_and_embeddings_are_not(family: str, tiny: Tiny) -> None:
    import torch
    from bitsandbytes.nn import Linear4bit

    loaded = load_base(a_run(tiny(family)), device="cpu")
    assert type(loaded.model.lm_head) is torch.nn.Linear
    modules = dict(loaded.model.named_modules())
    layers = target_modules("all-linear", loaded.model, loaded.family)
    assert layers
    assert all(isinstance(modules[name], Linear4bit) for name in layers)
    first = next(module for module in loaded.model.modules() if isinstance(module, Linear4bit))
    state = first.weight.quant_state
    assert (state.quant_type, state.nested, first.compute_dtype) == ("nf4", True, torch.bfloat16)
    assert loaded.model.get_input_embeddings().weight.dtype == torch.bfloat16
    assert not any(
        module.support_avx512bf16_for_cpu for module in loaded.model.modules() if isinstance(module, Linear4bit)
    )


@pytest.mark.parametrize(("family", "attention"), [("qwen2_vl", "sdpa"), ("gemma3", "eager"), ("pixtral", "sdpa")])
def test_one_line_says_what_was_chosen(family: str, attention: str, tiny: Tiny) -> None:
    line = load_base(a_run(tiny(family)), device="cpu").describe()
    assert line.endswith(f"on cpu, nf4 with double quantisation, bfloat16 compute, {attention} attention")
    asked = load_base(a_run(tiny(family), model={"load": "fp32", "attention": "eager"}), device="cpu")
    assert asked.describe().endswith("on cpu, not quantised, float32 compute, eager attention")


@pytest.mark.parametrize("family", sorted(MAKERS))
def test_targets_of_a_part_lie_in_that_part_and_never_in_the_head(family: str, tiny: Tiny) -> None:
    loaded = load_base(a_run(tiny(family), model={"load": "fp32"}), device="cpu")
    parts: dict[str, set[str]] = {}
    for part in ("language", "vision"):
        parts[part] = set(target_modules([part], loaded.model, loaded.family))
        assert parts[part]
        assert {part_of(name, loaded.family) for name in parts[part]} == {part}
    assert not parts["language"] & parts["vision"]
    everything = set(target_modules("all-linear", loaded.model, loaded.family))
    assert "lm_head" not in everything
    assert parts["language"] | parts["vision"] <= everything


def test_a_part_without_a_linear_layer_is_an_error(tiny: Tiny) -> None:
    loaded = load_base(a_run(tiny("gemma3"), model={"load": "fp32"}), device="cpu")
    message = (
        "lora.targets: 'projector' matches no linear layer of Gemma3ForConditionalGeneration "
        r"\(looked below model.multi_modal_projector\)"
    )
    with pytest.raises(ModelError, match=message):
        target_modules(["language", "projector"], loaded.model, loaded.family)


def test_modules_to_save_keep_tied_weights_tied(tiny: Tiny) -> None:
    config = a_run(tiny("gemma3"), model={"load": "fp32"}, lora=LoraConfig(modules_to_save=("lm_head", "embed_tokens")))
    loaded = load_base(config, device="cpu")
    made = lora_config(config, loaded.model, loaded.family)
    assert made.ensure_weight_tying
    assert set(made.modules_to_save) == {"lm_head", "embed_tokens"}
    wrong = dataclasses.replace(config, lora=LoraConfig(modules_to_save=("hed",)))
    with pytest.raises(ModelError, match="has no module 'hed'"):
        lora_config(wrong, loaded.model, loaded.family)


def test_the_pixel_budget_is_the_processors_own_setting(tiny: Tiny) -> None:
    qwen: Any = load_processor(a_run(tiny("qwen2_vl"), budget=BudgetConfig(max_pixels=28 * 28 * 4)))
    assert dict(qwen.image_processor.size) == {"shortest_edge": 784, "longest_edge": 3136}
    pixtral: Any = load_processor(a_run(tiny("pixtral"), budget=BudgetConfig(max_pixels=64 * 64)))
    assert pixtral.image_processor.size["longest_edge"] == 64
    mllama: Any = load_processor(a_run(tiny("mllama"), budget=BudgetConfig(max_pixels=56 * 56 * 2)))
    assert mllama.image_processor.max_image_tiles == 2


@pytest.mark.parametrize(
    ("family", "budget", "message"),
    [
        ("gemma3", BudgetConfig(max_pixels=100), "Gemma 3 resizes every image to 56 x 56 pixels"),
        ("pixtral", BudgetConfig(min_pixels=100), "Pixtral has no lower bound"),
        ("mllama", BudgetConfig(max_pixels=100), r"in tiles of 3,136 pixels; max_pixels is 100"),
    ],
)
def test_a_pixel_budget_that_a_family_cannot_keep_is_refused(
    family: str, budget: BudgetConfig, message: str, tiny: Tiny
) -> None:
    with pytest.raises(ModelError, match=message):
        load_processor(a_run(tiny(family), budget=budget))


@pytest.mark.parametrize("name", sorted(shipped_runs()))
def test_a_shipped_run_loads_up_to_the_download(name: str, dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"extends: {name}\noutput: out\ndata: {{path: {dataset}}}\n", encoding="utf-8")
    config = load_run(file)
    with pytest.raises(ModelError, match="not on this machine, and HF_HUB_OFFLINE forbids the download"):
        load_base(config)


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this folder holds no model that transformers can load"):
        load_processor(a_run(tmp_path))


def hub_error(status: int, kind: str) -> Exception:
    import httpx2
    from huggingface_hub import errors

    request = httpx2.Request("GET", "https://huggingface.co/owner/model")
    return getattr(errors, kind)("refused", response=httpx2.Response(status, request=request))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ((401, "GatedRepoError"), "Accept the licence on https://huggingface.co/owner/model .* HF_TOKEN"),
        ((403, "HfHubHTTPError"), "Accept the licence on https://huggingface.co/owner/model .* HF_TOKEN"),
        ((404, "RevisionNotFoundError"), "there is no revision 'v9'; see https://huggingface.co/owner/model/commits"),
        ((404, "RepositoryNotFoundError"), "no such model on the Hub, or it is private"),
    ],
)
def test_what_the_hub_refuses_is_explained(
    error: tuple[int, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedConfig

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("You are trying to access a gated repo.") from hub_error(*error)

    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", refuse)
    with pytest.raises(ModelError, match=message):
        load_processor(a_run("owner/model", model={"revision": "v9"}))


def test_an_adapter_that_is_no_safetensors_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    loaded = load_base(a_run(tiny("qwen2_vl"), model={"load": "fp32"}), device="cpu")
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        attach_adapter(loaded, tmp_path)


def test_an_unknown_model_type_gets_the_general_family() -> None:
    assert family_of("llava_onevision").name == "general"
    assert family_of("llava").name == family_of("llava", "clip_vision_model").name == "general"
    assert len({family_of(*name.split("/")).name for name in FAMILIES} - {"general"}) == 10


def test_evaluating_training_on_and_merging_4_bit_weights_on_the_cpu_gives_right_results(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    """On CPUs with AVX512-BF16, bitsandbytes packs weights in evaluation; then training fails and merging is noise."""
    import torch
    from peft import get_peft_model

    from vlmtrain import Collator
    from vlmtrain.data import open_dataset
    from vlmtrain.merging import dequantised, merged

    config = a_run(tiny("qwen2_vl"), lora=LoraConfig(r=4))
    loaded = load_base(config, device="cpu")
    batch = Collator(loaded.processor)([open_dataset(dataset)["train"][index] for index in range(2)])
    torch.manual_seed(1)
    with library_noise():
        model = get_peft_model(loaded.model, lora_config(config, loaded.model, loaded.family))

    def logits() -> torch.Tensor:
        model.eval()
        with torch.no_grad():
            return model(**batch).logits.float()

    def train() -> None:
        model.train()
        optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)
        model(**batch).loss.backward()
        optimizer.step()

    before = logits()
    train()
    logits()
    train()
    after = logits()
    assert (after - before).abs().max() > 0
    save_adapter(model, tmp_path, config, None)
    used = dataclasses.replace(loaded, model=model.unload())
    folded = merged(attach_adapter(dequantised(used), tmp_path)).model
    with torch.no_grad():
        difference = (folded(**batch).logits.float() - after).abs().mean()
    assert difference < 0.05 * after.std()  # bfloat16's; several times the spread where weights were packed
