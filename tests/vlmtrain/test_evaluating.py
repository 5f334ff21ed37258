"""`evaluate` as a whole, on a tiny model with an adapter: who is asked, what is kept, what is written."""

from __future__ import annotations

import base64
import csv
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import vlmtrain
from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.scored import Match
from vlmdata.contract import validator
from vlmdata.errors import ConfigError
from vlmtrain import generation, hearing
from vlmtrain.cli import app
from vlmtrain.config import RunConfig, save_run
from vlmtrain.data import open_dataset
from vlmtrain.errors import RunError, ThresholdError
from vlmtrain.evaluating import evaluate
from vlmtrain.exporting import export_predictions, export_task
from vlmtrain.findings import warnings

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def config(tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("evaluate"), tiny("qwen2_vl"), dataset, "nf4")
    save_random_adapter(made)
    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each call of the model's generate answered."""
    found: list[int] = []
    plain = generation._Asking._generated

    def counted(self: Any, rows: Any) -> Any:
        found.append(len(rows))
        return plain(self, rows)

    monkeypatch.setattr(generation._Asking, "_generated", counted)
    return found


def written(config: RunConfig) -> dict[str, Any]:
    return json.loads((config.output / "eval" / "results.json").read_text(encoding="utf-8"))


def test_base_and_adapter_are_asked_the_same_and_all_is_kept(config: RunConfig) -> None:
    told: list[str] = []
    result = evaluate(config, on_progress=told.append)
    assert list(result.candidates) == ["base", "adapter"]
    assert result.candidates["base"].metrics != result.candidates["adapter"].metrics
    assert {len(each.answered) for each in result.candidates.values()} == {6}
    assert result.path == config.output / "eval"
    assert {path.name for path in (config.output / "eval").iterdir()} == {
        "results.json",
        "report.html",
        "predictions-base.jsonl",
        "predictions-adapter.jsonl",
        "predictions-adapter.swap.jsonl",
    }
    data = written(config)
    validator("results.v1").validate(data)
    assert data["dataset"]["rows"] == 6
    assert data["settings"]["generate"]["temperature"] == 0
    assert len(data["model"]["adapter_sha256"]) == 64
    assert data["candidates"]["adapter"]["about"]["decoding"]["do_sample"] is False
    assert set(data["timing"]) >= {"base.answers", "base.losses", "adapter.swap.answers"}
    (control,) = result.controls
    assert (control.name, control.candidate, control.left_out) == ("swap", "adapter", 0)
    assert "adapter.swap: 6 of 6 rows answered" in told
    assert str(config.output.parent) not in (config.output / "eval" / "results.json").read_text(encoding="utf-8")
    (alone, _) = result.alone
    assert (alone.candidate, alone.rows) == ("base", 6)


def test_a_second_evaluation_asks_nothing_and_gives_the_same_bytes(config: RunConfig, calls: list[int]) -> None:
    def measured() -> dict[str, Any]:
        evaluate(dataclasses.replace(config, eval=dataclasses.replace(config.eval, alone=0)), limit=4)
        files = {path.name: path.read_text(encoding="utf-8") for path in (config.output / "eval").iterdir()}
        results = json.loads(files.pop("results.json"))
        results.pop("timing")
        files.pop("report.html")  # it says how long each took
        return {**files, "results": results}

    first = measured()
    calls.clear()
    assert measured() == first
    assert calls == []
    evaluate(config, limit=4, cached=False, controls=())
    assert sum(calls) >= 8


