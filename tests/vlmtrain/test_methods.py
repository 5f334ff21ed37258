"""What is trained and how: QLoRA, LoRA, DoRA, modules saved whole, the model's own weights; each through to merging."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vlmtrain
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmtrain.config import PARTS
from vlmtrain.errors import ModelError, RunError
from vlmtrain.model import load_base, part_of
from vlmtrain.run import SftResult

Tiny = Callable[[str], Path]
pytestmark = pytest.mark.slow
RUN = """
output: out
data: {{path: {data}, validation_split: null}}
model: {{base: {base}, load: {load}}}
train: {{epochs: 1, batch_size: 4, learning_rate: 1.0e-3, log_every: 1, report_to: none}}
eval: {{batch_size: 4, metrics: [answer_loss], generate: {{max_new_tokens: 4}}}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = product_rows(12)
    return save_dataset(tmp_path_factory.mktemp("methods") / "shop", {"train": rows[:8], "test": rows[8:]})


def run_of(folder: Path, base: Path, data: Path, load: str, **more: Any) -> vlmtrain.RunConfig:
    file = folder / "run.yaml"
    file.write_text(RUN.format(data=data, base=base, load=load), encoding="utf-8")
    return vlmtrain.load_run(file, set=more)


def learned(result: SftResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((result.output / "train.json").read_text())["training"]
    return found


def long(*values: Any) -> Any:
    """A case for `make test-long`."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("family", "load", "settings"),
    [
        ("qwen2_vl", "nf4", {"lora.targets": ["vision", "projector"]}),
        long("qwen2_vl", "nf4", {"lora.dora": True}),
        long("qwen2_vl", "bf16", {"lora.rslora": True, "lora.targets": "all-linear"}),
        long("qwen2_vl", "nf4", {"lora.modules_to_save": ["lm_head", "embed_tokens"]}),
        long("gemma3", "nf4", {"lora.modules_to_save": ["embed_tokens"]}),
        ("gemma3", "bf16", {"lora.modules_to_save": ["lm_head", "embed_tokens"], "lora.dora": True}),
        long("qwen2_vl", "nf4", {"model.quantise": ["language"], "lora.targets": ["language", "vision"]}),
    ],
)
def test_an_adapter_is_trained_evaluated_and_merged(
    family: str, load: str, settings: dict[str, Any], tiny: Tiny, data: Path, tmp_path: Path
) -> None:
    config = run_of(tmp_path, tiny(family), data, load, **settings)
    result = vlmtrain.sft(config)
    assert (result.adapter, result.model) == (tmp_path / "out" / "adapter", None)
    evaluated = vlmtrain.evaluate(config, controls=())
    assert evaluated.candidates["adapter"].metrics["answer_loss"] != evaluated.candidates["base"].metrics["answer_loss"]
    agreed = vlmtrain.merge(config, tmp_path / "merged").agreement
    assert agreed is not None
    assert agreed.largest_logit_difference < 0.35 * agreed.logit_deviation


@pytest.mark.parametrize(
    ("family", "load"), [("qwen2_vl", "bf16"), ("gemma3", "fp32"), long("qwen2_vl", "fp32"), long("gemma3", "bf16")]
)
def test_a_model_whose_own_weights_are_trained_is_saved_evaluated_copied_and_asked(
    family: str, load: str, tiny: Tiny, data: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    parts = ["language", "projector"]
    config = run_of(tmp_path, tiny(family), data, load, lora=None, **{"train.parts": parts})
    result = vlmtrain.sft(config)
    assert (result.adapter, result.model) == (None, tmp_path / "out" / "model")
    chosen = load_base(config)
    sizes = {
        part: sum(
            each.numel() for name, each in chosen.model.named_parameters() if part_of(name, chosen.family) == part
        )
        for part in PARTS
    }
    assert learned(result)["parameters_trained"] == sizes["language"] + sizes["projector"]
    before, after = load_file(tiny(family) / "model.safetensors"), load_file(result.output / "model/model.safetensors")
    changed = {name for name, value in after.items() if not torch.equal(value.float(), before[name].to(value).float())}
    assert changed
    assert not any("vision" in name or ".blocks." in name for name in changed)
    assert {value.dtype for value in after.values()} == {torch.bfloat16 if load == "bf16" else torch.float32}
    evaluated = vlmtrain.evaluate(result.output, controls=("swap",))
    assert list(evaluated.candidates) == ["base", "model"]
    losses = {name: found.metrics["answer_loss"] for name, found in evaluated.candidates.items()}
    assert losses["model"] < losses["base"]
    agreed = vlmtrain.merge(result.output, tmp_path / "merged").agreement
    assert agreed is not None
    assert agreed.largest_logit_difference == 0
    assert vlmtrain.generate(result.output, ids=["p9"])[0].id == "p9"


@pytest.mark.long
def test_a_whole_training_that_was_stopped_goes_on_with_the_very_same_weights(
    tiny: Tiny, data: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    made = {}
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
        settings = {"lora": None, "train.epochs": 2, "train.save_every": 1, "train.scheduler": "constant"}
        config = run_of(tmp_path / name, tiny("qwen2_vl"), data, "bf16", **settings)
        if name == "broken":
            lines: list[str] = []

            def stop(line: str, lines: list[str] = lines) -> None:
                lines.append(line)
                if line.startswith("step 3/"):
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                vlmtrain.sft(config, on_progress=stop)
        result = vlmtrain.sft(config, resume=name == "broken")
        assert result.model is not None
        made[name] = load_file(result.model / "model.safetensors")
    assert all(torch.equal(value, made["broken"][name]) for name, value in made["unbroken"].items())


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "gemma3", "mllama", "idefics3", "molmo2", "pixtral"])
@pytest.mark.parametrize(
    "named",
    [
        ("vision",),
        *(pytest.param(named, marks=pytest.mark.long) for named in [("language",), ("language", "projector")]),
    ],
)
def test_only_the_parts_that_are_named_are_quantised(
    family: str, named: tuple[str, ...], tiny: Tiny, data: Path, tmp_path: Path
) -> None:
    from bitsandbytes.nn import Linear4bit

    def counted(**more: Any) -> tuple[dict[Any, int], str]:
        loaded = load_base(run_of(tmp_path, tiny(family), data, "nf4", **more), device="cpu")
        found = dict.fromkeys(PARTS, 0)
        for name, module in loaded.model.named_modules():
            if isinstance(module, Linear4bit):
                part = part_of(name, loaded.family)
                assert part is not None
                found[part] += 1
        assert type(loaded.model.get_output_embeddings()).__name__ == "Linear"
        return found, loaded.describe()

    everything, plain = counted()
    some, said = counted(**{"model.quantise": list(named)})
    assert everything["language"] > 0
    assert everything["vision"] > 0
    assert some == {part: count if part in named else 0 for part, count in everything.items()}
    assert f"nf4 with double quantisation of {' and '.join(named)} alone" in said
    assert "alone" not in plain


@pytest.mark.parametrize("method", ["lora", "whole"])
def test_parts_learn_at_their_own_rates(
    method: str, tiny: Tiny, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl import SFTTrainer

    groups: dict[str, set[float]] = {}
    order: list[float] = []
    made = SFTTrainer._save_checkpoint

    def look(self: Any, model: Any, trial: Any) -> None:
        rates = {id(each): group["initial_lr"] for group in self.optimizer.param_groups for each in group["params"]}
        order[:] = [group["initial_lr"] for group in self.optimizer.param_groups if group["weight_decay"] == 0]
        for name, each in self.model.named_parameters():
            if each.requires_grad:
                part = part_of(name.removeprefix("base_model.model."), load.family) or "none"
                groups.setdefault(part, set()).add(rates[id(each)])
        made(self, model, trial)

    monkeypatch.setattr(SFTTrainer, "_save_checkpoint", look)
    which = {"lora.targets": list(PARTS)} if method == "lora" else {"lora": None, "train.parts": list(PARTS)}
    rates = {"train.learning_rates.vision": 1e-5, "train.learning_rates.projector": 2e-4}
    config = run_of(tmp_path, tiny("qwen2_vl"), data, "bf16", **which, **rates)
    load = load_base(config)
    vlmtrain.sft(config)
    assert groups == {"language": {1e-3}, "vision": {1e-5}, "projector": {2e-4}}
    of_parts = list(dict.fromkeys(order))  # a checkpoint's state finds its parameters by this order
    assert of_parts == [1e-3, 1e-5, 2e-4]


@pytest.mark.parametrize(
    ("load", "settings", "message"),
    [
        ("nf4", {"lora": None}, r"4-bit weights can't be trained themselves.*load bf16 or fp32"),
        ("bf16", {"train.parts": ["language"]}, r"train\.parts: .*an adapter is trained.*lora\.targets"),
        ("fp32", {"model.quantise": ["language"]}, r"model\.quantise: nothing is quantised with load fp32"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    load: str, settings: dict[str, Any], message: str, tiny: Tiny, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"1 problem") as found:
        run_of(tmp_path, tiny("qwen2_vl"), data, load, **settings)
    import re

    assert re.search(message, "\n".join(str(problem) for problem in found.value.problems), re.DOTALL)


def test_a_part_without_weights_cannot_learn(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    from vlmtrain.family.general import General
    from vlmtrain.model import choose_parts

    loaded = load_base(run_of(tmp_path, tiny("qwen2_vl"), data, "fp32"))
    with pytest.raises(ModelError, match="has no weights in 'vision'"):
        choose_parts(["vision"], loaded.model, General())


def test_asking_for_what_was_not_trained_names_the_way(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    config = run_of(tmp_path, tiny("qwen2_vl"), data, "bf16", lora=None)
    with pytest.raises(RunError, match=r"there is no trained model in .*`vlmtrain sft` makes it"):
        vlmtrain.evaluate(config)
