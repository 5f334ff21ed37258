"""The task for lmms-eval: its YAML read back, its functions imported and used on the dataset that it names."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from tests.vlmtrain.metric.answers import overall
from vlmdata.errors import ConfigError
from vlmtrain.evaluation import reference_of
from vlmtrain.exports.lmms_eval import lmms_eval_task
from vlmtrain.metric import Answered


class WithFunctions(yaml.SafeLoader):
    """YAML as lmms-eval has it, with functions as their names."""


WithFunctions.add_constructor("!function", lambda loader, node: f"function {loader.construct_scalar(node)}")


@pytest.fixture
def task(tmp_path: Path, dataset: Path) -> dict[str, Any]:
    path, _ = lmms_eval_task(tmp_path / "shop", dataset, name="shop", metrics=["chrf", "exact_match", "rouge_l"])
    return dict(yaml.load(path.read_text(encoding="utf-8"), WithFunctions))


@pytest.fixture
def utils(tmp_path: Path, task: dict[str, Any]) -> Any:
    assert task["task"] == "shop"
    spec = importlib.util.spec_from_file_location("utils", tmp_path / "shop" / "utils.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_task_names_its_dataset_and_functions_that_are_there(
    task: dict[str, Any], utils: Any, dataset: Path
) -> None:
    assert task["dataset_path"] == str(dataset)
    assert task["dataset_kwargs"] == {"load_from_disk": True}
    assert task["test_split"] in datasets.load_from_disk(task["dataset_path"])
    assert [each["metric"] for each in task["metric_list"]] == ["chrf", "exact_match", "rouge_l"]
    text = json.dumps(task)
    named = [word.partition('"')[0] for word in text.split("function utils.")[1:]]
    assert len(named) == 8
    assert all(callable(getattr(utils, name)) for name in named)


def test_questions_are_the_datasets_own(task: dict[str, Any], utils: Any) -> None:
    rows = datasets.load_from_disk(task["dataset_path"])[task["test_split"]]
    row = rows[0]
    messages = utils.doc_to_messages(row)
    assert [turn["role"] for turn in messages] == ["user"]
    shown = [part["url"].size for part in messages[0]["content"] if part["type"] == "image"]
    assert shown == [image.size for image in row["images"]]
    assert [image.mode for image in utils.doc_to_visual(row)] == ["RGB"]
    assert utils.doc_to_text(row) and "[image]" not in utils.doc_to_text(row)
    assert utils.doc_to_target(row) == reference_of(row)


def test_scores_are_those_of_vlmtrain(task: dict[str, Any], utils: Any) -> None:
    rows = list(datasets.load_from_disk(task["dataset_path"])[task["test_split"]])
    answers = [utils.doc_to_target(row)[: 3 * place + 5] for place, row in enumerate(rows)]
    processed = [utils.process_results(row, [answer]) for row, answer in zip(rows, answers, strict=True)]
    answered = [
        Answered(id=row["id"], prediction=answer, reference=utils.doc_to_target(row))
        for row, answer in zip(rows, answers, strict=True)
    ]
    for name in ("chrf", "exact_match", "rouge_l"):
        score = getattr(utils, f"over_rows_{name}")([row[name] for row in processed])
        assert score == pytest.approx(overall(name, answered)[name])


@pytest.mark.parametrize("metric", ["answer_loss", "distinct", "label"])
def test_a_metric_that_takes_more_than_one_row_is_refused(tmp_path: Path, dataset: Path, metric: str) -> None:
    with pytest.raises(ConfigError, match=f"can't score by '{metric}'"):
        lmms_eval_task(tmp_path / "shop", dataset, name="shop", metrics=[metric])
    assert not (tmp_path / "shop").exists()


def test_a_name_that_no_task_can_have_is_refused(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(ConfigError, match="no name for a task"):
        lmms_eval_task(tmp_path / "shop", dataset, name="my shop/../x")
