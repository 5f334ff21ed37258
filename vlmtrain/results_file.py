"""An evaluation as files: results.json, and every candidate's answers as JSON Lines; written, and read again."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from vlmdata.version import __version__
from vlmtrain.comparing import Change, Comparison, Estimate
from vlmtrain.errors import RunError
from vlmtrain.evaluation import Candidate, Control, EvalResult
from vlmtrain.metric import Answered

CONTRACT = "results.v1"
RESULTS_FILE = "results.json"
PAGE_FILE = "report.html"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "pillow", "sacrebleu", "rouge-score")
MOST_IDS = 200
"""So many ids of rows that changed stand in results.json; the predictions have them all."""

Scores = Mapping[str, float]


def versions() -> dict[str, str]:
    """The versions that a score depends on."""
    found = {"python": platform.python_version(), "vlmtrain": __version__}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def predictions_file(candidate: str) -> str:
    """The file of a candidate's answers."""
    return f"predictions-{candidate}.jsonl"


def write_result(result: EvalResult, folder: Path) -> None:
    """Write results.json and one predictions-NAME.jsonl for each candidate and control into a folder that exists."""
    split = str(result.setup.get("dataset", {}).get("split", ""))
    for candidate in result.candidates.values():
        cut = set(candidate.cut)
        _write_answers(folder, candidate.name, candidate.answered, candidate.scores, split, cut)
    for control in result.controls:
        name = f"{control.candidate}.{control.name}"
        _write_answers(folder, name, control.table.answered, control.table.rows, split, set())
    text = json.dumps(as_data(result), ensure_ascii=False, indent=2, allow_nan=False)
    (folder / RESULTS_FILE).write_text(text + "\n", encoding="utf-8")


def _write_answers(  # noqa: PLR0913, PLR0917
    folder: Path, name: str, answered: Sequence[Answered], scores: Sequence[Scores], split: str, cut: set[str]
) -> None:
    with (folder / predictions_file(name)).open("w", encoding="utf-8", newline="\n") as file:
        for row, own in zip(answered, scores, strict=True):
            line = prediction(row, own, split, finished=row.id not in cut)
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def prediction(row: Answered, scores: Scores, split: str, *, finished: bool) -> dict[str, Any]:
    """One answer as a line of a predictions file."""
    return {
        "id": row.id,
        "split": split,
        "group": row.group,
        "images": row.images,
        "prompt": row.prompt,
        "reference": row.reference,
        "prediction": row.prediction,
        "finished": finished,
        "failed": row.failed,
        "scores": finite(scores),
        "nll": row.nll if row.nll is None or math.isfinite(row.nll) else None,
        "learned_tokens": row.learned_tokens,
        "tags": dict(row.tags),
        "fields": dict(row.fields),
    }


def read_answers(folder: Path, candidate: str) -> list[Answered]:
    """The answers that an evaluation wrote. Raises RunError where the file is missing or no such file."""
    file = folder / predictions_file(candidate)
    try:
        return [_answered(json.loads(line)) for line in _lines(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: can't be read as answers ({type(error).__name__}: {error})") from None


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as opened:
        yield from (line for line in opened if line.strip())


def _answered(line: Mapping[str, Any]) -> Answered:
    names = {field.name for field in dataclasses.fields(Answered)}
    return Answered(**{name: value for name, value in line.items() if name in names})


def read_data(path: Path) -> tuple[dict[str, Any], Path]:
    """results.json as data, and its folder, by its path, its folder, or the run's. Raises RunError."""
    for place in (path, path / RESULTS_FILE, path / "eval" / RESULTS_FILE):
        if place.is_file():
            try:
                data = json.loads(place.read_text(encoding="utf-8"))
            except (ValueError, RecursionError) as error:
                raise RunError(f"{place}: is not JSON ({error})") from None
            if not isinstance(data, dict) or data.get("contract") != CONTRACT:
                raise RunError(f"{place}: is no result of `vlmtrain eval` (it has no contract {CONTRACT!r})")
            return data, place.parent
    raise RunError(f"{path}: there is no {RESULTS_FILE}; `vlmtrain eval` writes it into RUN/eval")


def as_data(result: EvalResult) -> dict[str, Any]:
    """The result as results.v1 has it. All but `timing` is the same whenever the same is measured."""
    return {
        "contract": CONTRACT,
        **result.setup,
        "metrics": [dataclasses.asdict(metric) for metric in result.metrics],
        "correct": result.correct,
        "chance": dataclasses.asdict(result.chance),
        "reference": finite(result.reference),
        "candidates": {name: _candidate(candidate) for name, candidate in result.candidates.items()},
        "comparisons": [comparison_data(each) for each in result.comparisons],
        "controls": [_control(control) for control in result.controls],
        "alone": [
            {"candidate": each.candidate, "rows": each.rows, "different": list(each.different)} for each in result.alone
        ],
        "judgements": [each.as_data() for each in result.judgements],
        "timing": dict(result.timing),
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "kind": candidate.kind,
        "about": dict(candidate.about),
        "rows": len(candidate.answered),
        "answer_tokens": candidate.answer_tokens,
        "cut": len(candidate.cut),
        "failed": dict(candidate.failed),
        "predictions": predictions_file(candidate.name),
        "metrics": finite(candidate.metrics),
        "metrics_taken": finite(candidate.metrics_taken),
        "intervals": {name: _around(estimate) for name, estimate in candidate.estimates.items()},
        "slices": [
            {
                "tag": each.tag,
                "value": each.value,
                "rows": each.rows,
                "groups": each.groups,
                "metrics": finite(each.metrics),
            }
            for each in candidate.slices
        ],
    }


def _around(estimate: Estimate) -> list[float] | None:
    return None if estimate.interval is None else [estimate.interval.low, estimate.interval.high]


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """A comparison as results.v1 has it."""
    return {
        "before": comparison.before,
        "after": comparison.after,
        "correct": comparison.correct,
        "fixed": _ids(comparison.fixed),
        "broken": _ids(comparison.broken),
        "changed": _ids(comparison.changed),
        "delta": finite(comparison.delta),
        "changes": {name: _change(change) for name, change in comparison.changes.items()},
        "improved": {name: len(ids) for name, ids in sorted(comparison.improved.items())},
        "worsened": {name: len(ids) for name, ids in sorted(comparison.worsened.items())},
        "slices": [
            {
                "tag": each.tag,
                "value": each.value,
                "rows": each.rows,
                "groups": each.groups,
                "small": each.small,
                "changes": {name: _change(change) for name, change in each.changes.items()},
            }
            for each in comparison.slices
        ],
    }


def _ids(ids: Sequence[str]) -> dict[str, Any]:
    return {"rows": len(ids), "ids": list(ids[:MOST_IDS])}


def _change(change: Change) -> dict[str, Any]:
    around = change.interval
    return {
        "before": change.before,
        "after": change.after,
        "delta": change.delta,
        "interval": None if around is None else [around.low, around.high],
        "p": change.p,
        "test": change.test,
        "verdict": change.verdict,
        "rows": change.rows,
        "groups": change.groups,
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "name": control.name,
        "candidate": control.candidate,
        "rows": control.rows,
        "left_out": control.left_out,
        "predictions": predictions_file(f"{control.candidate}.{control.name}"),
        "changes": {name: _change(change) for name, change in control.comparison.changes.items()},
    }


def finite(scores: Scores) -> dict[str, float | None]:
    """JSON knows no NaN; a score that is no number (the loss of a model that diverged) is null."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
