"""The journey of an evaluation: rows, candidates one after the other, scores, a second look, files."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.answer_cache import FOLDER as ANSWERS
from vlmtrain.asking import generation_of
from vlmtrain.candidates import CandidateSpec, named_candidates, own_candidates
from vlmtrain.card import write_card
from vlmtrain.config import RunConfig, as_data, load_run
from vlmtrain.controls import find_control
from vlmtrain.data import choose, dataset_fingerprint, open_dataset
from vlmtrain.evaluation import (
    EvalResult,
    answered_rows,
    evaluate_candidate,
    result_of,
)
from vlmtrain.given_answers import read_given
from vlmtrain.hearing import Heard, Questions, hear
from vlmtrain.intervals import Chance
from vlmtrain.judge.files import write_judgements
from vlmtrain.judge.judging import JOURNAL, judge_candidates
from vlmtrain.metric import find as find_metrics
from vlmtrain.publishing import staged
from vlmtrain.results_file import RESULTS_FILE, versions, write_result
from vlmtrain.run_page import write_page
from vlmtrain.trained import require_trained
from vlmtrain.trained_rows import other_dataset, trained_count

if TYPE_CHECKING:
    from datasets import Dataset

    from vlmtrain.judge.access import Judge
    from vlmtrain.protocols import Metric

EVAL_FOLDER = "eval"
ANSWER_METRICS = ("exact_match", "rouge_l", "chrf")

Progress = Callable[[str], None]
Row = Mapping[str, Any]


def evaluate(  # noqa: PLR0913  (what a person may ask of an evaluation, each by its name)
    config: RunConfig | Path | str | Dataset,
    candidates: Mapping[str, Path | str] | None = None,
    *,
    metrics: Sequence[str | Metric] | None = None,
    controls: Sequence[str] | None = None,
    limit: int | None = None,
    cached: bool = True,
    judge: Judge | None = None,
    allow_plugins: bool = True,
    on_progress: Progress | None = None,
) -> EvalResult:
    """Every candidate on the same held-out rows, with the same pixels and settings: scored, and compared with the base.

    A run's own candidates are its base and the adapter, or whole model, that was trained; both are asked from one model
    in memory. `candidates` are more of them by name (see `named_candidates`). Of a run file without `train` the base is
    asked. `metrics` and `controls` take the place of the run file's.

    Answers are kept in the run's folder as they are made, so that an evaluation that was interrupted goes on; `cached`
    False throws them away and asks anew. A `judge` (see `vlmtrain.judge.access.judge_of`) compares the answers in the
    end. Writes results.json, report.html and every answer into the run's folder, under eval/. Under torchrun the
    processes share the rows. Raises RunError, ConfigError, ModelError, ContractError or OutputError.

    With rows of a dataset in the place of a run, `candidates` are answers that were made before: see
    `evaluate_answers`.
    """
    if hasattr(config, "features"):
        return evaluate_answers(config, candidates or {}, metrics=metrics or ANSWER_METRICS)
    config = config if isinstance(config, RunConfig) else load_run(config)
    if config.train:
        require_trained(config)
    specs = (*own_candidates(config), *named_candidates(config, _as_text(candidates)))
    chosen = config.eval.controls if controls is None else controls
    questions = Questions(
        config=config,
        rows=choose(open_dataset(config.data.path), config.eval.split, limit),
        metrics=find_metrics(metrics or config.eval.metrics, allow_plugins=allow_plugins),
        controls={name: find_control(name) for name in chosen},
        tell=on_progress if processes.is_first() else None,
        cache=config.output / ANSWERS,
    )
    if not cached:
        _forget(questions.cache)
    with _folder(config) as folder:
        result = _result(questions, hear(questions, specs), _setup(questions, specs, limit=limit))
        if folder is not None:
            result = _judged(result, questions, judge)
            write_result(result, folder)
            write_judgements(result.judgements, folder)
            write_page(result, questions.rows, config.output, folder)
    if config.train and processes.is_first():
        write_card(config, config.output)
    return dataclasses.replace(result, path=config.output / EVAL_FOLDER)


def evaluate_answers(
    rows: Any,
    candidates: Mapping[str, Path | str],
    *,
    metrics: Sequence[str | Metric] = ANSWER_METRICS,
    slices: Sequence[str] | None = None,
    chance: Chance | None = None,
) -> EvalResult:
    """Answers that were made before, to rows of a dataset: files of `{id, text}`, or runs that were evaluated on them.

    Nothing is loaded and nothing is written. Raises RunError with every row that a file does not answer.
    """
    found = find_metrics(metrics)
    heard = {}
    for name, place in _as_text(candidates).items():
        answers, strays = read_given(Path(place), rows)
        heard[name] = evaluate_candidate(
            name, answered_rows(rows, answers), found, answers, slices=slices, about={"of_no_row": strays}
        )
    bare = rows.remove_columns("images") if hasattr(rows, "remove_columns") else rows
    tags = None if slices is None else tuple(slices)
    return result_of(bare, heard, found, slice_tags=tags, chance=chance)


def _result(questions: Questions, heard: Heard, setup: Mapping[str, Any]) -> EvalResult:
    return result_of(
        questions.rows.remove_columns("images"),
        heard.candidates,
        questions.metrics,
        controls=heard.controls,
        alone=heard.alone,
        setup=setup,
        timing=questions.seconds,
        slice_tags=questions.config.eval.slices,
        chance=questions.chance,
    )


def _judged(result: EvalResult, questions: Questions, judge: Judge | None) -> EvalResult:
    """The result with what a judge says of it, where one is asked."""
    journal = questions.config.output / JOURNAL
    said = judge_candidates(judge, result.candidates, questions.rows, journal, questions.chance, questions.tell)
    return dataclasses.replace(result, judgements=said)


def _setup(questions: Questions, specs: Sequence[CandidateSpec], *, limit: int | None) -> dict[str, Any]:
    """What results.json says of the dataset, the model and the settings; paths relative to the run's folder."""
    config = questions.config
    data = as_data(config, relative_to=config.output)
    trained = next((spec.trained for spec in specs if spec.name in ("adapter", "model")), None)
    fingerprint = dataset_fingerprint(config.data.path)
    learned = _learned(config, questions.rows, fingerprint) if trained else {}
    return {
        "dataset": {
            "path": data["data"]["path"],
            "fingerprint": fingerprint,
            "split": config.eval.split,
            "rows": len(questions.rows),
            "limit": limit,
            **learned,
        },
        "model": {
            **data["model"],
            "adapter": trained.path.name if trained else None,
            "adapter_sha256": trained.sha256() if trained else None,
        },
        "settings": {
            "batch_size": config.eval.batch_size,
            "generate": {**data["eval"]["generate"], "seed": generation_of(config).seed},
            "budget": data["budget"],
        },
        "versions": versions(),
    }


def _learned(config: RunConfig, rows: Dataset, fingerprint: str) -> dict[str, Any]:
    """How many of the rows were trained on, and whether the dataset is another one than the training's."""
    return {
        "trained_on": trained_count(config, rows, config.eval.split),
        "other_than_trained": other_dataset(config, fingerprint),
    }


def _forget(answers: Path) -> None:
    """Throw away what was answered before; the first process does, and the others wait for it."""
    if processes.is_first():
        shutil.rmtree(answers, ignore_errors=True)
    processes.wait_for_all()


@contextmanager
def _folder(config: RunConfig) -> Iterator[Path | None]:
    """The folder that is written into; None for a process that only helps."""
    if not processes.is_first():
        yield None
        return
    with staged(config.output / EVAL_FOLDER, mark=RESULTS_FILE, replace=True) as folder:
        yield folder


def _as_text(candidates: Mapping[str, Path | str] | None) -> dict[str, str]:
    return {name: str(place) for name, place in (candidates or {}).items()}
