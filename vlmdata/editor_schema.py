"""A schema for an editor, which sees one file at a time: what a file may leave to the one that it extends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXTENDS = {"required": ["extends"], "properties": {"extends": {"type": "string"}}}


def for_an_editor(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that asks a file for its required keys only where it extends no other."""
    if "extends" not in schema.get("properties", {}):
        return dict(schema)
    return {**_lenient(schema), "if": EXTENDS, "else": _required(schema)}


def _lenient(node: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping's schema without what it requires, and so those of the mappings in it. Lists are given whole."""
    left = {key: value for key, value in node.items() if key != "required"}
    if "properties" in node:
        left["properties"] = {key: _lenient(value) for key, value in node["properties"].items()}
    return left


def _required(node: Mapping[str, Any]) -> dict[str, Any]:
    """What a mapping and those in it require, and nothing else."""
    inner = {key: _required(value) for key, value in node.get("properties", {}).items()}
    found = {"required": node.get("required"), "properties": {key: value for key, value in inner.items() if value}}
    return {key: value for key, value in found.items() if value}
