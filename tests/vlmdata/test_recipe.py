"""Recipes: every mistake at once, with its line, its place and the nearest spelling."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vlmdata
from vlmdata.contract import schema
from vlmdata.conversation_options import ConversationsOptions
from vlmdata.describe_settings import DescribeConfig, ExampleRows, Limits, Prices, SentPictures
from vlmdata.errors import ConfigError, RecipeError
from vlmdata.questions import MultiImageOptions, QuestionColumns
from vlmdata.recipe import (
    ConversationTemplate,
    DatasetInfo,
    ImagePlace,
    ImagesConfig,
    Recipe,
    SplitConfig,
    load_recipe,
)
from vlmdata.source.csv_file import CsvOptions
from vlmdata.source.excel import ExcelOptions
from vlmdata.source.hub import HubOptions
from vlmdata.source.image_folder import ImageFolderOptions
from vlmdata.source.json_file import JsonOptions
from vlmdata.source.json_lines import JsonLinesOptions
from vlmdata.source.parquet import ParquetOptions
from vlmdata.source.rejected import RejectedOptions

GOOD = """\
source: {type: csv, path: products.csv}
id: sku
images: {root: photos, from: photo}
conversations:
  - user: "Describe: {{ title }}"
    assistant: "{{ description }}"
"""


def loaded(tmp_path: Path, text: str, **changes: Any) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, set={key.replace("__", "."): value for key, value in changes.items()})


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, text)
    return [f"{problem.line} {problem.field}: {problem.message} {problem.hint}" for problem in raised.value.problems]


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, GOOD)
    assert recipe.source.path == tmp_path / "products.csv"
    assert recipe.images.roots == (tmp_path / "photos",)
    assert recipe.conversations[0].user == ("images", "Describe: {{ title }}")
    assert recipe.split.shares == {"train": 1.0}


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("sorce: 1", "7 sorce: unknown key 'sorce'; did you mean 'source'?"),
        ("split: {train: 0.9, test: 0.2}", "7 split: the shares add up to 1.1, expected 1"),
        ("split: {seed: 3}", "7 split: names no split"),
        ("split: {train: .nan}", "7 split.train: found nan, expected a number"),
        ("split: {1: 0.5, 2: 0.5}", "the key '1' is no text; put it in quotes"),
        ("yes: true", "the key 'yes' is no text; put it in quotes"),
        ("split: {report.json: 1.0}", "7 split: found 'report.json'"),
        ("max_rejected: .inf", "7 max_rejected: found inf"),
        ("max_rejected: 10 %", "7 max_rejected: found '10 %', expected a share such as 10%"),
        ("max_rejected: -1", "7 max_rejected: "),
        ("id: 3", "the key 'id' stands here twice"),
        ("network: [https://example.com/a]", "7 network[0]: found 'https://example.com/a', expected a host name"),
        ("tags: category", "7 tags: found the text 'category', expected a list"),
        ('group: "\\uD800"', "holds half of a surrogate pair"),
        ("dataset: {name: 2024-01-01}", "expected text"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_place(tmp_path: Path, added: str, words: str) -> None:
    found = problems(tmp_path, GOOD + added + "\n")
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("path: products.csv", 'path: products.csv, delimiter: "\\n"', "source.delimiter: found '\\n', which ends"),
        ("path: products.csv", "path: products.csv, delimiter: '\"'", "source.quote: is the delimiter too"),
        ("path: products.csv", "path: products.csv, delimiter: ',,'", "1 source.delimiter: found ',,'"),
        ("path: products.csv", "path: products.csv, where: 'a ='", "1 source.where: not a condition"),
        ("path: products.csv", f"path: {'x' * 9_000}", "which no file can be called"),
        ("path: products.csv", 'path: "a\\0b.csv"', "1 source.path: found 'a\\x00b.csv', which no file can be called"),
        ("root: photos", f"root: [photos, a/{'x' * 256}]", "3 images.root: found 'a/xxx"),
        ("path: products.csv", "path: products.csv, limit: 0", "source.limit: found 0, expected at least 1"),
        ("{{ title }}", "{{ title }", "5 conversations[0].user: not a Jinja template"),
        ('user: "Describe: {{ title }}"', "user: [Describe]", "the row's images are not in this turn"),
        ('user: "Describe: {{ title }}"', "user: [images, a, images]", "`images` stands 2 times in one turn"),
        ("from: photo", "from: {colum: photo}", "unknown key 'colum'; did you mean 'column'?"),
        (', from: photo', "", "conversations"),
    ],
)  # fmt: skip
def test_a_mistake_inside_is_named_too(tmp_path: Path, old: str, new: str, words: str) -> None:
    if old == ", from: photo":
        text = GOOD.replace(old, new).replace('user: "Describe: {{ title }}"', "user: [images, a]")
        words = "5 conversations[0].user: there are no images: the recipe has no images.from"
    else:
        text = GOOD.replace(old, new)
    found = problems(tmp_path, text)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "keys and values were expected, found a list"),
        ("a: [", r"recipe\.yaml:1: not YAML"),
        ("a: 2024-13-45", "not YAML: month must be in 1..12"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML: could not determine a constructor"),
        ("a: &a [*a]", "nested too deeply"),
        ("a: " + "[" * 100 + "]" * 100, "nested too deeply"),
        ("a: " + "[" * 1200 + "]" * 1200, "nested too deeply"),
        ("a: &a [1,1]\nb: &b [*a,*a]\n" + "".join(
            f"{chr(99 + i)}: &{chr(99 + i)} [{','.join([f'*{chr(98 + i)}'] * 9)}]\n" for i in range(9)
        ), "too many values"),
        ("a: \x07", "not YAML"),
        ("---\na: 1\n---\nb: 2\n", "not YAML"),
    ],
)  # fmt: skip
def test_what_is_no_settings_file_is_said_so(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(tmp_path, text)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"id: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 4"):
        load_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(ConfigError, match="this is a folder"):
        load_recipe(tmp_path)
    with pytest.raises(ConfigError, match="there is no such file"):
        load_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"recipe\.yml: there is no such file; did you mean 'recipe\.yaml'\?"):
        load_recipe(tmp_path / "recipe.yml")
    with pytest.raises(ConfigError, match="can't be read"):
        load_recipe(tmp_path / "recipe.yaml" / "x")


def test_a_bare_name_is_a_recipe_that_comes_with_vlmdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("llava-instruct-mix-vsft", set={"source.limit": 5})
    assert recipe.folder == Path()
    assert recipe.settings.source == "llava-instruct-mix-vsft.yaml"
    assert recipe.source.path == Path("HuggingFaceH4/llava-instruct-mix-vsft")
    (tmp_path / "llava-instruct-mix-vsft").mkdir()
    assert load_recipe("llava-instruct-mix-vsft").source.type == "hub"
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="folder: this is a folder"):
        load_recipe("folder")
    words = "llava: there is no such file, and no recipe of this name comes with vlmdata; they are amazon-product-"
    with pytest.raises(ConfigError, match=words):
        load_recipe("llava")
    with pytest.raises(ConfigError, match="did you mean 'llava-instruct-mix-vsft'"):
        load_recipe("llava-instruct-mix")
    (tmp_path / "mine").write_text(GOOD, encoding="utf-8")
    assert load_recipe("mine").source.type == "csv"


@given(st.text(max_size=80) | st.text(st.sampled_from("ab:{}[]&*!|>-\n \"'#%@,.0"), max_size=60))
@settings(max_examples=200)
def test_any_text_is_a_recipe_or_a_config_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        loaded(tmp_path, text)


def test_values_put_over_the_files_are_read_as_yaml(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, GOOD, source__limit="500", images__max=2.0, split="{train: 0.5, test: 0.5}")
    assert recipe.source.limit == 500
    assert recipe.images.max == 2
    assert isinstance(recipe.images.max, int)
    assert recipe.split.shares == {"train": 0.5, "test": 0.5}
    path = tmp_path / "recipe.yaml"
    assert (
        load_recipe(path, set={"conversations[0].assistant": "{{ other }}"}).conversations[0].assistant == "{{ other }}"
    )
    with pytest.raises(RecipeError, match="unknown key 'limt'"):
        load_recipe(path, set={"source.limt": 3})
    for wrong in ("id.x", "conversations[7].user", "conversations.x", "", "a..b", "source.limit]"):
        with pytest.raises(ConfigError):
            load_recipe(path, set={wrong: "[1"})


DECLARED = [
    ((), Recipe, {"contract"}, {"settings", "folder"}, {}),
    (("dataset",), DatasetInfo, set(), set(), {}),
    (("$defs", "csv"), CsvOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "json"), JsonOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "jsonl"), JsonLinesOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "parquet"), ParquetOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "excel"), ExcelOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "hub"), HubOptions, {"type", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "rejected"), RejectedOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "image_folder"), ImageFolderOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "multi_image"), MultiImageOptions, {"type", "path", "where", "limit", "nulls"}, set(), {}),
    (("$defs", "multi_image", "properties", "columns"), QuestionColumns, set(), set(), {}),
    (
        ("$defs", "conversations"),
        ConversationsOptions,
        {"type", "path", "where", "limit", "nulls"},
        set(),
        {},
    ),
    (("images",), ImagesConfig, set(), set(), {"from": "places", "root": "roots"}),
    (("$defs", "image_place"), ImagePlace, set(), set(), {}),
    (("conversations",), ConversationTemplate, set(), set(), {}),
    (("describe",), DescribeConfig, set(), set(), {}),
    (("describe", "examples"), ExampleRows, set(), set(), {}),
    (("describe", "pictures"), SentPictures, set(), set(), {}),
    (("describe", "limits"), Limits, set(), set(), {}),
    (("describe", "prices"), Prices, set(), set(), {}),
]


@pytest.mark.parametrize(
    ("place", "declared", "only_schema", "only_class", "renamed"),
    DECLARED,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_schema_and_the_dataclasses_have_the_same_keys(
    place: tuple[Any, ...], declared: type, only_schema: set[str], only_class: set[str], renamed: dict[str, str]
) -> None:
    node: Any = schema("recipe.v1")
    for step in place:
        node = node[step] if place[0] == "$defs" else node["properties"][step]
    node = node.get("items", node)
    keys = {renamed.get(key, key) for key in node["properties"]} - only_schema
    assert keys == {each.name for each in dataclasses.fields(declared)} - only_class


def test_defaults_stand_for_what_a_recipe_leaves_out() -> None:
    assert SplitConfig() == SplitConfig(shares={"train": 1.0}, seed=0)
    every = [schema("recipe.v1"), *schema("recipe.v1")["properties"].values()]
    assert all("description" in node for node in every)


def test_the_public_names_are_there_and_no_others() -> None:
    for name in vlmdata.__all__:
        assert getattr(vlmdata, name) is not None
    assert dir(vlmdata) == sorted(vlmdata.__all__)
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        vlmdata.biuld  # noqa: B018
