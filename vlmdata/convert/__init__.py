"""Raw rows to conversations. Each converter is one file; the literal dict names them without importing any."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vlmdata.protocols import Converter, Tools
    from vlmdata.recipe import Recipe

BUILT_IN = {
    "catalog": "vlmdata.convert.catalog:CatalogConverter",
    "conversations": "vlmdata.convert.conversations:ConversationsConverter",
    "multi_image": "vlmdata.convert.multi_image:MultiImageConverter",
    "mmiu": "vlmdata.convert.multi_image:mmiu_converter",
}
"""For each way of converting, what makes a converter of a recipe and the build's tools."""


def converter_for(recipe: Recipe, tools: Tools) -> Converter:
    """The converter of a recipe: of its source's own conversations, or of its templates."""
    from vlmdata.recipe import as_first_read

    recipe = as_first_read(recipe)
    kind = recipe.source.type if recipe.source.type in BUILT_IN else "catalog"
    if recipe.source.type == "hub" and "format" in recipe.source.options:
        kind = "conversations"
    module, _, name = BUILT_IN[kind].partition(":")
    return cast("Converter", getattr(import_module(module), name)(recipe, tools))
