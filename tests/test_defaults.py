"""The defaults that the settings' schemas name are those of the dataclasses that hold the settings."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import vlmdata
from vlmdata.check_settings import CheckSettings
from vlmdata.contract import CONTRACT
from vlmdata.conversation_options import ConversationsOptions
from vlmdata.questions import MultiImageOptions
from vlmdata.recipe import ImagesConfig, Recipe, SourceConfig, SplitConfig
from vlmdata.source.csv_file import CsvOptions
from vlmdata.source.excel import ExcelOptions
from vlmdata.source.hub import HubOptions
from vlmdata.source.image_folder import ImageFolderOptions
from vlmdata.source.json_file import JsonOptions
from vlmdata.source.json_lines import JsonLinesOptions
from vlmdata.source.parquet import ParquetOptions
from vlmdata.source.rejected import RejectedOptions
from vlmtrain.config import RunConfig

Schema = Mapping[str, Any]

SOURCES: Mapping[str, type | None] = {
    "csv": CsvOptions,
    "json": JsonOptions,
    "jsonl": JsonLinesOptions,
    "parquet": ParquetOptions,
    "excel": ExcelOptions,
    "image_folder": ImageFolderOptions,
    "conversations": ConversationsOptions,
    "multi_image": MultiImageOptions,
    "mmiu": None,
    "hub": HubOptions,
    "rejected": RejectedOptions,
    "plugin": None,
}
"""For each type of source in the recipe's schema, what holds the keys that it alone understands."""

WRITTEN_OTHERWISE = {
    ("recipe.v1", "contract"): CONTRACT,
    ("recipe.v1", "network"): "none",
    ("recipe.v1", "images.root"): ImagesConfig().roots[0].as_posix(),
    ("recipe.v1", "split"): dict(SplitConfig().shares),
}
"""Defaults of keys that a file writes in other words than the dataclass that holds them."""

UNSET = object()
"""Nothing stands there unless somebody writes it."""


def named_defaults() -> Iterator[tuple[str, str, Any, Any]]:
    """Schema, dotted key, the default that it names, and the one of the code; UNSET where there is none."""
    for name, cls in (("recipe.v1", Recipe), ("run.v1", RunConfig), ("settings.v1", CheckSettings)):
        schema = vlmdata.schema(name)
        for place, node, code in _of_class(schema, schema, cls, ""):
            wanted = WRITTEN_OTHERWISE.get((name, place), code)
            yield name, place, node.get("default", UNSET), wanted if _allowed(schema, node, wanted) else UNSET
    recipe = vlmdata.schema("recipe.v1")
    for kind, options in SOURCES.items():
        node = recipe["$defs"][kind]
        codes = dict[str, tuple[Any, Any]]()
        for holder in filter(None, (SourceConfig, options)):
            for key, value, code in _of_class(recipe, node, holder, ""):
                codes[key] = (value, codes[key][1] if code is UNSET and key in codes else code)
        for key, (value, code) in codes.items():
            wanted = code if _allowed(recipe, value, code) else UNSET
            yield "recipe.v1", f"$defs.{kind}.{key}", value.get("default", UNSET), wanted


def _of_class(schema: Schema, node: Schema, cls: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every key of a mapping, with what the dataclass takes where it is left out."""
    fields = {field.metadata.get("key", field.name): field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key, value in node["properties"].items():
        place = f"{path}.{key}" if path else key
        if not isinstance(value, Mapping):
            continue
        field = fields.get(key)
        needed = key in node.get("required", ())
        yield place, value, UNSET if field is None or needed else _written(field)
        inner = _dataclass_in(hints[field.name]) if field is not None else None
        if inner is not None and inner is not SourceConfig and (mapping := _mapping(schema, value)) is not None:
            yield from _of_class(schema, mapping, inner, place)


def _written(field: dataclasses.Field[Any]) -> Any:
    """A field's default as a file would write it: an empty mapping where its keys have defaults of their own."""
    value: Any = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING or value == Path():
        return UNSET
    if dataclasses.is_dataclass(value):
        return {}
    if isinstance(value, Path):
        return value.as_posix()
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def _dataclass_in(hint: Any) -> Any:
    """The dataclass that a field holds, alone, or None, or in a tuple."""
    if dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in {tuple, typing.Union, types.UnionType}:
        found = [_dataclass_in(each) for each in typing.get_args(hint)]
        return next((each for each in found if each is not None), None)
    return None


def _mapping(schema: Schema, node: Any) -> Schema | None:
    if "$ref" in node:
        return _mapping(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "properties" in node:
        found: Schema = node
        return found
    return _mapping(schema, node["items"]) if isinstance(node.get("items"), Mapping) else None


def _allowed(schema: Schema, node: Schema, value: Any) -> bool:
    """Whether a file could write the value: None and empty texts often stand for a key that was left out."""
    if value is UNSET or node.get("$ref", "").startswith("#/properties"):
        return False
    return bool(Draft202012Validator({**node, "$defs": schema.get("$defs", {})}).is_valid(value))


def test_the_schemas_name_the_defaults_that_the_code_has() -> None:
    wrong = [
        f"{schema}: {key}: named {named!r}, in the code {code!r}"
        for schema, key, named, code in named_defaults()
        if (named is not code and named != code) or isinstance(named, bool) != isinstance(code, bool)
    ]
    assert wrong == []


def test_most_settings_have_a_default() -> None:
    told = [key for _, key, named, _ in named_defaults() if named is not UNSET]
    assert len(told) > 120
    assert {"images.byte_limit", "eval.metrics", "select", "$defs.csv.delimiter", "describe.limits.attempts"} <= set(
        told
    )


def test_the_settings_of_checks_are_the_same_in_a_recipe_and_in_a_file_of_their_own() -> None:
    of_a_recipe = vlmdata.schema("recipe.v1")["properties"]["check"]
    assert of_a_recipe["properties"] == vlmdata.schema("settings.v1")["properties"]


def test_every_type_of_source_is_held_to_its_defaults() -> None:
    kinds = {kind for kind, node in vlmdata.schema("recipe.v1")["$defs"].items() if "type" in node["properties"]}
    assert kinds == set(SOURCES)
