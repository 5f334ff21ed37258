"""Settings and programs of the pages: recipes and run files are loaded, programs run, the rest at least read."""

from __future__ import annotations

import ast
import json
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import yaml

import vlmdata
import vlmtrain
from tests.docs.pages import Block

RECIPE = {
    "source": {"type": "csv", "path": "products.csv"},
    "images": {"from": {"column": "photos", "separator": "|"}},
    "tags": ["category"],
    "conversations": [{"user": ["images", "Describe: {{ title }}"], "assistant": "{{ description }}"}],
}
"""What a piece of a recipe is put into."""
OWN_CONVERSATIONS = {"conversations", "mmiu", "multi_image", "rejected"}
"""Sources whose rows are conversations already, so that a recipe has no templates."""
RUN = {
    "output": "runs/snippet",
    "data": {"path": "data/shop"},
    "model": {"base": "samples/tiny-vlm"},
    "train": {"learning_rate": 1.0e-4},
}
"""What a piece of a run file is put into."""


def kind_of(data: Any) -> str | None:
    """Whether a YAML mapping is a recipe or a run file, or a piece of one; None where it is neither."""
    if not isinstance(data, dict):
        return None
    for kind in ("recipe", "run"):
        if data.keys() <= vlmdata.schema(f"{kind}.v1")["properties"].keys():
            return kind
    return None


def load_yaml(block: Block, folder: Path) -> None:
    """Load a recipe or a run file as the commands do. A piece of one is put into a whole one first."""
    data = yaml.safe_load(block.text)
    kind = kind_of(data)
    assert kind, f"{block.place}: neither a recipe nor a run file; <!-- not ours: WHOSE --> says whose it is"
    if kind == "recipe":
        path = folder / "snippet.recipe.yaml"
        path.write_text(yaml.safe_dump(_whole_recipe(data)), encoding="utf-8")
        vlmdata.load_recipe(path)
    else:
        path = folder / "snippet.run.yaml"
        base = RUN if "extends" not in data else {key: RUN[key] for key in ("output", "data")}
        path.write_text(yaml.safe_dump(_over(base, data)), encoding="utf-8")
        vlmtrain.load_run(path)


def _whole_recipe(data: dict[str, Any]) -> dict[str, Any]:
    source = data.get("source", RECIPE["source"])
    if source["type"] in OWN_CONVERSATIONS or "format" in source:
        return data
    if isinstance(data.get("images"), dict) and "from" not in data["images"]:
        return _over(RECIPE, data)
    return {**RECIPE, **data}


def _over(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in data.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def read_toml(block: Block, folder: Path) -> None:
    """Settings are read by the real reader of settings."""
    from vlmdata.check_files import layers_of_file

    tomllib.loads(block.text)
    named = block.marks.get("file", "pyproject.toml" if "[tool.vlmdata" in block.text else "vlmdata.toml")
    path = folder / "settings-of-a-page" / named
    path.parent.mkdir(exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    layers_of_file(path)


def read_json(block: Block) -> None:
    """JSON, or JSON Lines."""
    try:
        json.loads(block.text)
    except ValueError:
        for line in block.text.strip().splitlines():
            json.loads(line)


def namespace() -> types.ModuleType:
    """A module for the programs of a page, which share their names as the cells of a notebook do."""
    module = types.ModuleType("program_of_a_page")
    sys.modules[module.__name__] = module
    return module


def run_python(block: Block, module: types.ModuleType) -> None:
    """Run a program as it stands; a failure names the page's own line."""
    source = "\n" * block.line + block.text
    exec(compile(source, block.page, "exec", dont_inherit=True), module.__dict__)


def compile_python(block: Block) -> None:
    """Compile a program that can't be run here, and look up what it takes from our packages."""
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package = {"vlmdata": vlmdata, "vlmtrain": vlmtrain}.get(node.value.id)
            assert package is None or node.attr in package.__all__, f"{block.place}: {node.value.id}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"vlmdata", "vlmtrain"}:
            module = __import__(str(node.module), fromlist=["*"])
            assert all(hasattr(module, name.name) for name in node.names), block.place
