"""A validation's result as GitLab's Code Quality report, which a merge request shows beside the changed lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmdata.reports.json_output import json_text
from vlmdata.reports.places import Places
from vlmdata.reports.ranking import Finding, findings
from vlmdata.validation_result import ValidationResult

SEVERITIES = {"error": "major", "warning": "minor"}


def render(result: ValidationResult, *, folder: Path | None = None) -> str:
    """The problems that are kept, in the order they were found, as JSON."""
    places = Places.around(folder or Path.cwd())
    return json_text([_entry(each, places.path(each.place)) for each in findings(result)])


def _entry(finding: Finding, path: str) -> dict[str, Any]:
    """GitLab asks each entry for a line, so that a problem without one stands at the first."""
    problem = finding.problem
    words = ": ".join(word for word in (problem.id, problem.field, problem.message) if word)
    return {
        "description": f"{words}; {problem.hint}" if problem.hint else words,
        "check_name": problem.rule,
        "fingerprint": finding.fingerprint,
        "severity": SEVERITIES[problem.severity],
        "location": {"path": path, "lines": {"begin": max(problem.line, 1)}},
    }
