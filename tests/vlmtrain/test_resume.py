"""A training that is killed, interrupted or out of disk goes on with the same losses, or says why it can't."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import vlmtrain
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmdata.errors import OutputError
from vlmtrain import checkpoints
from vlmtrain.checkpoints import MARK, differences, keep_latest, mark_whole, read_sums, whole_checkpoints
from vlmtrain.cli import sft_lines
from vlmtrain.errors import RunError, TrainingError
from vlmtrain.publishing import stage_of

Tiny = Callable[[str], Path]
pytestmark = pytest.mark.slow
TRAIN = (
    "train: {epochs: 2, batch_size: 2, accumulate: 2, learning_rate: 1.0e-3, log_every: 1, save_every: 3, "
    "scheduler: cosine, report_to: none}\n"
)
KILLED = """
import os, signal, sys
import vlmtrain

def tell(line):
    if line.startswith(sys.argv[2]):
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))

vlmtrain.sft(sys.argv[1], on_progress=tell)
"""


def run_file(folder: Path, base: Path, data: Path, more: str = TRAIN) -> Path:
    file = folder / "run.yaml"
    head = f"output: out\ndata: {{path: {data}}}\nmodel: {{base: {base}}}\n"
    file.write_text(f"{head}lora: {{targets: [language], r: 4, alpha: 8, dropout: 0.1}}\n{more}", encoding="utf-8")
    return file


def stopped_by(name: str, at: str, file: Path) -> int:
    """The exit code of a training that is sent a signal when it tells of a step."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(file), at, name], env=environment, capture_output=True, timeout=240
    ).returncode


def curve(folder: Path) -> list[tuple[int, float, float]]:
    history = json.loads((folder / "train.json").read_text())["training"]["history"]
    return [(point["step"], point["loss"], point["learning_rate"]) for point in history if "loss" in point]


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def unbroken(tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    return vlmtrain.sft(run_file(folder, tiny("qwen2_vl"), dataset)).output


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("SIGKILL", "step 5/"),
        pytest.param("SIGINT", "step 4/", marks=pytest.mark.long),
        pytest.param("SIGKILL", "step 7/", marks=pytest.mark.long),
    ],
)
def test_an_interrupted_training_goes_on_with_the_very_same_losses_and_weights(
    name: str, at: str, unbroken: Path, tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    import torch

    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    assert stopped_by(name, at, file) != 0
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match=r"--resume goes on, --replace begins again"):
        vlmtrain.sft(file)
    with pytest.raises(RunError, match="it was interrupted: `vlmtrain sft --resume` goes on"):
        vlmtrain.evaluate(file)
    with pytest.raises(RunError, match="give one of them"):
        vlmtrain.sft(file, resume=True, replace=True)
    resumed = vlmtrain.sft(file, resume=True)
    assert curve(resumed.output) == curve(unbroken)
    mine, other = weights(resumed.output), weights(unbroken)
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) for key in mine)
    whole = json.loads((unbroken / "train.json").read_text())["training"]
    summed = ("steps", "rows_seen", "tokens_seen", "tokens_learned")
    assert [getattr(resumed.training, name) for name in summed] == [whole[name] for name in summed]
    assert not list(resumed.output.rglob("*.pt")) + list(resumed.output.rglob("*.bin"))


