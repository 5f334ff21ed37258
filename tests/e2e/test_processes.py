"""Several processes that train together, started as a user starts them: by torchrun, and by accelerate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.vlmtrain import tiny_models
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmtrain.checkpoints import FOLDER, whole_checkpoints
from vlmtrain.publishing import stage_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent.parent
TWO = [str(BIN / "torchrun"), "--standalone", "--nproc_per_node", "2", "-m", "vlmtrain"]
ONE = [sys.executable, "-m", "vlmtrain"]
RUN = """
output: out
data: {path: shop, validation_split: validation}
model: {base: models/qwen2_vl, load: fp32}
lora: {targets: [language], r: 4, alpha: 8, dropout: 0.1}
train: {epochs: 4, batch_size: 2, learning_rate: 1.0e-3, log_every: 1, save_every: 1, report_to: none, keep_best: false}
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **more}


def vlmtrain(command: list[str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    made = [*command, *arguments]
    return subprocess.run(made, env=environment(**more), capture_output=True, text=True, timeout=240)


def curve(out: Path, name: str = "loss") -> list[tuple[int, float]]:
    history = json.loads((out / "train.json").read_text())["training"]["history"]
    return [(point["step"], point[name]) for point in history if name in point]


def figures(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "train.json").read_text())["training"]
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run file, a tiny model and 23 rows with answers of unequal length: no batch count divides."""
    folder = tmp_path_factory.mktemp("processes")
    tiny_models.make("qwen2_vl", folder / "models")
    rows = product_rows(31)
    for number, row in enumerate(rows):
        row["messages"][-1]["content"][0]["text"] = "A red mug. " * (1 + number % 3)
    save_dataset(folder / "shop", {"train": rows[:21], "validation": rows[21:26], "test": rows[26:]})
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def two(place: Path) -> Path:
    """What two processes left when nothing disturbed them."""
    done = vlmtrain(TWO, "sft", str(place / "run.yaml"), "--set", f"output={place / 'two'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("measure it: vlmtrain eval") == 1
    return place / "two"


def test_two_processes_have_the_losses_of_one_with_the_same_global_batch(place: Path) -> None:
    changes = ["--set", "lora.dropout=0.0"]  # each process drops at random what it sees
    for name, command, accumulate in (("b", TWO, 1), ("a", ONE, 2)):
        more = ["--set", f"train.accumulate={accumulate}", "--set", f"output={place / name}"]
        done = vlmtrain(command, "sft", str(place / "run.yaml"), *changes, *more)
        assert done.returncode == 0, done.stderr
    for name in ("loss", "validation_loss"):
        one, several = curve(place / "a", name), curve(place / "b", name)
        assert [step for step, _ in one] == [step for step, _ in several]
        assert [loss for _, loss in several] == pytest.approx([loss for _, loss in one], rel=1e-3)
    assert len(curve(place / "a")) == 24
    mine, other = figures(place / "a"), figures(place / "b")
    assert (mine["processes"], other["processes"]) == (1, 2)
    for name in ("rows_seen", "tokens_seen", "tokens_learned"):
        assert mine[name] == other[name]
    assert mine["rows_seen"] == 4 * 21


def test_ctrl_c_saves_and_two_processes_go_on_with_the_very_same_losses(place: Path, two: Path) -> None:
    import torch

    run = str(place / "run.yaml")
    kept = stage_of(place / "out") / FOLDER
    with subprocess.Popen([*TWO, "sft", run], env=environment(), stderr=subprocess.PIPE, text=True) as torchrun:
        while not whole_checkpoints(kept):
            with pytest.raises(subprocess.TimeoutExpired):
                torchrun.wait(0.05)
        torchrun.send_signal(signal.SIGINT)
        _, said = torchrun.communicate(timeout=120)
    assert torchrun.returncode != 0
    assert said.count(f"go on with: vlmtrain sft {run} --resume") == 1
    assert said.count("vlmtrain: interrupted") == 1
    assert not (place / "out").exists()
    assert len(whole_checkpoints(kept)) >= 1
    resumed = vlmtrain(TWO, "sft", run, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert curve(place / "out") == curve(two)
    mine, other = (load_file(out / "adapter" / "adapter_model.safetensors") for out in (place / "out", two))
    assert all(torch.equal(value, other[name]) for name, value in mine.items())
    assert not list(place.glob(".*"))


def test_a_mistake_is_said_once_and_ends_all_processes(place: Path) -> None:
    run = str(place / "run.yaml")
    wrong = vlmtrain(TWO, "sft", run, "--set", "train.epoch=3")
    assert wrong.returncode != 0
    assert wrong.stderr.count("train.epoch: unknown key 'epoch'") == 1
    changes = ["train.learning_rate=1.0e+30", "train.max_grad_norm=1.0e+30", f"output={place / 'blown'}"]
    blown = vlmtrain(TWO, "sft", run, *(each for change in changes for each in ("--set", change)))
    assert blown.returncode != 0
    assert blown.stderr.count("so training stops; the batch held the rows") == 1
    assert "our bug" not in blown.stderr
    assert not (place / "blown").exists()


def test_a_failure_of_one_process_alone_ends_the_others_with_its_words(place: Path) -> None:
    """Row p7 lacks its picture on the disk of the process that reads it: only that one knows why."""
    script = place / "one_fails.py"
    script.write_text(
        "import sys\n"
        "from vlmtrain import collate, cli, processes\n"
        "from vlmtrain.errors import TemplateError\n"
        "seen = collate.Collator.__call__\n"
        "def refuse(self, rows):\n"
        "    if any(row['id'] == 'p7' for row in rows):\n"
        "        raise TemplateError(f'p7: refused by process {processes.rank()}')\n"
        "    return seen(self, rows)\n"
        "collate.Collator.__call__ = refuse\n"
        "cli.main()\n",
        encoding="utf-8",
    )
    command = [*TWO[:-2], str(script)]
    failed = vlmtrain(command, "sft", str(place / "run.yaml"), "--set", f"output={place / 'failed'}")
    assert failed.returncode != 0
    assert failed.stderr.count("p7: refused by process") == 1
    assert "our bug" not in failed.stderr


def test_accelerate_that_starts_one_process_of_two_is_said(place: Path) -> None:
    command = [str(BIN / "accelerate"), "launch", "--cpu", "--num_processes", "2", "-m", "vlmtrain"]
    changes = ["--set", "train.max_hours=0.000001", "--set", f"output={place / 'accelerated'}"]
    run = ["sft", str(place / "run.yaml"), *changes]
    done = vlmtrain(command, *run)
    assert done.returncode == 0, done.stderr
    assert "accelerate was asked for several processes and started one, which trains alone" in done.stderr
    assert "torchrun --nproc_per_node N -m vlmtrain sft RUN" in done.stderr
    assert figures(place / "accelerated")["processes"] == 1
    command[command.index("2")] = "1"
    again = vlmtrain(command, *run, "--replace")
    assert again.returncode == 0, again.stderr
    assert "accelerate was asked" not in again.stderr


def test_two_processes_share_an_evaluation_and_write_what_one_does(place: Path) -> None:
    there = f"output={place / 'measured'}"
    vlmtrain(ONE, "sft", str(place / "run.yaml"), "--set", there, "--replace").check_returncode()
    found = []
    for command in (ONE, TWO):
        changes = ["--set", "eval.split=validation", "--set", "eval.batch_size=2", "--set", "eval.alone=3"]
        asked = vlmtrain(command, "eval", str(place / "measured"), "--fresh", *changes)
        assert asked.returncode == 0, asked.stderr
        files = sorted((place / "measured" / "eval").glob("predictions-*.jsonl"))
        found.append({file.name: file.read_text(encoding="utf-8") for file in files})
        assert asked.stdout.count("answer_loss") == 1
    assert found[0] == found[1]
    ranks = {file.name.rpartition(".jsonl")[0][-2:] for file in (place / "measured" / "answers").iterdir()}
    assert ranks >= {".0", ".1"}
