"""Raw rows from files. Each source is one file; the literal dict names them without importing any."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vlmdata.protocols import Source
    from vlmdata.recipe import SourceConfig

BUILT_IN = {"csv": "vlmdata.source.csv_file:CsvSource"}


def open_source(config: SourceConfig) -> Source:
    """The source that a recipe names. Raises SourceError where it can't be read at all."""
    module, _, name = BUILT_IN[config.type].partition(":")
    return cast("Source", getattr(import_module(module), name)(config))
