"""A training without a split to measure on says what it goes without, and how to get one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vlmtrain
from tests.vlmtrain.small_data import product_rows, save_dataset
from vlmtrain import cli
from vlmtrain.config import RunConfig
from vlmtrain.errors import RunError
from vlmtrain.held_out import not_held_out, split_names
from vlmtrain.preflight_result import as_data
from vlmtrain.report import as_text
from vlmtrain.report_preflight import preflight_report

TINY = Callable[[str], Path]
VALIDATED = {"data.validation_split": "validation"}
UNDONE = "no loss is measured on rows held out, the last step is kept and not the best one, and nothing stops early"
TRAIN = "train: {epochs: 1, batch_size: 2, learning_rate: 1.0e-3, report_to: none}\n"


def a_config(folder: Path, base: Path | str, *splits: str, more: str = TRAIN) -> RunConfig:
    data = save_dataset(folder / "data", {name: product_rows(2, start=2 * n) for n, name in enumerate(splits)})
    file = folder / "run.yaml"
    file.write_text(f"output: out\ndata: {{path: {data}}}\nmodel: {{base: {base}}}\n{more}", encoding="utf-8")
    return vlmtrain.load_run(file)


def test_a_dataset_without_any_held_out_rows_is_to_be_split(tmp_path: Path) -> None:
    config = a_config(tmp_path, "some/model", "train")
    data = tmp_path / "data"
    assert split_names(data) == ("train",)
    assert not_held_out(config) == (
        f"{UNDONE}; `vlmtrain eval` finds no split 'test' either; `vlmdata split {data} --out {data}-split --shares "
        "train=0.8,validation=0.1,test=0.1` makes splits, and data.validation_split names the one to measure on"
    )


def test_a_split_that_is_there_is_only_to_be_named(tmp_path: Path) -> None:
    config = a_config(tmp_path, "some/model", "train", "validation", "test")
    assert not_held_out(config) == f"{UNDONE}; for that, name the split: data.validation_split: validation"


def test_a_dataset_that_was_divided_gets_one_where_it_was_divided(tmp_path: Path) -> None:
    stopping = TRAIN.replace("}", ", early_stopping: {patience: 1}}")
    said = not_held_out(a_config(tmp_path, "some/model", "train", "test", more=stopping))
    assert said.startswith(f"{UNDONE} (train.early_stopping has no effect); a share for `validation` in the recipe's")


def test_nothing_is_said_where_a_split_is_measured_or_nothing_is_trained(tmp_path: Path) -> None:
    config = a_config(tmp_path, "some/model", "train", "validation")
    named = vlmtrain.load_run(tmp_path / "run.yaml", set=VALIDATED)
    assert not_held_out(config)
    assert not_held_out(named) == "`vlmtrain eval` finds no split 'test'"
    assert not not_held_out(vlmtrain.load_run(tmp_path / "run.yaml", set={**VALIDATED, "eval.split": "validation"}))
    (tmp_path / "run.yaml").write_text(f"output: out\ndata: {{path: {tmp_path}/data}}\nmodel: {{base: some/model}}\n")
    assert not not_held_out(vlmtrain.load_run(tmp_path / "run.yaml"))
    assert split_names(tmp_path) == ()


def test_a_split_to_evaluate_on_that_is_not_there_is_refused_early_where_another_is(tiny: TINY, tmp_path: Path) -> None:
    config = a_config(tmp_path, tiny("qwen2_vl"), "train", "tests")
    said = "eval.split: the dataset has no split 'test'; it has train, tests. did you mean 'tests'?"
    for act in (vlmtrain.preflight, vlmtrain.sft):
        with pytest.raises(RunError) as caught:
            act(config)
        assert str(caught.value) == said
    assert vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=tmp_path / "data").passed


def test_a_preflight_says_so_and_one_without_a_run_does_not(tiny: TINY, tmp_path: Path) -> None:
    config = a_config(tmp_path, tiny("qwen2_vl"), "train")
    found = vlmtrain.preflight(config)
    assert found.passed
    assert as_data(found)["held_out_note"] == not_held_out(config)
    assert f"held out        {UNDONE[:40]}" in as_text(preflight_report(found))
    assert not vlmtrain.preflight(model=str(tiny("qwen2_vl")), data=tmp_path / "data").held_out_note


def test_a_training_says_so_before_it_begins(
    tiny: TINY, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = a_config(tmp_path, tiny("qwen2_vl"), "train")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vlmtrain, "sft", stop)
    with pytest.raises(SystemExit) as stopped:
        cli.main(lambda: cli.app(["sft", str(tmp_path / "run.yaml")]))
    assert stopped.value.code == 130
    assert f"held out: {not_held_out(config)}\n" in capsys.readouterr().err
