"""The journey of an evaluation to other tools: the rows of a run's split, a candidate's answers, their files."""

from __future__ import annotations

from pathlib import Path

from vlmdata.settings import nearest
from vlmtrain.config import RunConfig
from vlmtrain.data import choose, open_dataset
from vlmtrain.errors import RunError
from vlmtrain.exports.lmms_eval import lmms_eval_task, scored_by_row
from vlmtrain.exports.vlmevalkit import vlmevalkit_tsv
from vlmtrain.results_file import read_answers, read_data


def export_predictions(config: RunConfig, out: Path, candidate: str | None = None) -> int:
    """Write a candidate's answers, the last one's by default, as VLMEvalKit's TSV; how many rows these are.

    Raises RunError where the run was not evaluated, has no such candidate, or the dataset has other rows by now.
    """
    data, folder = read_data(config.output)
    known = list(data["candidates"])
    if candidate is not None and candidate not in known:
        hint = nearest(candidate, known) or f"it has {', '.join(known)}"
        raise RunError(f"{folder}: has no candidate {candidate!r}; {hint}")
    answered = read_answers(folder, candidate or known[-1])
    split = str(data["dataset"]["split"])
    rows = choose(open_dataset(config.data.path), split, len(answered))
    if list(rows["id"]) != [row.id for row in answered]:
        raise RunError(f"{config.data.path}: the split {split!r} has other rows than were evaluated; evaluate again")
    out.parent.mkdir(parents=True, exist_ok=True)
    vlmevalkit_tsv(rows, answered, out, split=split)
    return len(answered)


def export_task(config: RunConfig, out: Path, name: str) -> tuple[Path, Path]:
    """Write the run's held-out split as a task of lmms-eval, with the metrics that can be scored row by row."""
    choose(open_dataset(config.data.path), config.eval.split)
    wanted = [name for name in config.eval.metrics if scored_by_row(name)] or ["exact_match"]
    return lmms_eval_task(
        out,
        config.data.path,
        name=name,
        split=config.eval.split,
        metrics=wanted,
        max_new_tokens=config.eval.generate.max_new_tokens,
    )
