"""A built dataset as a task of lmms-eval: a YAML file and the functions that it names.

Source: lmms-eval, docs/guides/task_guide.md (the keys), lmms_eval/protocol.py (messages: an image part has its picture
as `url`) and lmms_eval/api/task.py (`load_from_disk` among `dataset_kwargs`). Run it with

    python -m lmms_eval --include_path FOLDER --tasks NAME --model ...

where vlmtrain is installed too: questions, pixels and scores are then those of `vlmtrain eval`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlmdata.errors import ConfigError
from vlmdata.version import __version__
from vlmtrain.evaluation import named, prompt_of, reference_of
from vlmtrain.metric import Answered, find
from vlmtrain.pictures import pictures
from vlmtrain.protocols import Fitted, Metric, Summed, Whole

Row = Mapping[str, Any]
Scored = Mapping[str, Sequence[float]]

UTILS = '''\
"""What the task {name} asks and how it is scored, as vlmtrain does. vlmtrain must be installed beside lmms-eval."""

from vlmtrain.exports.lmms_eval import (
    doc_to_messages,
    doc_to_target,
    doc_to_text,
    doc_to_visual,
    over_rows,
    scorer,
)

process_results = scorer({metrics!r})
{aggregations}
'''


def lmms_eval_task(  # noqa: PLR0913  (what a task is made of, each by its name)
    folder: Path,
    dataset_path: Path,
    *,
    name: str,
    split: str = "test",
    metrics: Sequence[str] = ("exact_match",),
    max_new_tokens: int = 256,
) -> tuple[Path, Path]:
    """Write NAME.yaml and utils.py into a folder of their own, and give both.

    Raises ConfigError for a metric that needs more than one row's answer to score it, as lmms-eval scores row by row.
    """
    if not name.isidentifier():
        raise ConfigError(f"{name!r} is no name for a task; take letters, digits and '_'")
    found = _scored_by_row(metrics)
    folder.mkdir(parents=True, exist_ok=True)
    task, utils = folder / f"{name}.yaml", folder / "utils.py"
    aggregations = "\n".join(f"over_rows_{metric.name} = over_rows({metric.name!r})" for metric in found)
    text = UTILS.format(name=name, metrics=[metric.name for metric in found], aggregations=aggregations)
    utils.write_text(text, encoding="utf-8")
    task.write_text(_yaml(name, dataset_path.resolve(), split, found, max_new_tokens), encoding="utf-8")
    return task, utils


def _yaml(name: str, dataset: Path, split: str, metrics: Sequence[Metric], max_new_tokens: int) -> str:
    """The task; written as text, since `!function` is a tag of lmms-eval's own."""
    import json

    scores = "\n".join(
        f"  - metric: {metric.name}\n"
        f"    aggregation: !function utils.over_rows_{metric.name}\n"
        f"    higher_is_better: {json.dumps(metric.higher_is_better is not False)}"
        for metric in metrics
    )
    return f"""\
task: {name}
dataset_path: {json.dumps(str(dataset))}
dataset_kwargs:
  load_from_disk: true
test_split: {json.dumps(split)}
output_type: generate_until
doc_to_messages: !function utils.doc_to_messages
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
generation_kwargs:
  max_new_tokens: {max_new_tokens}
  temperature: 0
  do_sample: false
process_results: !function utils.process_results
metric_list:
{scores}
metadata:
  - version: {json.dumps(__version__)}
"""


def _scored_by_row(names: Sequence[str]) -> tuple[Metric, ...]:
    for name in names:
        if not scored_by_row(name):
            raise ConfigError(f"lmms-eval can't score by {name!r}: it takes more than the answer to one row")
    return find(names)


def scored_by_row(name: str) -> bool:
    """Whether a metric needs no more than one row with its answer."""
    metric = find([name])[0]
    whole = isinstance(metric, Whole) or getattr(metric, "reads_losses", False)
    return not whole and (not isinstance(metric, Fitted) or metric.name == "multiple_choice")


def doc_to_messages(doc: Row) -> list[dict[str, Any]]:
    """The turns before the answer, images in their places."""
    shown = iter(pictures(doc))
    turns = doc["messages"][:-1] if doc["messages"][-1]["role"] == "assistant" else doc["messages"]
    return [{"role": turn["role"], "content": [_part(part, shown) for part in turn["content"]]} for turn in turns]


def _part(part: Row, shown: Iterable[Any]) -> dict[str, Any]:
    if part["type"] == "image":
        return {"type": "image", "url": next(iter(shown))}
    return {"type": "text", "text": part["text"] or ""}


def doc_to_visual(doc: Row) -> list[Any]:
    """The row's images in RGB, in order."""
    return list(pictures(doc))


def doc_to_text(doc: Row, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:  # noqa: ARG001
    """What is asked, for models that take all images first."""
    return prompt_of(doc).replace("[image]", "").strip()


def doc_to_target(doc: Row) -> str:
    """The reference."""
    return reference_of(doc)


def scorer(metrics: Sequence[str]) -> Callable[[Row, Sequence[str]], dict[str, Scored]]:
    """The `process_results` of a task: what a row adds to each metric's score, nothing where it has none."""
    found = find(metrics)

    def process_results(doc: Row, results: Sequence[str]) -> dict[str, Scored]:
        row = Answered(
            id=str(doc["id"]),
            prediction=results[0] if results else "",
            reference=reference_of(doc),
            prompt=prompt_of(doc),
            fields=named(doc.get("fields")),
            tags=named(doc.get("tags")),
        )
        return {metric.name: added for metric in found if (added := _added(metric, row))}

    return process_results


def over_rows(name: str) -> Callable[[Sequence[Scored]], float]:
    """The aggregation of a metric: the score over all rows, as vlmtrain has it."""
    metric = find([name])[0]

    def aggregation(results: Sequence[Scored]) -> float:
        total = np.array([row[name] for row in results]).sum(axis=0)
        return float(metric.value(name, total)) if isinstance(metric, Summed) else float(total[0] / total[1])

    return aggregation


def _added(metric: Metric, row: Answered) -> Scored:
    if isinstance(metric, Summed):
        return {name: sums for name, sums in metric.sums(row).items() if name == metric.name}
    return {name: (value, 1.0) for name, value in metric.score(row).items() if name == metric.name}
