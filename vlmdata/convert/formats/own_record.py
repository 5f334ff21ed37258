"""What a record of a dataset that vlmdata built says beside its conversation, be it on the Hub or in Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmdata.convert.formats.draft import Draft
from vlmdata.record import Provenance

COLUMNS = frozenset({"messages", "images", "image_info", "origin", "group", "tags", "fields"})
"""By these a record is known. `provenance` may be missing, since most rows have none."""

MADE_ANEW = ("image_info", "origin")
"""What a build finds out itself."""

PROVENANCE = frozenset({"description", "model", "prompt_sha256"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A conversation's group, tags, fields, and where a generated text of it came from."""

    group: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance | None = None


def beside(draft: Draft) -> Beside:
    """What stands beside the conversation where the row is a record of ours; nothing of any other row is read."""
    row = draft.row
    if not row.keys() >= COLUMNS or not isinstance(row["group"], str):
        return Beside()
    tags, fields = _pairs(row["tags"]), _pairs(row["fields"])
    provenance = _provenance(row.get("provenance"))
    if tags is None or fields is None or (provenance is None and row.get("provenance") is not None):
        return Beside()
    draft.read.update((*MADE_ANEW, "group", "tags", "fields", "provenance"))
    return Beside(group=row["group"] or None, tags=tags, fields=fields, provenance=provenance)


def _pairs(value: Any) -> dict[str, str] | None:
    """Names and their values; None where the column holds something else."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    found = {each.get("name"): each.get("value") for each in value}
    good = all(isinstance(name, str) and isinstance(text, str) for name, text in found.items())
    return {str(name): str(text) for name, text in found.items()} if good and len(found) == len(value) else None


def _provenance(value: Any) -> Provenance | None:
    if not isinstance(value, Mapping) or value.keys() != PROVENANCE:
        return None
    if not all(isinstance(text, str) for text in value.values()):
        return None
    return Provenance(**value)
