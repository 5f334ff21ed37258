"""A validation's result as JSON for programs: `schemas/findings.v1.json` says what each key means."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from vlmdata.check_settings import CheckSettings
from vlmdata.record import problem_dict
from vlmdata.reports.json_output import json_text
from vlmdata.validation_result import Known, Target, ValidationResult, as_dict
from vlmdata.version import __version__


def render(result: ValidationResult) -> str:
    """The result as JSON."""
    return json_text(findings(result))


def findings(result: ValidationResult) -> dict[str, Any]:
    """The result as plain data, as findings.v1 has it: exact counts, and the problems that are kept."""
    return {
        "format": "findings.v1",
        "vlmdata": __version__,
        "exit_code": result.exit_code,
        "failed": result.failed(),
        "reason": result.reason(),
        **as_dict(result),
        "baseline": result.baseline,
        "gone": [_known(known) for known in result.gone],
        "targets": [_target(target) for target in result.targets],
        "problems": [
            {"target": target.path, "file": target.place(problem), **problem_dict(problem)}
            for target, problem in result.found()
        ],
    }


def _settings(settings: CheckSettings) -> dict[str, Any]:
    return {
        "select": list(settings.select),
        "ignore": list(settings.ignore),
        "preview": settings.preview,
        "severities": dict(settings.severities),
        "thresholds": {rule: dict(values) for rule, values in settings.thresholds.items()},
        "fail_on": settings.fail_on,
        "max_errors": settings.max_errors,
        "max_warnings": settings.max_warnings,
    }


def _target(target: Target) -> dict[str, Any]:
    kept = Counter((problem.rule, problem.severity) for problem in target.problems)
    return {
        "path": target.path,
        "kind": target.kind,
        "named_by": list(target.named_by),
        "rows": target.rows,
        "records": target.records,
        "images": target.images,
        "splits": dict(target.splits),
        "counts": [
            {"rule": rule, "severity": severity, "count": count, "kept": kept[rule, severity]}
            for (rule, severity), count in sorted(target.counts.items())
        ],
        "known": dict(target.known),
        "not_checked": list(target.not_checked),
        "error": target.error,
        "exit_code": target.exit_code,
        "reason": target.reason(),
        "settings": _settings(target.settings),
    }


def _known(known: Known) -> dict[str, Any]:
    return {name: value for name, value in asdict(known).items() if value != ""}
