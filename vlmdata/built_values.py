"""Nothing where the record contract wants a value: a record's group, its origin, its tags and its fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlmdata.check.messages import parents, problem_of
from vlmdata.record import Problem

RULE = "contract.value"
NAMED = ("tags", "fields")
HINTS = {
    "group": "write the record's id where it belongs to no group",
    "origin": "write the file, record and line that it came from; 0 where it has no line",
    "tags": "give it a name and a value, or leave it out; a record without tags has an empty list",
    "fields": "give it a name and a value, or leave it out; a record without fields has an empty list",
}


def missing_values(batch: pa.RecordBatch) -> Iterator[Problem]:
    """What is null or nameless in a batch's rows and may not be: one finding for each column of a row."""
    found = {"group": _null(batch.column("group")), "origin": _incomplete(batch.column("origin"))}
    found |= {name: _with_gaps(batch.column(name)) for name in NAMED}
    for name, rows in found.items():
        for row in np.flatnonzero(rows).tolist():
            where, message = _said(name, batch.column(name)[row].as_py())
            yield replace(problem_of(batch, row, RULE, message, where), hint=HINTS[name])


def _null(values: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.is_null(values).to_numpy(zero_copy_only=False)
    return found


def _incomplete(structs: pa.StructArray) -> npt.NDArray[np.bool_]:
    """Which are null, or have a null inside."""
    found = _null(structs)
    for entry in structs.type:
        found = found | _null(pc.struct_field(structs, entry.name))
    return found


def _with_gaps(lists: pa.ListArray) -> npt.NDArray[np.bool_]:
    """Which are null, or have an entry without a name or a value."""
    found, entries = _null(lists).copy(), lists.flatten()
    nameless = pc.fill_null(pc.equal(pc.struct_field(entries, "name"), ""), False).to_numpy(zero_copy_only=False)
    found[parents(lists)[_incomplete(entries) | nameless]] = True
    return found


def _said(name: str, value: Any) -> tuple[str, str]:
    """The field of a row in which something is missing, and what."""
    if value is None:
        return name, f"{name} is null"
    if name not in NAMED:
        missing = [key for key, held in value.items() if held is None]
        return f"{name}.{missing[0]}", f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} null"
    for number, entry in enumerate(value):
        if not (entry or {}).get("name"):
            return f"{name}[{number}]", "the entry is null" if entry is None else "the entry has no name"
        if entry["value"] is None:
            return f"{name}[{number}]", f"the value of {entry['name']!r} is null"
    raise AssertionError(name)
