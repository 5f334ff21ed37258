"""What is said where a file of new rows is not as the recipe expects: how it was read, what it has, what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import vlmdata
from tests.vlmtrain.adapters import a_run
from tests.vlmtrain.small_data import COLOURS, picture
from vlmdata.errors import ConfigError, RecipeError, SourceError
from vlmtrain.config import RunConfig
from vlmtrain.errors import RunError
from vlmtrain.generating import NewRows, generate, generate_file

TINY = Callable[[str], Path]
TABLE = "sku,größe,brand,photo\nn0,L,Tavi,0.png\n"
RECIPE = """
contract: record.v1
source: {type: csv, path: products.csv, where: "brand != 'none'"}
id: sku
images: {root: photos, from: [photo]}
conversations:
  - user: [images, "Describe {{ größe }} by {{ brand }}."]
    assistant: "{{ text }}"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a recipe, the dataset that was built by it, and the one that was made of its export."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    (folder / "photos" / "0.png").write_bytes(picture(COLOURS[0], (40, 30)))
    (folder / "products.csv").write_text("sku,größe,brand,photo,text\np0,S,Tavi,0.png,A mug.\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), out=folder / "built")
    vlmdata.export(folder / "built", to="trl", out=folder / "both" / "shop")
    both = "source: {type: conversations, path: both, format: trl}\nid: id\n"
    (folder / "both.yaml").write_text(both, encoding="utf-8")
    vlmdata.build(vlmdata.load_recipe(folder / "both.yaml"), out=folder / "joined")
    return folder


@pytest.fixture(scope="module")
def config(tiny: TINY, shop: Path, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return a_run(tmp_path_factory.mktemp("run"), tiny("qwen2_vl"), shop / "built", "fp32")


def said(config: RunConfig, rows: NewRows, out: Path, error: type[ConfigError] | type[SourceError]) -> str:
    with pytest.raises(error) as caught:
        generate_file(config, rows, out)
    return str(caught.value)


@pytest.mark.parametrize("where", [None, ""])
def test_another_delimiter_is_told_with_how_it_was_read_and_what_was_found(
    config: RunConfig, shop: Path, tmp_path: Path, where: str | None
) -> None:
    new = tmp_path / "new.csv"
    new.write_text(TABLE.replace(",", ";"), encoding="utf-8")
    words = said(config, NewRows(input=new, where=where), tmp_path / "a.csv", ConfigError)
    assert f"{new}: does not fit the recipe that {shop / 'built'} keeps. It was read as utf-8 with ',' between" in words
    assert "(source.encoding, source.delimiter), and has one column, 'sku;größe;brand;photo'. If it is written" in words
    assert f"set these two in a copy of the recipe (`vlmdata init {new} --out found.yaml` finds them)" in words
    assert "--recipe COPY" in words


def test_a_header_in_another_encoding_is_told_so(config: RunConfig, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(TABLE, encoding="cp1252")
    words = said(config, NewRows(input=new), tmp_path / "a.csv", SourceError)
    assert "It was read as utf-8 with ',' between cells (source.encoding, source.delimiter), which its header" in words
    assert "[csv.header]" in words


def test_a_recipe_that_was_named_is_the_one_to_change(config: RunConfig, shop: Path, tmp_path: Path) -> None:
    new, recipe = tmp_path / "new.csv", shop / "cp1252.yaml"
    new.write_text(TABLE, encoding="utf-8")
    recipe.write_text(RECIPE.replace("type: csv", "type: csv, encoding: cp1252"), encoding="utf-8")
    words = said(config, NewRows(input=new, recipe=recipe), tmp_path / "a.csv", RecipeError)
    assert "read as cp1252 with ',' between cells" in words
    assert "and has the columns 'sku', 'grÃ¶ÃŸe', 'brand', 'photo'. If it is written otherwise, set these two" in words
    assert "in cp1252.yaml (" in words
    recipe.write_text(RECIPE.replace("type: csv", "type: csv, delimiter: ';'"), encoding="utf-8")
    new.write_text(TABLE.replace(",", ";"), encoding="utf-8")
    prompts = list(vlmdata.render_source(recipe, input=new).rows())
    assert [type(each).__name__ for each in prompts] == ["SourcePrompt"]


def test_long_headers_are_cut_and_other_mistakes_keep_their_words(config: RunConfig, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(",".join(f"c{number}" * 40 for number in range(9)) + "\n", encoding="utf-8")
    words = said(config, NewRows(input=new, where=""), tmp_path / "a.csv", RecipeError)
    assert "…' and 3 more. If" in words
    new.write_text(TABLE, encoding="utf-8")
    words = said(config, NewRows(input=new, conversation=4), tmp_path / "a.csv", ConfigError)
    assert "choose one by its number" in words
    assert "was read as" not in words
    missing = said(config, NewRows(input=tmp_path / "no.csv"), tmp_path / "a.csv", SourceError)
    assert missing.startswith("no.csv: there is no such file")


def test_a_dataset_made_of_others_asks_for_a_recipe(tiny: TINY, shop: Path, tmp_path: Path) -> None:
    config = a_run(tmp_path, tiny("qwen2_vl"), shop / "joined", "fp32")
    new = tmp_path / "new.jsonl"
    new.write_text(json.dumps({"sku": "n0", "brand": "Tavi"}) + "\n", encoding="utf-8")
    words = said(config, NewRows(input=new), tmp_path / "a.csv", ConfigError)
    assert f"{new}: can't be read as the rows of {shop / 'joined'} were, which brought their prompts along" in words
    assert "as of the dataset that had these columns: --recipe RECIPE" in words
    new.write_text(json.dumps({"id": "n0", "brand": "Tavi"}) + "\n", encoding="utf-8")
    rejected = generate_file(config, NewRows(input=new), tmp_path / "a.csv", base=True)
    assert rejected.refusal.startswith(f"1 of 1 rows were rejected, at most 0 may (max_rejected); {new}: can't be read")
    with pytest.raises(RunError, match=r"no words to ask about a row of columns\. Name a recipe .*--recipe RECIPE"):
        generate(config, [{"brand": "Tavi"}])
