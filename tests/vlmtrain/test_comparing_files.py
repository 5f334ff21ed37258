"""Two evaluations that were written, compared without a model; thresholds for CI; and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vlmdata.errors import ConfigError
from vlmtrain.cli import app
from vlmtrain.comparing_files import compare_files
from vlmtrain.errors import RunError, ThresholdError
from vlmtrain.evaluation import EvalResult, evaluate_candidate, result_of
from vlmtrain.metric import Answered, find
from vlmtrain.results_file import versions, write_result
from vlmtrain.thresholds import require, thresholds


def evaluation(
    folder: Path, texts: Sequence[str], *, first: int = 0, split: str = "test", trained_on: int | None = None
) -> EvalResult:
    """An evaluation of a base that is always wrong, and of an adapter with these answers, written down."""
    metrics = find(["exact_match", "chrf"])

    def candidate(name: str, said: Sequence[str]) -> Any:
        rows = [
            Answered(
                id=f"p{place}",
                prediction=text,
                reference=f"mug {place}",
                group=f"g{place}",
                tags={"side": "ab"[place % 2]},
            )
            for place, text in enumerate(said, start=first)
        ]
        return evaluate_candidate(name, rows, metrics, kind="adapter" if name == "adapter" else "base")

    result = result_of(
        [{"id": f"p{place}"} for place in range(len(texts))],
        {"base": candidate("base", ["no"] * len(texts)), "adapter": candidate("adapter", texts)},
        metrics,
        setup={
            "dataset": {"fingerprint": "f", "split": split, "rows": len(texts), "trained_on": trained_on},
            "model": {"base": "tiny"},
            "settings": {"batch_size": 2, "generate": {}, "budget": {}},
            "versions": versions(),
        },
    )
    (folder / "eval").mkdir(parents=True)
    write_result(result, folder / "eval")
    return result


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    evaluation(tmp_path / "one", ["mug 0", "no", *[f"mug {n}" for n in range(2, 20)]])
    evaluation(tmp_path / "two", [f"mug {n}" for n in range(20)])
    return tmp_path / "one", tmp_path / "two"


def test_the_last_candidates_are_compared_on_the_rows_of_both(runs: tuple[Path, Path]) -> None:
    compared = compare_files(*runs)
    assert list(compared.result.candidates) == ["one", "two"]
    (change,) = compared.result.comparisons
    assert (change.fixed, change.broken) == (("p1",), ())
    assert change.delta["exact_match"] == pytest.approx(1 / 20)
    assert (compared.only_before, compared.only_after, compared.differences) == ((), (), ())


def test_a_candidate_is_named_after_a_hash_sign(runs: tuple[Path, Path]) -> None:
    compared = compare_files(f"{runs[0]}#base", runs[0] / "eval" / "results.json")
    assert list(compared.result.candidates) == ["base", "adapter"]
    with pytest.raises(RunError, match="no candidate 'bas'; did you mean 'base'"):
        compare_files(f"{runs[0]}#bas", runs[1])


def test_rows_of_one_alone_and_other_settings_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    evaluation(tmp_path / "three", [f"mug {n}" for n in range(5, 30)], first=5, split="validation")
    compared = compare_files(runs[0], tmp_path / "three")
    assert compared.only_before == ("p0", "p1", "p2", "p3", "p4")
    assert len(compared.only_after) == 10
    assert compared.differences == ("dataset.split: test before, validation after",)
    with pytest.raises(RunError, match="no row in common"):
        evaluation(tmp_path / "four", ["x"], first=90)
        compare_files(runs[0], tmp_path / "four")


@pytest.mark.parametrize(
    ("learned", "of", "said"), [(0, 25, 0), (25, 25, 15), (9, 25, None), (9, 20, 9), (None, 25, None)]
)
def test_how_many_rows_were_trained_on_is_said_of_the_shared_ones(
    runs: tuple[Path, Path], tmp_path: Path, learned: int | None, of: int, said: int | None
) -> None:
    first = 0 if of == 20 else 5
    evaluation(tmp_path / "three", [f"mug {n}" for n in range(first, first + of)], first=first, trained_on=learned)
    assert compare_files(runs[0], tmp_path / "three").result.setup["dataset"]["trained_on"] == said


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"contract": "other"}')
    with pytest.raises(RunError, match=r"no result of `vlmtrain eval`"):
        compare_files(tmp_path, tmp_path)
    with pytest.raises(RunError, match=r"there is no results\.json"):
        compare_files(tmp_path / "gone", tmp_path)


def test_thresholds_are_read_all_at_once() -> None:
    assert thresholds(["chrf=60", "answer_loss=1.5"]) == {"chrf": 60.0, "answer_loss": 1.5}
    with pytest.raises(ConfigError) as raised:
        thresholds(["chrf", "bleu=x", "ok=1"])
    assert len(raised.value.problems) == 2


def test_a_score_below_its_threshold_is_a_finding(tmp_path: Path) -> None:
    result = evaluation(tmp_path, ["mug 0", "no", *[f"mug {n}" for n in range(2, 20)]])
    require(result, {"exact_match": 0.95})
    with pytest.raises(ThresholdError) as raised:
        require(result, {"exact_match": 0.96, "chrf": 99.9})
    assert raised.value.exit_code == 1
    assert "0.95 (95 % between" in str(raised.value)
    with pytest.raises(ConfigError, match="did you mean 'exact_match'"):
        require(result, {"exact_mach": 1})


def test_the_command_prints_warns_and_exits_by_the_threshold(runs: tuple[Path, Path], tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["compare", str(runs[0]), str(runs[1]), "--format", "json"])
    assert json.loads(shown.stdout)["comparisons"][0]["fixed"]["ids"] == ["p1"]
    assert "two" in runner.invoke(app, ["compare", str(runs[0]), str(runs[1])]).stdout
    failed = runner.invoke(app, ["compare", str(runs[1]), str(runs[0]), "--fail-under", "exact_match=0.99"])
    assert isinstance(failed.exception, ThresholdError)
    evaluation(tmp_path / "five", ["x", "y"])
    told = runner.invoke(app, ["compare", str(runs[0]), str(tmp_path / "five")])
    assert "only A has 18 rows" in told.stderr
