"""Raw rows from files. Each source is one file; the literal dict names them without importing any."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from vlmdata.errors import PluginError
from vlmdata.plugins import HINT, UNASKED, is_plugin

if TYPE_CHECKING:
    from vlmdata.protocols import Source
    from vlmdata.recipe import SourceConfig

BUILT_IN = {
    "csv": "vlmdata.source.csv_file:open_csv",
    "json": "vlmdata.source.json_file:open_json",
    "jsonl": "vlmdata.source.json_lines:open_json_lines",
    "parquet": "vlmdata.source.parquet:open_parquet",
    "excel": "vlmdata.source.excel:open_excel",
    "image_folder": "vlmdata.source.image_folder:open_image_folder",
    "conversations": "vlmdata.source.conversations:open_conversations",
    "multi_image": "vlmdata.source.multi_image:open_multi_image",
    "mmiu": "vlmdata.source.multi_image:open_mmiu",
    "hub": "vlmdata.source.hub:open_hub",
    "rejected": "vlmdata.source.rejected:open_rejected",
}
"""For each type of source, the function from its configuration to the source."""

FOLDERS = frozenset({"csv", "json", "jsonl"})
"""Types whose source may be a folder of such files, which are read as one table."""


def open_source(config: SourceConfig) -> Source:
    """The source that a recipe names. Raises SourceError where it can't be read at all.

    One from outside (`package.module:open_x`) is opened where the configuration has leave. Raises PluginError.
    """
    if is_plugin(config.type):
        if not config.allow_plugins:
            raise PluginError(f"the source {config.type} {UNASKED} {HINT}")
        return cast("Source", import_module("vlmdata.source.plugged").open_plugged(config))
    if config.type in FOLDERS and config.path.is_dir():
        return cast("Source", import_module("vlmdata.source.several_files").open_several(config, _open_one))
    return _open_one(config)


def _open_one(config: SourceConfig) -> Source:
    module, _, name = BUILT_IN[config.type].partition(":")
    return cast("Source", getattr(import_module(module), name)(config))
