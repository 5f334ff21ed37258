"""A merged model loads with plain transformers and answers as the adapter did, from a folder that appears whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import product_rows
from vlmdata.errors import OutputError
from vlmtrain import merging, run
from vlmtrain.collate import Collator
from vlmtrain.config import LoraConfig, RunConfig
from vlmtrain.errors import ModelError, RunError
from vlmtrain.generation import Answer, Generation, answer_rows, learned_logits
from vlmtrain.model import attach_adapter, load_base

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def config(tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("merging"), tiny("qwen2_vl"), dataset, "nf4")
    save_random_adapter(made)
    return made


def test_merge_writes_a_folder_that_plain_transformers_loads(config: RunConfig, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    told: list[str] = []
    result = run.merge(config, tmp_path / "merged", on_progress=told.append)
    assert result.agreement is not None
    assert (result.agreement.rows, result.dtype, result.onto) == (6, "bfloat16", "dequantised nf4")
    assert result.agreement.largest_logit_difference < 0.1 * result.agreement.logit_deviation + 0.1
    assert result.agreement.same_likeliest > 0.9
    written = json.loads((tmp_path / "merged" / "merge.json").read_text(encoding="utf-8"))
    assert written["agreement"]["equal"] == result.agreement.equal
    assert written["run"]["model"]["load"] == "nf4"
    assert (told[0], told[-1]) == ("adapter: 4 of 6 rows answered", "merged model: 6 of 6 rows answered")
    files = {path.name for path in (tmp_path / "merged").iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged"]
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged")
    assert not hasattr(model.config, "quantization_config")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert AutoProcessor.from_pretrained(tmp_path / "merged").chat_template


@pytest.mark.parametrize("saved", [(), ("lm_head",), ("lm_head", "embed_tokens")], ids=str)
@pytest.mark.parametrize("kind", [("qwen2_vl", "nf4"), ("qwen2_vl", "fp32"), ("gemma3", "nf4")], ids="-".join)
def test_the_merged_model_is_the_adapter_on_its_base(
    tiny: Tiny, dataset: Path, tmp_path: Path, kind: tuple[str, str], saved: tuple[str, ...]
) -> None:
    family, load = kind
    config = a_run(tmp_path, tiny(family), dataset, load, lora=LoraConfig(modules_to_save=saved))
    adapter = save_random_adapter(config)
    rows = product_rows(6)

    def logits(model: Any) -> torch.Tensor:
        found = {index: values for index, values, _ in learned_logits(model, Collator(model.processor), rows, 4)}
        return torch.cat([found[index] for index in range(len(rows))])

    base, tuned = logits(load_base(config)), logits(attach_adapter(load_base(config), adapter))
    made = merging.merged(attach_adapter(merging.dequantised(load_base(config)), adapter))
    merging.save_merged(made, tmp_path / "merged")
    whole = logits(merging.load_merged(tmp_path / "merged", made.device, made.attention))
    assert (whole - tuned).abs().max() < (0.1 if load == "nf4" else 1e-4) * (tuned - base).abs().max()


def test_an_evaluation_before_a_merge_spoils_nothing(config: RunConfig) -> None:
    """bitsandbytes repacks 4-bit weights for some CPUs as soon as a model answers; see vlmtrain.model."""
    loaded = load_base(config)
    collator, rows = Collator(loaded.processor), product_rows(4)
    answer_rows(loaded, collator, rows, Generation(max_new_tokens=4))
    fresh = merging.dequantised(load_base(config)).model.state_dict()
    used = merging.dequantised(loaded).model.state_dict()
    assert fresh.keys() == used.keys()
    assert all(torch.equal(fresh[name], used[name]) for name in fresh)


def test_repacked_weights_are_refused(config: RunConfig) -> None:
    from bitsandbytes.nn import Linear4bit

    loaded = load_base(config)
    layer = next(module for module in loaded.model.modules() if isinstance(module, Linear4bit))
    layer.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(ModelError, match="bitsandbytes has repacked its 4-bit weights"):
        merging.dequantised(loaded)


def test_a_base_that_is_not_quantised_stays_as_it_is(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    loaded = load_base(a_run(tmp_path, tiny("qwen2_vl"), dataset, "bf16"))
    assert merging.dequantised(loaded) is loaded


def test_weights_that_are_no_numbers_are_not_merged(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    config = a_run(tmp_path, tiny("qwen2_vl"), dataset, "fp32")
    loaded = attach_adapter(load_base(config), save_random_adapter(config))
    name = next(name for name, _ in loaded.model.named_parameters() if "lora_B" in name)
    loaded.model.get_parameter(name).data.fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        merging.merged(loaded)


def test_without_an_adapter_there_is_nothing_to_merge(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    config = a_run(tmp_path, tiny("qwen2_vl"), dataset)
    with pytest.raises(RunError, match=r"there is no adapter in .*vlmtrain sft"):
        run.merge(config, tmp_path / "merged")
    with pytest.raises(ModelError, match="no adapter"):
        merging.merged(load_base(config))


def test_an_existing_folder_is_replaced_only_when_asked_and_only_if_it_is_ours(
    config: RunConfig, tmp_path: Path
) -> None:
    foreign, ours = tmp_path / "photos", tmp_path / "merged"
    for folder, file in ((foreign, "cat.jpg"), (ours, "merge.json")):
        folder.mkdir()
        (folder / file).write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already"):
        run.merge(config, ours)
    with pytest.raises(OutputError, match="something else"):
        run.merge(config, foreign, replace=True)
    assert (foreign / "cat.jpg").is_file()
    run.merge(config, ours, replace=True, agreement_rows=0)
    assert json.loads((ours / "merge.json").read_text(encoding="utf-8"))["agreement"] is None


def test_a_merge_that_fails_leaves_nothing(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ModelError("no memory")

    monkeypatch.setattr(run, "load_merged", fail)
    with pytest.raises(ModelError, match="no memory"):
        run.merge(config, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_agreement_of_a_hand_worked_example() -> None:
    def behaviour(texts: list[str], logits: list[list[float]]) -> merging.Behaviour:
        answers = tuple(Answer(id=str(n), text=text, tokens=1) for n, text in enumerate(texts))
        return merging.Behaviour(answers=answers, logits={0: torch.tensor(logits)})

    before = behaviour(["a", "b", "c"], [[1.0, 0.0], [0.0, 2.0]])
    after = behaviour(["a", "x", "c"], [[1.0, 0.5], [3.0, 2.0]])
    found = merging.agreement(before, after)
    assert (found.rows, found.equal, found.differing, found.logit_tokens) == (3, 2, ("1",), 2)
    assert (found.largest_logit_difference, found.same_likeliest) == (3.0, 0.5)
    assert found.share == pytest.approx(2 / 3)


def test_logits_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_LOGITS", 10)
    one = torch.zeros(2, 4)
    kept = merging.bounded((index, one, one) for index in (5, 3, 1))
    assert list(kept) == [5]
    huge = SimpleNamespace(numel=lambda: 99, cpu=lambda: "huge")
    assert merging.bounded([(0, huge, huge)]) == {0: "huge"}  # type: ignore[list-item]
