"""`evaluate` and `generate` as a whole, on a tiny model with an adapter."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import vlmdata
from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import COLOURS, picture
from vlmdata.contract import validator
from vlmdata.errors import ConfigError
from vlmtrain import run
from vlmtrain.config import RunConfig
from vlmtrain.errors import RunError

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def config(tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("evaluate"), tiny("qwen2_vl"), dataset, "nf4")
    save_random_adapter(made)
    return made


def test_base_and_adapter_are_asked_the_same_and_both_are_kept(config: RunConfig) -> None:
    told: list[str] = []
    result = run.evaluate(config, on_progress=told.append)
    assert list(result.candidates) == ["base", "adapter"]
    assert result.candidates["base"].metrics != result.candidates["adapter"].metrics
    assert {len(each.answered) for each in result.candidates.values()} == {6}
    folder = config.output / "eval"
    assert result.path == folder
    assert {path.name for path in folder.iterdir()} == {
        "results.json",
        "predictions-base.jsonl",
        "predictions-adapter.jsonl",
    }
    written = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    validator("results.v1").validate(written)
    assert written["dataset"]["rows"] == 6
    assert written["settings"]["generate"]["temperature"] == 0
    assert len(written["model"]["adapter_sha256"]) == 64
    assert set(written["timing"]) >= {"base.answers", "base.losses", "adapter.swap.answers"}
    (control,) = result.controls
    assert (control.name, control.candidate, control.left_out) == ("swap", "adapter", 0)
    assert told[-1] == "adapter.swap: 6 of 6 rows answered"
    assert str(config.output.parent) not in (folder / "results.json").read_text(encoding="utf-8")


def test_a_second_evaluation_gives_the_same_bytes_but_for_the_timing(config: RunConfig) -> None:
    def measured() -> dict[str, object]:
        run.evaluate(config, limit=4)
        files = {path.name: path.read_text(encoding="utf-8") for path in (config.output / "eval").iterdir()}
        results = json.loads(files.pop("results.json"))
        results.pop("timing")
        return {**files, "results": results}

    assert measured() == measured()


def test_a_run_without_training_measures_the_base_alone(config: RunConfig, tmp_path: Path) -> None:
    alone = dataclasses.replace(config, train=None, output=tmp_path / "zero")
    result = run.evaluate(alone, limit=2, controls=())
    assert list(result.candidates) == ["base"]
    assert result.setup["model"]["adapter"] is None


def test_a_run_that_was_not_trained_is_refused_before_any_model_is_loaded(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no adapter in .*vlmtrain sft"):
        run.evaluate(dataclasses.replace(config, output=tmp_path / "fresh"))
    with pytest.raises(ConfigError, match="no control 'blur'"):
        run.evaluate(config, controls=["blur"])


def test_a_row_is_answered_by_its_id(config: RunConfig) -> None:
    tuned = run.generate(config, ids=["p25", "p0"])
    assert [answer.id for answer in tuned] == ["p25", "p0"]
    base = run.generate(config, ids=["p25", "p0"], base=True)
    assert [answer.text for answer in base] != [answer.text for answer in tuned]


def test_an_unknown_id_names_the_nearest(config: RunConfig) -> None:
    with pytest.raises(RunError, match="no row 'p255'; did you mean 'p25'"):
        run.generate(config, ids=["p255"])
    with pytest.raises(RunError, match="nothing is asked"):
        run.generate(config)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that vlmdata built, whose manifest says how a product is asked about."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    lines = ["sku,title,brand,photo,text"]
    for number in range(12):
        (folder / "photos" / f"{number}.png").write_bytes(picture(COLOURS[number % 4], (40, 30 + number)))
        lines.append(f"p{number},Mug {number},Tavi,{number}.png,A {COLOURS[number % 4]} mug by Tavi.")
    (folder / "products.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), out=folder / "dataset").path


RECIPE = """
contract: record.v1
source: {type: csv, path: products.csv}
id: sku
images: {root: photos, from: [photo]}
fields: [brand]
conversations:
  - user: [images, "Describe {{ title }} by {{ brand }}."]
    assistant: "{{ text }}"
split: {train: 0.5, test: 0.5}
"""


def test_a_new_row_is_asked_as_the_dataset_was(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    here = dataclasses.replace(config, data=dataclasses.replace(config.data, path=shop))
    photo = tmp_path / "new.png"
    photo.write_bytes((shop.parent / "photos" / "3.png").read_bytes())
    new = {"sku": "p3", "title": "Mug 3", "brand": "Tavi", "images": [photo]}
    (answer,) = run.generate(here, [new])
    (known,) = run.generate(here, ids=["p3"])
    assert answer == known


def test_a_new_row_without_a_column_of_the_prompt_names_it(config: RunConfig, shop: Path) -> None:
    here = dataclasses.replace(config, data=dataclasses.replace(config.data, path=shop))
    with pytest.raises(ConfigError) as raised:
        run.generate(here, [{"titel": "Mug 3"}])
    fields = [problem.field for problem in raised.value.problems]
    assert fields == ["brand", "title"]
    assert "did you mean 'titel'" in str(raised.value)