def test_an_interrupted_evaluation_asks_only_what_is_left(
    config: RunConfig, calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(config.eval, batch_size=2, alone=0)
    here = dataclasses.replace(config, output=tmp_path / "run", eval=small)
    shutil.copytree(config.output / "adapter", here.output / "adapter")
    whole = evaluate(here, controls=())
    shutil.rmtree(here.output / "answers")
    plain = generation._Asking._generated
    done: list[Any] = []

    def broken(self: Any, rows: Any) -> Any:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(rows)
        return plain(self, rows)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(generation._Asking, "_generated", broken)
        evaluate(here, controls=())
    for kept in (here.output / "answers").glob("*.jsonl"):
        with kept.open("ab") as file:
            file.write(b'{"kind": "answer", "row": "to')
    calls.clear()
    again = evaluate(here, controls=())
    assert calls == [2, 2]
    for name, candidate in whole.candidates.items():
        assert again.candidates[name].answered == candidate.answered


def test_another_adapter_is_another_model_for_the_cache(config: RunConfig, calls: list[int], tmp_path: Path) -> None:
    here = dataclasses.replace(config, output=tmp_path / "run")
    shutil.copytree(config.output / "adapter", here.output / "adapter")
    evaluate(here, limit=2, controls=())
    save_random_adapter(here, seed=5)
    calls.clear()
    evaluate(dataclasses.replace(here, eval=dataclasses.replace(here.eval, alone=0)), limit=2, controls=())
    assert sum(calls) == 2


def test_other_candidates_are_asked_beside_the_runs_own(config: RunConfig, tmp_path: Path) -> None:
    other = dataclasses.replace(config, output=tmp_path / "other")
    save_random_adapter(other, seed=7)
    save_run(other, other.output)
    given = tmp_path / "vllm.jsonl"
    rows = open_dataset(config.data.path)["test"]
    lines = [json.dumps({"id": name, "text": "A red mug."}) for name in (*rows["id"][:5], "nobody")]
    given.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = evaluate(
        config,
        {"other": other.output, "bare": config.output / "adapter", "vllm": given, "plain": config.model.base},
        controls=(),
    )
    assert list(result.candidates) == ["base", "adapter", "other", "bare", "vllm", "plain"]
    assert [each.kind for each in result.candidates.values()] == [
        "base",
        "adapter",
        "adapter",
        "adapter",
        "answers",
        "model",
    ]
    texts = {name: [row.prediction for row in each.answered] for name, each in result.candidates.items()}
    assert texts["bare"] == texts["adapter"]
    assert texts["plain"] == texts["base"]
    assert texts["other"] != texts["adapter"]
    failed = result.candidates["vllm"].failed
    assert failed == {rows["id"][5]: "no answer in vllm.jsonl"}
    assert result.candidates["vllm"].metrics_taken
    told = " ".join(warnings(result))
    assert "vllm has no answer to 1 of 6 rows; each counts as wrong." in told.replace("Vllm", "vllm")
    assert "1 answer of vllm belongs to no row." in told
    assert [(each.before, each.after) for each in result.comparisons] == [("base", name) for name in list(texts)[1:]]
    validator("results.v1").validate(written(config))


def test_every_candidate_that_can_not_be_asked_is_named_before_a_model_is_loaded(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "load_trained", None)
    (tmp_path / "empty").mkdir()
    named = {
        "adapter": "x",
        "a b": "x",
        "gone": "./runs/gone",
        "empty": str(tmp_path / "empty"),
        "url": "http://localhost:8000/v1",
        "text": __file__,
    }
    with pytest.raises(RunError) as raised:
        evaluate(config, named)
    said = str(raised.value)
    assert len(raised.value.problems) == 6
    for words in (
        "the run's own candidate",
        "no name for a candidate",
        "neither a run (run.yaml), nor an adapter",
        "names no model; write http://localhost:8000/v1#MODEL",
        "answers are JSON Lines",
    ):
        assert words in said


def test_a_run_without_training_measures_the_base_alone(config: RunConfig, tmp_path: Path) -> None:
    alone = dataclasses.replace(config, train=None, output=tmp_path / "zero")
    result = evaluate(alone, limit=2, controls=())
    assert list(result.candidates) == ["base"]
    assert result.setup["model"]["adapter"] is None
    assert result.comparisons == ()


def test_a_run_that_was_not_trained_is_refused_before_any_model_is_loaded(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no adapter in .*vlmtrain sft"):
        evaluate(dataclasses.replace(config, output=tmp_path / "fresh"))
    with pytest.raises(ConfigError, match="no control 'blur'"):
        evaluate(config, controls=["blur"])


def test_every_control_is_asked_and_told(config: RunConfig) -> None:
    result = evaluate(config, controls=("swap", "blank", "reorder"))
    assert [(each.name, each.rows, each.left_out) for each in result.controls] == [
        ("swap", 6, 0),
        ("blank", 6, 0),
        ("reorder", 0, 6),
    ]
    validator("results.v1").validate(written(config))


def test_a_row_beyond_the_context_fails_and_the_others_are_answered(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = generation._Asking._too_long
    lengths: list[int] = []

    def short(self: Any, length: int) -> str | None:
        lengths.append(length)
        self.context = sorted(lengths)[-1] + self.settings.max_new_tokens - 1 if len(lengths) > 3 else None
        return plain(self, length)

    monkeypatch.setattr(generation._Asking, "_too_long", short)
    result = evaluate(config, cached=False, controls=())
    failed = [each for candidate in result.candidates.values() for each in candidate.failed.values()]
    assert failed
    assert "do not fit the model's context of" in failed[0]


def test_answers_to_rows_are_scored_without_a_model(config: RunConfig, tmp_path: Path) -> None:
    rows = open_dataset(config.data.path)["test"]
    references = [row["messages"][-1]["content"][0]["text"] for row in rows]
    files: Mapping[str, Path] = {name: tmp_path / f"{name}.jsonl" for name in ("none", "all")}
    files["none"].write_text("".join(json.dumps({"id": name, "text": "x"}) + "\n" for name in rows["id"]))
    said = zip(rows["id"], references, strict=True)
    files["all"].write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in said))
    result = vlmtrain.evaluate(rows, files, metrics=["exact_match", Match()])
    compared = result.compare("none", "all")
    assert compared.delta["match"] == 1.0
    assert len(compared.fixed) == len(rows)
    with pytest.raises(RunError, match="3 problems"):
        files["none"].write_text('{"id": "p1"\n[]\n{"id": "p1", "text": 3}\n')
        vlmtrain.evaluate(rows, files)


def test_an_evaluation_is_written_for_other_tools(config: RunConfig, tmp_path: Path) -> None:
    evaluate(config, controls=(), limit=4)
    out = tmp_path / "out" / "held-out.tsv"
    assert export_predictions(config, out, "base") == 4
    with out.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    rows = open_dataset(config.data.path)["test"]
    assert [line["id"] for line in lines] == rows["id"][:4]
    assert base64.b64decode(lines[0]["image"]) == rows[0]["images"][0]["bytes"]
    with pytest.raises(RunError, match="no candidate 'bse'; did you mean 'base'"):
        export_predictions(config, out, "bse")
    other = dataclasses.replace(config, eval=dataclasses.replace(config.eval, metrics=("answer_loss", "exact_match")))
    task, utils = export_task(other, tmp_path / "task", "mugs")
    assert "metric: exact_match" in task.read_text(encoding="utf-8")
    assert utils.is_file()


def test_the_command_measures_prints_and_exits_by_the_threshold(
    config: RunConfig,
) -> None:
    save_run(config, config.output)
    common = ["eval", str(config.output), "--limit", "2", "--controls", "none", "--set", "eval.alone=0"]
    early = CliRunner().invoke(app, [*common, "--fail-under", "exactmatch=1"])
    assert "did you mean 'exact_match'" in str(early.exception)
    twice = CliRunner().invoke(app, [*common, "--candidate", "x=a.jsonl", "--candidate", "x=b.jsonl"])
    assert "--candidate x: stands twice" in str(twice.exception)
    shown = CliRunner().invoke(app, [*common, "--fail-under", "exact_match=1.1"])
    assert "split test: 2 rows, greedy" in shown.stdout
    assert isinstance(shown.exception, ThresholdError)
    told = CliRunner().invoke(app, [*common, "--metric", "chrf", "--format", "json"])
    assert list(json.loads(told.stdout)["candidates"]["adapter"]["metrics"]) == ["chrf"]
    wrong = CliRunner().invoke(app, [*common, "--metric", "package.module:Name"])
    assert "runs with --allow-plugins only" in str(wrong.exception)
