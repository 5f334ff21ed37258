"""Fine-tuning through the real entry: 4-bit, on the CPU, with everything that a run leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vlmtrain
from tests.vlmtrain.small_data import product_rows, row, save_dataset
from vlmdata.errors import ContractError, OutputError
from vlmtrain.errors import BudgetError, RunError, TrainingError
from vlmtrain.model import attach_adapter, load_base
from vlmtrain.quiet import DEFAULTS

Tiny = Callable[[str], Path]
TRAIN = "train: {epochs: 1, batch_size: 4, learning_rate: 1.0e-3, log_every: 2, report_to: none}\n"
pytestmark = pytest.mark.slow


def run_file(folder: Path, base: Path, data: Path, more: str = TRAIN) -> Path:
    file = folder / "run.yaml"
    head = f"output: out\ndata: {{path: {data}}}\nmodel: {{base: {base}}}\n"
    file.write_text(head + "lora: {targets: [language], r: 4, alpha: 8}\n" + more, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(
    tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[vlmtrain.run.SftResult, list[str]]:
    folder = tmp_path_factory.mktemp("trained")
    more = TRAIN.replace("none", "tensorboard") + "price_per_hour: 3.6\n"
    file = run_file(folder, tiny("qwen2_vl"), dataset, more)
    config = vlmtrain.load_run(file, set={"data.validation_split": "validation", "train.epochs": 2})
    lines: list[str] = []
    return vlmtrain.sft(config, on_progress=lines.append), lines


def test_the_run_folder_holds_the_adapter_its_run_and_its_figures(trained: tuple[Any, list[str]]) -> None:
    result, _ = trained
    assert sorted(path.name for path in result.output.iterdir()) == [
        "README.md",
        "adapter",
        "preflight.json",
        "run.yaml",
        "tensorboard",
        "train.json",
        "trained-rows.npy",
    ]
    assert sorted(path.name for path in result.adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    files = [path.suffix for path in result.output.rglob("*") if path.is_file()]
    assert not {".bin", ".pt", ".pth", ".pkl"} & set(files)
    assert vlmtrain.load_run(result.output).adapter == result.adapter


def test_the_figures_say_what_was_seen_how_long_it_took_and_what_it_cost(
    trained: tuple[Any, list[str]], dataset: Path
) -> None:
    result, _ = trained
    made = json.loads((result.output / "train.json").read_text())
    figures = made["training"]
    assert (figures["steps"], figures["rows_seen"]) == (8, 32)
    assert 0 < figures["tokens_learned"] < figures["tokens_seen"]
    assert figures["cost"] == pytest.approx(result.training.seconds * 0.001)
    assert figures["currency"] == "USD"
    assert figures["peak_memory_bytes"] > 2**27
    assert [point["step"] for point in figures["history"] if "validation_loss" in point] == [4, 8]
    assert made["dataset"]["fingerprint"] == json.loads((dataset / "manifest.json").read_text())["fingerprint"]
    assert {"torch", "transformers", "trl", "peft", "bitsandbytes", "vlmtrain"} <= set(made["versions"])
    assert made["device"].startswith("Qwen2-VL on ")
    assert made["config"]["data"]["path"].startswith("..")
    assert str(result.output.parent.parent) not in json.dumps(made)


def test_progress_says_what_is_going_on(trained: tuple[Any, list[str]]) -> None:
    _, lines = trained
    assert lines[0].startswith("16 rows of ")
    assert lines[1].startswith("16 rows: ")
    assert "nf4 with double quantisation" in lines[4]
    assert lines[-1].startswith("step 8/8  loss ")


def test_training_learns_and_only_the_language_part(trained: tuple[Any, list[str]]) -> None:
    from safetensors import safe_open

    result, _ = trained
    losses = [point.loss for point in result.training.history if point.loss is not None]
    assert losses[-1] < losses[0]
    with safe_open(result.adapter / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
        assert all(".language_model." in name for name in names)
        assert any(file.get_tensor(name).abs().max() > 0 for name in names if "lora_B" in name)


def test_the_adapter_loads_onto_a_fresh_base(trained: tuple[Any, list[str]]) -> None:
    result, _ = trained
    config = vlmtrain.load_run(result.output)
    loaded = attach_adapter(load_base(config, device="cpu"), result.adapter)
    assert not loaded.model.training
    assert loaded.model.peft_config["default"].r == 4


def test_an_existing_run_is_kept_unless_replace_is_said(trained: tuple[Any, list[str]]) -> None:
    result, _ = trained
    before = (result.adapter / "adapter_model.safetensors").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        vlmtrain.sft(vlmtrain.load_run(result.output.parent / "run.yaml"))
    assert (result.adapter / "adapter_model.safetensors").read_bytes() == before


def test_the_same_run_gives_the_same_adapter(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    first = vlmtrain.sft(vlmtrain.load_run(file, set={"data.limit": 8}))
    weights = (first.adapter / "adapter_model.safetensors").read_bytes()
    second = vlmtrain.sft(vlmtrain.load_run(file, set={"data.limit": 8}), replace=True)
    assert (second.adapter / "adapter_model.safetensors").read_bytes() == weights


def test_rows_over_the_budget_stop_the_run_before_any_weights_are_loaded(
    tiny: Tiny, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmtrain.run.load_base", lambda *_: pytest.fail("the base was loaded"))
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    with pytest.raises(BudgetError) as caught:
        vlmtrain.sft(vlmtrain.load_run(file, set={"budget.max_length": 20}))
    assert len(caught.value.problems) == 16
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_nothing(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    config = vlmtrain.load_run(
        file, set={"train.learning_rate": 1e30, "model.load": "fp32", "train.max_grad_norm": 1e30}
    )
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d+, so training stops"):
        vlmtrain.sft(config)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.yaml"]


def test_a_run_without_a_train_section_is_refused(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset, "")
    with pytest.raises(RunError, match="has no `train` section"):
        vlmtrain.sft(file)


def test_a_missing_split_names_those_that_there_are(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    with pytest.raises(RunError, match=r"no split 'trian'; it has train \(16 rows\), .* did you mean 'train'\?"):
        vlmtrain.sft(vlmtrain.load_run(file, set={"data.train_split": "trian"}))


def test_a_dataset_without_a_manifest_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    data = save_dataset(tmp_path / "shop", {"train": product_rows(2)})
    (data / "manifest.json").unlink()
    with pytest.raises(ContractError, match=r"no manifest\.json with a fingerprint"):
        vlmtrain.sft(run_file(tmp_path, tiny("qwen2_vl"), data))


def test_llama_vision_never_mixes_rows_with_and_without_images_in_a_batch(tiny: Tiny, tmp_path: Path) -> None:
    texts = [row("t", [("user", ["What?"]), ("assistant", ["A mug."])])]
    data = save_dataset(tmp_path / "shop", {"train": [*texts, *product_rows(3)]})
    file = run_file(tmp_path, tiny("mllama"), data)
    trained = vlmtrain.sft(file).training
    assert (trained.rows_seen, trained.steps) == (4, 2)


def test_rows_of_texts_alone_train_too(tiny: Tiny, tmp_path: Path) -> None:
    texts = [row(f"t{n}", [("user", ["What?"]), ("assistant", [f"A mug, {n}."])]) for n in range(4)]
    data = save_dataset(tmp_path / "shop", {"train": [*texts, *product_rows(4)]})
    result = vlmtrain.sft(run_file(tmp_path, tiny("qwen2_vl"), data))
    assert result.training.rows_seen == 8


def test_functions_print_nothing(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    """Not even what libraries show of loading and writing, when nobody has silenced them as the commands do."""
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    code = f"import vlmtrain; run = vlmtrain.load_run({str(file)!r}); vlmtrain.sft(run); vlmtrain.merge(run, 'm')"
    noisy = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=noisy, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
