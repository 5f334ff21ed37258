"""The command line: fast, honest about mistakes, readable by people and programs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlmdata.terminal import exit_code_of
from vlmtrain.cli import app
from vlmtrain.commands.options import now_and_then, progress

HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "pyarrow", "bitsandbytes", "PIL", "numpy", "jsonschema")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def vlmtrain(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return python("from vlmtrain.cli import main; main()", *map(str, arguments))


def test_importing_vlmtrain_imports_nothing_heavy() -> None:
    loaded = "print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    assert python(f"import sys, vlmtrain; {loaded}", *HEAVY).stdout.strip() == "[]"
    assert python(f"import sys, vlmtrain; vlmtrain.load_run; {loaded}", "torch", "pyarrow").stdout.strip() == "[]"
    helped = "import sys\nfrom vlmtrain.cli import app\ntry: app(['sft', '--help'])\nexcept SystemExit: "
    assert python(f"{helped}{loaded}", *HEAVY).stdout.strip().endswith("[]")


def test_every_public_name_is_there_and_no_other() -> None:
    import vlmtrain as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'train_all'"):
        _ = package.train_all


def test_help_names_every_command() -> None:
    done = vlmtrain("--help")
    assert done.returncode == 0
    for command in ("sft", "eval", "merge", "generate"):
        assert f"\n  {command} " in done.stdout


def test_a_run_that_is_not_there_is_an_error_of_usage(tmp_path: Path) -> None:
    done = vlmtrain("sft", tmp_path / "run.yaml")
    assert done.returncode == 2
    assert "run.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_set_is_an_error_of_usage(tmp_path: Path) -> None:
    done = vlmtrain("sft", tmp_path, "--set", "lora.r")
    assert (done.returncode, done.stderr.strip()) == (2, "--set lora.r: KEY=VALUE was expected")


@pytest.mark.long
def test_sft_prints_a_summary_and_nothing_else(tiny: Callable[[str], Path], dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        f"output: out\ndata: {{path: {dataset}, limit: 4}}\nmodel: {{base: {tiny('qwen2_vl')}}}\n"
        "lora: {r: 4}\ntrain: {learning_rate: 1.0e-3, batch_size: 4, log_every: 1, report_to: none}\n",
        encoding="utf-8",
    )
    done = vlmtrain("sft", file)
    assert done.returncode == 0, done.stderr
    (warned,) = [line for line in done.stderr.splitlines() if line.startswith("held out: ")]
    assert warned.startswith("held out: no loss is measured on rows held out")
    assert done.stdout.splitlines()[0].startswith("trained     1 steps, 4 rows, loss ")
    assert done.stdout.splitlines()[-1] == f"-> {tmp_path}/out    measure it: vlmtrain eval {tmp_path}/out"

    again = vlmtrain("sft", file, "--set", "budget.max_length=20")
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists already" in again.stderr


def test_a_training_as_json_is_read_by_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vlmtrain import cli
    from vlmtrain.pixel_budget import PixelBudget
    from vlmtrain.preflight_result import Preflight
    from vlmtrain.run import SftResult
    from vlmtrain.train import TrainResult

    figures = TrainResult(
        steps=1,
        rows_seen=4,
        tokens_seen=10,
        tokens_learned=5,
        parameters_trained=1,
        parameters=10,
        seconds=1.0,
        peak_memory_bytes=2**30,
        peak_memory_of="the process",
        final_loss=1.5,
        history=(),
    )
    found = Preflight(
        base="base",
        family="Qwen2-VL",
        data="shop",
        fingerprint=None,
        max_length=None,
        max_pixels=None,
        over="error",
        context=None,
        splits={},
        problems=(),
        largest_max_pixels=PixelBudget(bound=None, largest=None, why=""),
    )
    made = SftResult(output=Path("out"), adapter=Path("out/adapter"), model=None, training=figures, preflight=found)
    monkeypatch.setattr("vlmtrain.run.sft", lambda *_, **__: made)
    monkeypatch.setattr(cli, "config_of", lambda *_: SimpleNamespace(train=None))
    with pytest.raises(SystemExit):
        cli.app(["sft", "run.yaml", "--format", "json"])
    data = json.loads(capsys.readouterr().out)
    assert (data["adapter"], data["steps"], data["cost"]) == ("out/adapter", 1, None)
    assert "loss 1.5000" in next(cli.sft_lines(made))
    assert [*cli.sft_lines(made)][-1] == "-> out    measure it: vlmtrain eval out"
    assert [*cli.sft_lines(dataclasses.replace(made, can_evaluate=False))][-1] == "-> out"


def test_without_a_terminal_a_line_of_progress_comes_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    told = now_and_then(0.0)
    told("step 20/60")
    now_and_then(60.0)("step 21/60")
    assert capsys.readouterr().err == "step 20/60\n"
    with progress() as tell:
        assert tell is not None


@pytest.mark.parametrize("words", [("merge", "run.yaml", "--out", "out"), ("generate", "run.yaml", "--id", "a")])
def test_what_one_process_does_alone_is_refused_to_several(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert exit_code_of(lambda: app([*words]), name="vlmtrain") == 2
    assert f"`vlmtrain {words[0]}` is for one process" in capsys.readouterr().err
