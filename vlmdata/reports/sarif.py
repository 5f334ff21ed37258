"""A validation's result as SARIF 2.1.0, which GitHub's code scanning and many editors read.

Property names are those of the standard (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). GitHub
refuses a run of more than 25,000 results and shows 5,000 of them, so the worst come first, spread over their rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlmdata.record import Problem
from vlmdata.reports.json_output import json_text
from vlmdata.reports.places import Places
from vlmdata.reports.ranking import Finding, findable_rules, findings, worst_first
from vlmdata.rules import Rule, built_in_rules
from vlmdata.validation_result import ValidationResult
from vlmdata.version import __version__

MOST_RESULTS = 25_000
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "vlmdataFinding/v1"
LINK = re.compile(r"\[(?=[^\[\]]*\]\()")
PLACEHOLDER = re.compile(r"\{(\d+)\}")


def render(result: ValidationResult, *, folder: Path | None = None) -> str:
    """The result as a SARIF log. `folder` is where the result's paths start: the current one unless given."""
    return json_text(sarif_log(result, Places.around(folder or Path.cwd())))


def sarif_log(result: ValidationResult, places: Places) -> dict[str, Any]:
    """The log as plain data."""
    kept = worst_first(findings(result))[:MOST_RESULTS]
    rules = _rules([each.problem for each in kept])
    numbers = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [_result(each, places, numbers[each.problem.rule]) | _baseline_state(result) for each in kept]
    driver = {"name": "vlmdata", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "vlmdata/"},
        "invocations": [_invocation(result, places, len(kept))],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """The rulebook's rules, and those of plug-ins that found something."""
    known = findable_rules()
    strangers = sorted({problem.rule for problem in problems} - known.keys())
    return [_described(rule) for rule in known.values()] + [{"id": name} for name in strangers]


def _described(rule: Rule) -> dict[str, Any]:
    page = f"docs/rules/{rule.id}.md" if rule.id in built_in_rules() else ""
    told = f"Why: {rule.why}\nWhat to do: {rule.fix}\nMore: vlmdata rule {rule.id}"
    shown = f"**Why:** {rule.why}\n\n**What to do:** {rule.fix}\n\nMore: `vlmdata rule {rule.id}`"
    tags = [rule.family, "preview"] if rule.preview else [rule.family]
    return {
        "id": rule.id,
        "shortDescription": {"text": _plain(rule.summary)},
        "fullDescription": {"text": _plain(f"{rule.summary} {rule.why}")},
        "help": {
            "text": _plain(f"{told}, or {page}" if page else told),
            "markdown": f"{shown}, or `{page}`" if page else shown,
        },
        "defaultConfiguration": {"enabled": not rule.preview, "level": rule.severity},
        "properties": {"tags": tags, "problem.severity": rule.severity},
    }


def _result(finding: Finding, places: Places, rule_index: int) -> dict[str, Any]:
    problem = finding.problem
    stated = {"id": problem.id, "field": problem.field, "hint": problem.hint, "target": finding.target.path}
    return {
        "ruleId": problem.rule,
        "ruleIndex": rule_index,
        "level": problem.severity,
        "message": {"text": _plain("; ".join(word for word in (problem.message, problem.hint) if word))},
        "locations": [_location(finding, places)],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {name: value for name, value in stated.items() if value},
    }


def _baseline_state(result: ValidationResult) -> dict[str, str]:
    """What the baseline knows is not among the problems, so that all that are there are new."""
    return {"baselineState": "new"} if result.baseline else {}


def _location(finding: Finding, places: Places) -> dict[str, Any]:
    problem = finding.problem
    physical: dict[str, Any] = {"artifactLocation": _artifact(finding.place, places)}
    if problem.line:
        physical["region"] = {"startLine": problem.line}
    logical = []
    if problem.id:
        logical.append({"name": problem.id, "kind": "record"})
    if problem.field:
        full = f"{problem.id}/{problem.field}" if problem.id else problem.field
        logical.append({"name": problem.field, "fullyQualifiedName": full, "kind": "field"})
    return {"physicalLocation": physical} | ({"logicalLocations": logical} if logical else {})


def _artifact(place: str, places: Places) -> dict[str, str]:
    uri = {"uri": places.uri(place)}
    return uri | {"uriBaseId": "%SRCROOT%"} if places.is_inside(place) else uri


def _invocation(result: ValidationResult, places: Places, shown: int) -> dict[str, Any]:
    """How it went, and what a reader of the results alone would not know."""
    notes = [_note(f"{result.errors:,} errors and {result.warnings:,} warnings were found; {shown:,} stand here")]
    if result.baseline:
        notes.append(_note(f"{result.known:,} more are known from {result.baseline}; {len(result.gone):,} are gone"))
    for target in result.targets:
        at = [{"physicalLocation": {"artifactLocation": _artifact(target.path, places)}}]
        notes += [_note(f"not checked: {words}") | {"locations": at} for words in target.not_checked]
        if target.error:
            notes.append(_note(target.error, "error") | {"locations": at})
    return {
        "executionSuccessful": not any(target.error for target in result.targets),
        "exitCode": result.exit_code,
        "exitCodeDescription": _plain(result.reason() or "nothing stops a pipeline"),
        "toolExecutionNotifications": notes,
    }


def _note(text: str, level: str = "note") -> dict[str, Any]:
    return {"level": level, "message": {"text": _plain(text)}}


def _plain(text: str) -> str:
    """Text from data, so that none of it reads as one of SARIF's placeholders `{0}` or links `[words](address)`."""
    return LINK.sub(r"\\[", PLACEHOLDER.sub(r"{{\1}}", text))
