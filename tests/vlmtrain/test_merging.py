"""A merged model loads with plain transformers and answers as the adapter did, from a folder that appears whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmdata.errors import OutputError
from vlmtrain import merging, run
from vlmtrain.collate import Collator
from vlmtrain.config import BudgetConfig, LoraConfig, RunConfig
from vlmtrain.errors import ModelError, RunError
from vlmtrain.generation import Answer, Generation, answer_rows, learned_logits
from vlmtrain.model import attach_adapter, load_base
from vlmtrain.pictures import pictures

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
    assert (written["prompt"], written["min_agreement"]) == (None, None)
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


@pytest.mark.parametrize(
    ("family", "bound"),
    [
        *((family, 9_000) for family in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "pixtral", "mistral3")),
        *((family, 3_000_000) for family in ("molmo2", "idefics3", "smolvlm")),
        *((family, None) for family in ("gemma3", "mllama")),
    ],
)
def test_the_merged_folder_reads_rows_into_the_tokens_of_the_run(
    tiny: Tiny, dataset: Path, tmp_path: Path, family: str, bound: int | None
) -> None:
    from transformers import AutoProcessor

    config = a_run(tmp_path, tiny(family), dataset, "fp32", budget=BudgetConfig(max_pixels=bound))
    loaded = load_base(config)
    rows = [*product_rows(2, size=(200, 150)), *product_rows(2, start=2, size=(60, 90))]

    def asked(processor: Any) -> list[list[int]]:
        collator = Collator(processor)
        return [collator.prompts([row])["input_ids"][0].tolist() for row in rows]

    merging.save_merged(loaded, tmp_path / "merged")
    again: Any = AutoProcessor.from_pretrained(tmp_path / "merged", local_files_only=True)
    assert asked(again) == asked(loaded.processor)
    assert [plainly_asked(again, row) for row in rows] == asked(loaded.processor)
    if family.startswith("qwen"):
        unbounded = load_base(dataclasses.replace(config, budget=BudgetConfig())).processor
        assert [len(ids) for ids in asked(unbounded)] > [len(ids) for ids in asked(again)]
    assert "TokenizersBackend" not in (tmp_path / "merged" / "tokenizer_config.json").read_text(encoding="utf-8")
    alone, beside = (
        json.loads((tmp_path / "merged" / name).read_text(encoding="utf-8"))
        for name in ("preprocessor_config.json", "processor_config.json")
    )
    assert {key: alone[key] for key in beside["image_processor"]} == beside["image_processor"]


def plainly_asked(processor: Any, row: Mapping[str, Any]) -> list[int]:
    """A prompt's tokens as anyone makes them, with nothing of ours."""
    shown = [
        {"type": "image", "image": picture} if part["type"] == "image" else {"type": "text", "text": part["text"]}
        for part in row["messages"][0]["content"]
        for picture in pictures(row)
    ]
    made = processor.apply_chat_template(
        [[{"role": "user", "content": shown}]], tokenize=True, add_generation_prompt=True, return_dict=True
    )
    return list(made["input_ids"][0])


def test_the_merged_folder_generates_as_the_run_asked(config: RunConfig, tmp_path: Path) -> None:
    from transformers import GenerationConfig

    run.merge(config, tmp_path / "merged", agreement_rows=0)
    found = GenerationConfig.from_pretrained(tmp_path / "merged")
    assert (found.do_sample, found.max_new_tokens) == (False, 6)
    base = load_base(config)
    ends = {base.processor.tokenizer.convert_tokens_to_ids("<|im_end|>"), base.processor.tokenizer.eos_token_id}
    assert ends <= set(found.eos_token_id)


