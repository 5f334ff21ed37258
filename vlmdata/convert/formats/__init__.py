"""Others' formats of conversations, one a file, each with a function that reads a row into a draft."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vlmdata.convert.formats.draft import Draft

BUILT_IN = {
    "llava": "vlmdata.convert.formats.llava:read",
    "sharegpt": "vlmdata.convert.formats.sharegpt:read",
    "swift": "vlmdata.convert.formats.swift:read",
    "openai": "vlmdata.convert.formats.openai:read",
    "anthropic": "vlmdata.convert.formats.anthropic:read",
    "oumi": "vlmdata.convert.formats.oumi:read",
    "gemini": "vlmdata.convert.formats.gemini:read",
    "trl": "vlmdata.convert.formats.trl:read",
    "webdataset": "vlmdata.convert.formats.webdataset:read",
    "tao_vl_reason": "vlmdata.convert.formats.tao_vl_reason:read",
}
"""For each format, the function that reads a row."""


@cache
def reader_of(name: str) -> Callable[[Draft], None]:
    """The function that reads a row of a format into a draft."""
    module, _, function = BUILT_IN[name].partition(":")
    return cast("Callable[[Draft], None]", getattr(import_module(module), function))
