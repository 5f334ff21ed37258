"""Where a validation's settings come from, which of them counts, and what a wrong one is answered with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vlmdata.check_files import check_data, file_layers, layered, layers_of_file, nearest_file
from vlmdata.contract import schema
from vlmdata.errors import ConfigError
from vlmdata.recipe import portable, recipe_from


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_nearest_file_upwards_counts_and_the_search_ends_at_the_repository(tmp_path: Path) -> None:
    put(tmp_path / "vlmdata.toml", "preview = true")
    inner = tmp_path / "repository" / "data" / "recipe.yaml"
    put(inner, "")
    assert nearest_file(inner) == tmp_path / "vlmdata.toml"
    (tmp_path / "repository" / ".git").mkdir()
    assert nearest_file(inner) is None
    put(tmp_path / "repository" / "pyproject.toml", "[project]\nname = 'x'")
    assert nearest_file(inner) is None
    put(tmp_path / "repository" / "pyproject.toml", "[tool.vlmdata]\nignore = ['text.html']")
    assert layered(file_layers(inner)).ignore == ("text.html",)


def test_a_nearer_file_goes_over_what_it_extends(tmp_path: Path) -> None:
    shared = put(
        tmp_path / "shared" / "vlmdata.toml",
        """
        select = ["contract", "images"]
        ignore = ["images.gps", "images.missing"]
        fail_on = "warning"
        max_warnings = 3
        [rules."images.too_small"]
        severity = "warning"
        pixels = 9
        """,
    )
    other = put(tmp_path / "shared" / "other.toml", 'ignore = ["text"]\nfail_on = "error"')
    own = put(
        tmp_path / "team" / "vlmdata.toml",
        f"""
        extends = ["{os.path.relpath(shared, tmp_path / "team")}", "../shared/{other.name}"]
        select = ["all", "images.gps"]
        max_errors = 2
        [rules."images.too_small"]
        pixels = 20
        """,
    )
    found = layered(layers_of_file(own))
    assert found.select == ("all", "images.gps")
    assert found.ignore == ("images.missing", "text")
    assert (found.fail_on, found.max_warnings, found.max_errors) == ("error", 3, 2)
    assert found.severity("images.too_small") == "warning"
    assert found.threshold("images.too_small", "pixels") == 20


def test_every_mistake_is_named_at_once_with_its_line_and_the_nearest_spelling(tmp_path: Path) -> None:
    path = put(
        tmp_path / "vlmdata.toml",
        """slect = ["all"]
ignore = ["contract", "contrct.id"]
[rules."images.to_small"]
severity = "warning"
[rules."images.too_small"]
pixel = 8
severity = "warn"
""",
    )
    with pytest.raises(ConfigError) as raised:
        layers_of_file(path)
    found = {(problem.line, problem.field) for problem in raised.value.problems}
    assert found == {
        (1, "slect"),
        (2, "ignore[1]"),
        (3, "rules.images.to_small"),
        (6, "rules.images.too_small.pixel"),
        (7, "rules.images.too_small.severity"),
    }
    hints = " ".join(problem.hint for problem in raised.value.problems)
    for word in ("select", "contract.id", "images.too_small", "pixels"):
        assert f"did you mean '{word}'?" in hints


def test_settings_that_extend_themselves_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "a.toml", 'extends = "b.toml"')
    put(tmp_path / "b.toml", 'extends = "a.toml"')
    with pytest.raises(ConfigError, match=r"extends itself: a.toml -> b.toml -> a.toml"):
        layers_of_file(tmp_path / "a.toml")


def test_a_file_that_is_not_there_is_named_where_it_is_extended(tmp_path: Path) -> None:
    path = put(tmp_path / "vlmdata.toml", '\nextends = "nowhere.toml"')
    with pytest.raises(ConfigError, match=r"vlmdata.toml:2 extends: there is no file 'nowhere.toml'"):
        layers_of_file(path)


@pytest.mark.parametrize(
    ("wanted", "words"), [(">=99", "vlmdata >=99 is wanted"), ("newest", "expected versions such")]
)
def test_another_version_is_asked_for(tmp_path: Path, wanted: str, words: str) -> None:
    path = put(tmp_path / "vlmdata.toml", f'required_version = "{wanted}"')
    with pytest.raises(ConfigError, match=words):
        layers_of_file(path)
    put(path, 'required_version = ">=0.0.1"')
    assert layered(layers_of_file(path)) == layered([])


@pytest.mark.parametrize("text", ["select = [", "\x00", "select = 3 = 4"])
def test_what_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"vlmdata.toml: not TOML"):
        layers_of_file(put(tmp_path / "vlmdata.toml", text))


def test_the_recipe_and_the_settings_file_know_the_same_keys() -> None:
    assert schema("recipe.v1")["properties"]["check"]["properties"] == schema("settings.v1")["properties"]


def test_a_manifest_keeps_settings_that_a_recipe_takes_from_another_file(tmp_path: Path) -> None:
    put(tmp_path / "shared.toml", '[rules."images.too_small"]\npixels = 9\nseverity = "warning"')
    data = {
        "source": {"type": "csv", "path": "products.csv"},
        "images": {"from": "photo"},
        "conversations": [{"user": "{{ title }}", "assistant": "{{ text }}"}],
        "check": {"extends": "shared.toml", "ignore": ["text"]},
    }
    recipe = recipe_from(data, tmp_path)
    kept = portable(recipe)["check"]
    assert "extends" not in kept
    del data["check"]
    again = recipe_from({**data, "check": json.loads(json.dumps(kept))}, tmp_path / "elsewhere")
    assert again.check == recipe.check
    assert check_data(again.check) == kept
