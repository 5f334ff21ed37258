"""The main job with everything on that makes a training faster: the model learns the same, and still looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(1800)]

CATALOG = Path(__file__).parent.parent.parent / "samples" / "catalog"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import vlmdata
    import vlmtrain

    folder = tmp_path_factory.mktemp("fast")
    vlmdata.build(vlmdata.load_recipe(CATALOG / "recipe.yaml"), folder / "dataset")
    changes = {
        "output": str(folder / "run"),
        "data.path": str(folder / "dataset"),
        "train.workers": 1,
        "train.cache": {"folder": str(folder / "features"), "max_gb": 1},
    }
    config = vlmtrain.load_run(CATALOG / "run.yaml", changes)
    vlmtrain.sft(config)
    assert list((folder / "features").rglob("*.safetensors"))
    return vlmtrain.evaluate(config)


def test_with_workers_and_a_cache_the_scores_are_those_of_the_main_job(evaluated: Any) -> None:
    scores = {name: candidate.metrics for name, candidate in evaluated.candidates.items()}
    assert scores["adapter"]["attribute_recall.all"] >= 0.8
    assert scores["base"]["attribute_recall.all"] <= 0.05
    assert scores["adapter"]["rouge_l"] >= scores["base"]["rouge_l"] + 0.3


def test_with_workers_and_a_cache_swapped_photos_bring_the_looks_to_chance(evaluated: Any) -> None:
    (swapped,) = evaluated.controls
    found = {name.removeprefix("attribute_recall."): each for name, each in swapped.comparison.changes.items()}
    assert found["colour"].after <= 0.35
    assert found["pattern"].after <= 0.6
    assert found["brand"].after >= 0.8