def test_a_folder_that_lost_the_pixel_budget_is_not_left_behind(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = dataclasses.replace(config, budget=BudgetConfig(max_pixels=4_000))

    def forgetful(loaded: Any, folder: Path, *_: Any) -> None:
        loaded.model.save_pretrained(folder)
        load_base(config).processor.save_pretrained(folder)

    monkeypatch.setattr(run, "save_merged", forgetful)
    large = [{**row, "id": f"large-{row['id']}"} for row in product_rows(2, size=(300, 200))]
    monkeypatch.setattr(run, "choose", lambda *_: large)
    with pytest.raises(ModelError, match=r"large-p0: \d+ tokens in the run, \d+ by the merged folder"):
        run.merge(bounded, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_onto_bf16_adds_the_adapter_to_the_weights_that_were_not_rounded(config: RunConfig, tmp_path: Path) -> None:
    plain = dataclasses.replace(config, model=dataclasses.replace(config.model, load="bf16"))
    made = merging.merged(attach_adapter(load_base(plain), config.output / "adapter"))
    result = run.merge(config, tmp_path / "bf16", onto="bf16")
    assert result.onto == "bf16, though trained on nf4"
    assert result.agreement is not None
    trained = run.merge(config, tmp_path / "trained").agreement
    assert trained is not None
    assert result.agreement.largest_logit_difference > trained.largest_logit_difference
    found = merging.load_merged(tmp_path / "bf16", made.device, made.attention).model.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in made.model.state_dict().items())


def test_a_run_that_trained_the_whole_model_has_nothing_to_put_onto_other_weights(config: RunConfig) -> None:
    from vlmtrain.trained import Trained

    whole = Trained(kind="model", path=config.output)
    with pytest.raises(RunError, match="was trained whole"):
        run._refuse_merge(whole, "bf16", 32, None)


@pytest.mark.parametrize(
    ("asked", "rows", "words"),
    [(1.5, 4, "between 0 and 1"), (-0.1, 4, "between 0 and 1"), (0.5, 0, "leave out --rows")],
)
def test_an_agreement_that_makes_no_sense_is_refused(
    config: RunConfig, tmp_path: Path, asked: float, rows: int, words: str
) -> None:
    with pytest.raises(RunError, match=words):
        run.merge(config, tmp_path / "merged", min_agreement=asked, agreement_rows=rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("asked", "code"), [("0.5", 0), ("0.51", 1), ("0", 0), ("1", 1)])
def test_below_the_agreement_that_was_asked_for_the_exit_code_is_1_and_the_folder_stands(
    config: RunConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    code: int,
) -> None:
    from vlmtrain import cli
    from vlmtrain.commands import merging as command

    half = merging.Agreement(rows=4, equal=2, differing=("p1", "p2"))
    monkeypatch.setattr(run, "agreement", lambda *_: half)
    monkeypatch.setattr(command, "config_of", lambda *_: config)
    with pytest.raises(SystemExit) as stopped:
        cli.app(["merge", "run.yaml", "--out", str(tmp_path / "merged"), "--min-agreement", asked, "--rows", "1"])
    assert stopped.value.code == code
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    assert ("2 of 4 answers are those of the adapter (50.0%)" in capsys.readouterr().err) == bool(code)
    written = json.loads((tmp_path / "merged" / "merge.json").read_text(encoding="utf-8"))
    assert written["min_agreement"] == float(asked)


def test_a_family_from_outside_stays_the_merged_models(config: RunConfig, tmp_path: Path) -> None:
    from vlmtrain.family.general import General

    class Other(General):
        name = "Other"

    made = load_base(config)
    merging.save_merged(merging.dequantised(made), tmp_path / "merged")
    other = Other()
    assert merging.load_merged(tmp_path / "merged", made.device, made.attention, other).family is other
    assert merging.load_merged(tmp_path / "merged", made.device, made.attention).family is made.family


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


def test_without_a_split_that_is_held_out_the_merge_goes_on_and_says_so(tiny: Tiny, tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "shop", {"train": product_rows(4)})
    here = a_run(tmp_path, tiny("qwen2_vl"), data)
    save_random_adapter(here)
    told: list[str] = []
    assert run.merge(here, tmp_path / "merged", on_progress=told.append).agreement is None
    assert "the dataset has no split 'test', and no other but the one trained on: agreement is not measured" in told
    with pytest.raises(RunError, match="has no split 'test'"):
        run.merge(here, tmp_path / "other", min_agreement=0.9)
    two = save_dataset(tmp_path / "two", {"train": product_rows(4), "tests": product_rows(2)})
    with pytest.raises(RunError, match="did you mean 'tests'"):
        run.merge(dataclasses.replace(here, data=dataclasses.replace(here.data, path=two)), tmp_path / "other")


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
