"""A validation's result: as plain data, and as lines for a terminal."""

from __future__ import annotations

from typing import Any

from vlmdata.record import problem_dict
from vlmdata.validation import ValidationResult

SHOWN = 50


def as_dict(found: ValidationResult) -> dict[str, Any]:
    """The result as plain data."""
    return {
        "path": found.path.as_posix(),
        "records": found.records,
        "images": found.images,
        "splits": dict(found.splits),
        "by_rule": found.by_rule(),
        "problems": [problem_dict(problem) for problem in found.problems],
    }


def terminal_text(found: ValidationResult) -> str:
    """One line for each problem, at most 50, then the counts."""
    lines = [str(problem) for problem in found.problems[:SHOWN]]
    if len(found.problems) > SHOWN:
        lines.append(f"… {len(found.problems) - SHOWN:,} more; --format json has them all")
    splits = "  ".join(f"{name} {count:,}" for name, count in found.splits.items())
    lines.append(f"{found.path.as_posix()}    {found.records:,} records, {found.images:,} images    {splits}")
    rules = "   ".join(f"{rule} {count:,}" for rule, count in found.by_rule().items())
    lines.append(f"found    {rules}" if rules else "nothing wrong was found")
    return "\n".join(lines)
