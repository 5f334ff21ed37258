"""What became of a dataset's rows in an export, as a value, as plain data and as lines for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.contract import CONTRACT
from vlmdata.exports.protocol import Opening
from vlmdata.record import Problem
from vlmdata.version import __version__
from vlmdata.words import plural

NOT_EXPORTED = "not_exported.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that a format has no place for: its kind, what that is in words, how many rows had it, and the ids of
    the first of them."""

    kind: str
    meaning: str
    rows: int
    examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"kind": self.kind, "rows": self.rows, "meaning": self.meaning, "examples": list(self.examples)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What became of a dataset's rows. `path` is the new folder.

    `splits` holds the exported rows of each split, `files` the names of the files that rows stand in; `losses` what was
    left behind of exported rows; `located`, of what is made to be uploaded, the rows whose photos say where they were
    taken; `reasons` counts, by rule, why rows were not exported (one may have several), and
    `problems` are the first of these. `opening` says how the export is opened.
    """

    path: Path
    format: str
    rows_read: int
    rows_exported: int
    rows_not_exported: int
    splits: Mapping[str, int]
    files: tuple[str, ...]
    image_references: int
    image_bytes: int
    losses: tuple[Loss, ...]
    reasons: Mapping[str, int]
    problems: tuple[Problem, ...]
    opening: Opening
    located: Loss | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data, without the place that it was written to."""
        return {
            "vlmdata": __version__,
            "contract": CONTRACT,
            "format": self.format,
            "rows": {"read": self.rows_read, "exported": self.rows_exported, "not_exported": self.rows_not_exported},
            "splits": dict(self.splits),
            "files": list(self.files),
            "images": {"references": self.image_references, "bytes": self.image_bytes},
            "losses": [loss.as_dict() for loss in self.losses],
            "located": self.located.as_dict() if self.located is not None else None,
            "not_exported": dict(self.reasons),
            "open": {"text": self.opening.text, "command": self.opening.command},
        }


def export_text(done: ExportResult, out: str) -> str:
    """What became of the rows, as lines for a person."""
    splits = "  ".join(f"{name} {rows:,}" for name, rows in done.splits.items())
    size = f"{done.image_bytes / 1e6:,.1f} MB" if done.image_bytes >= 100_000 else f"{done.image_bytes:,} bytes"
    lines = [
        f"rows            {done.rows_read:,} read = {done.rows_exported:,} exported + {done.rows_not_exported:,} not",
        f"splits          {splits}",
        f"images          {done.image_references:,} references, {size}, their bytes as they were",
    ]
    if done.losses:
        lines.append(f"left behind     what {done.format} has no place for; the rows themselves are whole")
        lines += [f"  {loss.kind:<19} {loss.rows:>9,} rows  {loss.meaning}" for loss in done.losses]
    if done.located is not None:
        named = ", ".join(done.located.examples)
        more = ", …" if done.located.rows > len(done.located.examples) else ""
        lines.append(f"before upload   {plural(done.located.rows, 'row')}: {done.located.meaning} ({named}{more})")
    if done.rows_not_exported:
        counts = "   ".join(f"{rule} {rows:,}" for rule, rows in done.reasons.items())
        lines.append(f"not exported    {counts}    {out}/{NOT_EXPORTED}")
        lines += [f"  {problem.id}: {problem}" for problem in done.problems]
    command = f": {done.opening.command}" if done.opening.command else ""
    opened = re.sub(r"\bOUT\b", lambda _: out, f"{done.opening.text}{command}")
    lines.append(f"-> {out}    {opened}")
    return "\n".join(lines)