@pytest.mark.long
def test_a_run_that_changed_is_not_resumed_and_every_difference_is_named(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    assert stopped_by("SIGKILL", "step 4/", file) == -signal.SIGKILL
    changed = vlmtrain.load_run(file, set={"train.learning_rate": 2e-3, "lora.r": 8, "data.limit": 8})
    with pytest.raises(RunError) as found:
        vlmtrain.sft(changed, resume=True)
    said = str(found.value)
    assert "can't resume at step 3" in said
    assert "dataset.limit was null, is 8" in said
    assert "lora.r was 4, is 8" in said
    assert "train.learning_rate was 0.001, is 0.002" in said
    freely = vlmtrain.load_run(file, set={"train.log_every": 3, "train.workers": 1})
    assert vlmtrain.sft(freely, resume=True).training.steps == 8


def test_to_go_on_and_to_begin_again_are_not_asked_together(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="resume goes on with what is there, replace begins again: give one of them"):
        vlmtrain.sft(run_file(tmp_path, tiny("qwen2_vl"), dataset), resume=True, replace=True)


def test_there_is_nothing_to_resume_without_a_checkpoint(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nothing to go on with"):
        vlmtrain.sft(run_file(tmp_path, tiny("qwen2_vl"), dataset), resume=True)


@pytest.mark.long
def test_a_full_disk_leaves_the_checkpoint_before_whole(
    tiny: Tiny, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def full(folder: Path, identity: Any) -> None:
        if written:
            raise OSError(28, "No space left on device", str(folder))
        written.append(folder)
        mark_whole(folder, identity)

    monkeypatch.setattr("vlmtrain.trainer.mark_whole", full)
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    with pytest.raises(TrainingError, match=r"checkpoint of step 6 can't be written: .*No space left"):
        vlmtrain.sft(file)
    kept = whole_checkpoints(stage_of(tmp_path / "out") / checkpoints.FOLDER)
    assert [checkpoint.step for checkpoint in kept] == [3]
    monkeypatch.undo()
    assert vlmtrain.sft(file, resume=True).training.steps == 8


def test_max_hours_ends_with_what_was_learned_and_says_so(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    result = vlmtrain.sft(vlmtrain.load_run(file, set={"train.max_hours": 1e-9}))
    assert (result.training.steps, result.training.stopped) == (1, "max_hours")
    assert json.loads((result.output / "train.json").read_text())["training"]["stopped"] == "max_hours"


def test_a_training_stopped_before_its_first_line_says_by_what_and_has_a_loss(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)
    result = vlmtrain.sft(vlmtrain.load_run(file, set={"train.max_hours": 1e-9, "train.log_every": 50}))
    said = "\n".join(sft_lines(result))
    assert "nan" not in said
    assert "stopped     by train.max_hours at step 1 of 8" in said
    assert "| stopped by | max\\_hours, of 8 steps |" in (result.output / "README.md").read_text()


def test_what_was_done_before_a_checkpoint_is_counted_after_it(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset)

    def break_off(line: str) -> None:
        if line.startswith("step 5/"):
            raise RuntimeError(line)

    with pytest.raises(RuntimeError):
        vlmtrain.sft(file, on_progress=break_off)
    (checkpoint,) = whole_checkpoints(stage_of(tmp_path / "out") / "checkpoints")
    before = read_sums(checkpoint.path)
    assert (checkpoint.step, before.rows) == (3, 12)
    trained = vlmtrain.sft(file, resume=True).training
    assert trained.rows_seen == 32
    assert trained.seconds > before.seconds > 0


def test_the_best_adapter_is_kept_and_training_stops_where_it_learns_no_more(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    import torch

    more = (
        "train: {epochs: 6, batch_size: 4, learning_rate: 0.3, log_every: 1, evaluate_every: 2, report_to: none, "
        "scheduler: constant, early_stopping: {patience: 2, min_delta: 100}}\n"
    )
    file = run_file(tmp_path, tiny("qwen2_vl"), dataset, more)
    result = vlmtrain.sft(vlmtrain.load_run(file, set={"data.validation_split": "validation"}))
    trained = result.training
    losses = {point.step: point.validation_loss for point in trained.history if point.validation_loss is not None}
    best = min(losses, key=lambda step: losses[step] or 0)
    assert (trained.best_step, trained.best_loss) == (best, losses[best])
    assert f"kept        step {best}, the lowest validation loss: {losses[best]:.4f}" in list(sft_lines(result))
    assert f"| step kept | {best}, validation loss " in (result.output / "README.md").read_text()
    assert trained.stopped == "early_stopping"
    assert trained.steps < 24
    again = vlmtrain.sft(
        vlmtrain.load_run(
            file,
            set={"output": str(tmp_path / "last"), "train.keep_best": False, "data.validation_split": "validation"},
        )
    )
    assert again.training.best_step is None
    assert best == trained.steps or not all(
        torch.equal(value, weights(again.output)[key]) for key, value in weights(result.output).items()
    )


def test_validation_loss_counts_every_token_once(tiny: Tiny, tmp_path: Path) -> None:
    """A mean over batches of means would give short answers too much weight; compared with one batch of all rows."""
    rows = product_rows(7)
    for number, each in enumerate(rows):
        each["messages"][-1]["content"][0]["text"] = "A red mug. " * (1 + 4 * (number % 3))
    data = save_dataset(tmp_path / "shop", {"train": product_rows(4), "validation": rows})
    losses = []
    for size in (1, 3, 7):
        (tmp_path / str(size)).mkdir()
        more = f"train: {{epochs: 1, batch_size: {size}, learning_rate: 1.0e-9, report_to: none}}\n"
        file = run_file(tmp_path / str(size), tiny("qwen2_vl"), data, more)
        values = {"data.validation_split": "validation", "model.load": "fp32", "lora.dropout": 0.0}
        history = vlmtrain.sft(vlmtrain.load_run(file, set=values)).training.history
        losses += [point.validation_loss for point in history if point.validation_loss is not None]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_a_checkpoint_without_its_mark_or_with_a_cut_file_does_not_count(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"1234")
        mark_whole(folder, {"lora": {"r": step}})
    (tmp_path / "checkpoint-3" / "adapter_model.safetensors").write_bytes(b"12")
    (tmp_path / "checkpoint-2" / MARK).unlink()
    assert [checkpoint.step for checkpoint in whole_checkpoints(tmp_path)] == [1]
    keep_latest(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_differences_name_the_place_and_both_values() -> None:
    found = list(differences({"a": {"b": 1, "c": 2}, "d": None}, {"a": {"b": 1, "c": 3}, "e": "x"}))
    assert found == ["a.c was 2, is 3", 'e was null, is "x"']
