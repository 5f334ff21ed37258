"""`generate` as a whole, on a tiny model with an adapter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

import vlmdata
from tests.vlmtrain.adapters import a_run, save_random_adapter
from tests.vlmtrain.small_data import COLOURS, picture
from vlmdata.errors import ConfigError
from vlmtrain import generating
from vlmtrain.config import RunConfig
from vlmtrain.errors import RunError

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def config(tiny: Tiny, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    made = a_run(tmp_path_factory.mktemp("evaluate"), tiny("qwen2_vl"), dataset, "nf4")
    save_random_adapter(made)
    return made


def test_a_row_is_answered_by_its_id(config: RunConfig) -> None:
    tuned = generating.generate(config, ids=["p25", "p0"])
    assert [answer.id for answer in tuned] == ["p25", "p0"]
    base = generating.generate(config, ids=["p25", "p0"], base=True)
    assert [answer.text for answer in base] != [answer.text for answer in tuned]


def test_an_unknown_id_names_the_nearest(config: RunConfig) -> None:
    with pytest.raises(RunError, match="no row 'p255'; did you mean 'p25'"):
        generating.generate(config, ids=["p255"])
    with pytest.raises(RunError, match="nothing is asked"):
        generating.generate(config)


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
    (answer,) = generating.generate(here, [new])
    (known,) = generating.generate(here, ids=["p3"])
    assert answer == known


def test_a_new_row_without_a_column_of_the_prompt_names_it(config: RunConfig, shop: Path) -> None:
    here = dataclasses.replace(config, data=dataclasses.replace(config.data, path=shop))
    with pytest.raises(ConfigError) as raised:
        generating.generate(here, [{"titel": "Mug 3"}])
    fields = [problem.field for problem in raised.value.problems]
    assert fields == ["brand", "title"]
    assert "did you mean 'titel'" in str(raised.value)
