"""`vlmtrain eval --judge` as a whole: a tiny model with an adapter, judged through the SDK, told and written."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vlmdata.description.servers.script import Script, burst
from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.judges import FastClock, OpenAIJudge, server_of
from tests.vlmtrain.loopback import no_network
from vlmdata.contract import validator
from vlmtrain.cli import main
from vlmtrain.config import RunConfig, save_run
from vlmtrain.judge.judging import JOURNAL
from vlmtrain.judge.settings import JudgeConfig, PriceList

__all__ = ["no_network"]
PRICES = PriceList(as_of="2026-11-01", input=0.3, output=2.5)


@pytest.fixture(scope="module")
def config(tiny: Callable[[str], Path], dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("judged"), tiny("qwen2_vl"), dataset, "fp32")
    judge = JudgeConfig(provider="openai_compatible", model=OpenAIJudge.model, prices=PRICES, max_cost=1.0)
    made = dataclasses.replace(made, eval=dataclasses.replace(made.eval, judge=judge, controls=(), metrics=("chrf",)))
    save_random_adapter(made)
    save_run(made, made.output)
    return made


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key where it is looked for, and nobody waits."""
    monkeypatch.delenv("VLMDATA_OFFLINE", raising=False)
    monkeypatch.setenv("VLMTRAIN_JUDGE_KEY", "sk-test")
    monkeypatch.setattr("vlmtrain.judge.asking.Clock", FastClock)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The exit code of the command line."""
    monkeypatch.setattr("sys.argv", ["vlmtrain", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_run_is_judged_only_where_that_is_asked_for_and_all_is_told_and_written(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config.output / "eval"
    with server_of(OpenAIJudge, key="sk-test") as server:
        assert run(monkeypatch, "eval", config.output) == 0
        assert server.number == 0
        assert "against base" not in capsys.readouterr().out
        assert run(monkeypatch, "eval", config.output, "--judge", "--judge-endpoint", server.endpoint) == 0
        asked = server.number
        assert 0 < asked <= 12
        assert run(monkeypatch, "eval", config.output, "--judge", "--judge-endpoint", server.endpoint, "--fresh") == 0
        assert server.number == asked
    said = capsys.readouterr()
    assert re.search(r"judge judge-test: adapter wins \d+% against base \(6 rows", said.out)
    assert re.search(rf"judge judge-test: {asked} requests, about 0\.0\d+ USD, at most 0\.0\d+ USD", said.err)
    assert f"paid for {asked} answers" in said.err
    assert f"0 requests, about 0.0000 USD, at most 0.0000 USD (prices of 2026-11-01); {asked} were" in said.err
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    validator("results.v1").validate(data)
    (held,) = data["judgements"]
    assert sum(held["counts"].values()) == held["rows"] == 6
    assert held["cost"] > 0
    assert len((folder / held["file"]).read_text(encoding="utf-8").splitlines()) == 6
    assert "What the judge says" in (folder / "report.html").read_text(encoding="utf-8")
    written = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert "sk-test" not in written + (config.output / JOURNAL).read_text(encoding="utf-8") + said.out + said.err


def test_a_judge_that_stops_costs_nothing_of_the_evaluation(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.output / JOURNAL).unlink(missing_ok=True)
    with server_of(OpenAIJudge, key="sk-test", script=Script(by_number=burst(1, 99, "forbidden"))) as server:
        code = run(monkeypatch, "eval", config.output, "--judge", "--judge-endpoint", server.endpoint)
    said = capsys.readouterr()
    assert code == 1
    assert "the judge stopped: the provider answered 403" in said.err
    assert "The judge stopped before its end" in said.out
    data = json.loads((config.output / "eval" / "results.json").read_text(encoding="utf-8"))
    validator("results.v1").validate(data)
    assert data["candidates"]["adapter"]["metrics"]["chrf"] is not None
    assert data["judgements"][0]["stopped"].startswith("the provider answered 403")


def test_what_is_missing_is_said_before_a_model_is_loaded(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vlmtrain.hearing.load_trained", None)
    monkeypatch.delenv("VLMTRAIN_JUDGE_KEY")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert run(monkeypatch, "eval", config.output, "--judge") == 2
    assert capsys.readouterr().err.strip() == (
        "--judge: VLMTRAIN_JUDGE_KEY or OPENAI_API_KEY is not set: it has to hold your key"
    )
    assert run(monkeypatch, "eval", config.output, "--judge-endpoint", "http://127.0.0.1:1/v1") == 2
    assert capsys.readouterr().err.strip() == "--judge-endpoint is of use with --judge only"
    assert run(monkeypatch, "eval", config.output, "--judge", "--set", "eval.judge=null") == 2
    assert "the run file names none" in capsys.readouterr().err
