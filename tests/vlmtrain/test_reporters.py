"""Where the training curve goes: into files here, to the tracker that was named, and nowhere else."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import util
from pathlib import Path

import pytest

import vlmtrain
from vlmdata.errors import MissingPackageError

Tiny = Callable[[str], Path]
ROOT = Path(__file__).parent.parent.parent
HUB_TOKEN, WANDB_KEY = "hf_" + "s" * 34, "local-" + "0123456789abcdef" * 3
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tiny: Tiny, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A run file whose curve goes to a tracker, in an environment with keys that must not be kept anywhere."""
    monkeypatch.setenv("HF_TOKEN", HUB_TOKEN)
    monkeypatch.setenv("WANDB_API_KEY", WANDB_KEY)
    monkeypatch.chdir(tmp_path)

    def written(name: str) -> Path:
        file = tmp_path / "run.yaml"
        train = f"{{epochs: 1, batch_size: 4, learning_rate: 1.0e-3, log_every: 1, report_to: {name}}}"
        head = f"output: out\ndata: {{path: {dataset}}}\nmodel: {{base: {tiny('qwen2_vl')}}}\n"
        file.write_text(f"{head}lora: {{r: 4, alpha: 8}}\ntrain: {train}\n", encoding="utf-8")
        return file

    return written


def trained(run: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The run by the command line, in a process of its own: trackers read their settings when they are imported."""
    command = [sys.executable, "-m", "vlmtrain", "sft", str(run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(command, env=environment, cwd=run.parent, capture_output=True, text=True, timeout=300)


def losses_of(folder: Path) -> list[float]:
    history = json.loads((folder / "out" / "train.json").read_text())["training"]["history"]
    return [point["loss"] for point in history if "loss" in point]


def assert_no_key_is_kept(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    for key in (HUB_TOKEN, WANDB_KEY):
        assert key not in done.stdout + done.stderr
    for file in folder.rglob("*"):
        if file.is_file():
            found = file.read_bytes()
            assert HUB_TOKEN.encode() not in found, file
            assert WANDB_KEY.encode() not in found, file


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_place_for_the_curve_whose_package_is_missing_stops_before_training(
    name: str, run: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = util.find_spec
    monkeypatch.setattr("vlmtrain.reporters.find_spec", lambda each: None if each == name else find(each))
    monkeypatch.setattr("vlmtrain.run.load_base", lambda *_: pytest.fail("the base was loaded"))
    with pytest.raises(MissingPackageError, match=f"{name} is not installed: pip install {name}"):
        vlmtrain.sft(run(name))
    assert not list(tmp_path.glob("*out*"))


def test_a_training_tells_nobody_that_it_ran(run: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer import base_trainer

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda **_: pytest.fail("trl told the Hub of a training"))
    vlmtrain.sft(run("none"))


def test_the_curve_arrives_at_trackio_in_files_of_this_machine(run: Callable[[str], Path], tmp_path: Path) -> None:
    installed("trackio")
    done = trained(run("trackio"), TRACKIO_DIR=str(tmp_path / "trackio"))
    assert done.returncode == 0, done.stderr
    (database,) = (tmp_path / "trackio").glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        kept = [json.loads(row[0]) for row in connection.execute("select metrics from metrics order by id")]
    assert [each["train/loss"] for each in kept if "train/loss" in each] == pytest.approx(losses_of(tmp_path))
    assert_no_key_is_kept(tmp_path, done)


def test_the_curve_is_kept_here_where_wandb_is_offline(run: Callable[[str], Path], tmp_path: Path) -> None:
    installed("wandb")
    done = trained(run("wandb"), **below(tmp_path), WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    (kept,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert kept.read_bytes().count(b"train/loss") >= len(losses_of(tmp_path))
    assert_no_key_is_kept(tmp_path, done)


def test_wandb_that_cannot_be_reached_is_said_in_a_line(run: Callable[[str], Path], tmp_path: Path) -> None:
    installed("wandb")
    nobody = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "3"}
    done = trained(run("wandb"), **below(tmp_path), **nobody, WANDB_MODE="online")
    assert done.returncode == 2
    assert "train.report_to: wandb can't begin a run" in done.stderr
    assert "WANDB_MODE=offline" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert_no_key_is_kept(tmp_path, done)


def installed(name: str) -> None:
    if util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


def below(folder: Path) -> dict[str, str]:
    """wandb's folders, below this one."""
    return {name: str(folder) for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
