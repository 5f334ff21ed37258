"""Column names of any kind, in YAML and in templates: they come back as they were."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.drawn_catalogs import Written, simple_rows
from vlmdata.draft.yaml_text import label, printed, quoted, scalar
from vlmdata.templates import compile_template

SIGNS = "{}%#'\"\\:,&*!|>[]\n\t -_aäß\u2028\x85\ufeff\U0001f600é0"
WORDS = ("None", "row", "true", "no", "for", "range", "self")
HOSTILE = st.text(SIGNS, max_size=12)
NAMES = st.lists(HOSTILE | st.text(max_size=12) | st.sampled_from(WORDS), min_size=6, max_size=6)


@given(names=NAMES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_of_any_name_give_a_recipe_that_builds(names: list[str], tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shutil.rmtree(shop, ignore_errors=True)
    rows = simple_rows(shop, 6)
    rows[0] = [f"{name}{place}" if place % 2 else f"{place} {name}" for place, name in enumerate(names)]
    rows[0] = [name.replace("\0", "").encode("utf-8", "ignore").decode() for name in rows[0]]
    Written(quoting=csv.QUOTE_ALL).write(shop / "products.csv", rows)
    draft = vlmdata.draft_recipe(shop)
    (shop / "recipe.yaml").write_text(draft.text, encoding="utf-8", newline="")
    recipe = vlmdata.load_recipe(shop / "recipe.yaml")
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert vlmdata.build(recipe, tmp_path / "out", workers=1).ledger.rows_used == 6


@given(name=st.one_of(HOSTILE, st.text(min_size=1)))
def test_scalars_and_names_read_back_as_they_were(name: str) -> None:
    assert yaml.safe_load(f"a: {scalar(name)}") == {"a": name}
    assert yaml.safe_load(f"a: {quoted(name)}") == {"a": name}
    assert yaml.safe_load(f"a: [{scalar(name)}, {scalar(name)}]") == {"a": [name, name]}
    if name:
        assert compile_template(printed(name)).names == {name}
        assert compile_template(f"{label(name)}: {printed(name)}")({name: "value"}) == f"{label(name)}: value"
