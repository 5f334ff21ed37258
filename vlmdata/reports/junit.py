"""A validation's result as JUnit XML, which Jenkins, GitLab and most CI dashboards show as tests.

A target is a test suite and a rule is a test case: one that found nothing has passed, one whose findings count against
the target has failed, and what the settings leave out is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vlmdata.record import Problem, Severity
from vlmdata.reports.places import Places
from vlmdata.reports.ranking import findable_rules
from vlmdata.validation_result import Target, ValidationResult

EXAMPLES = 10
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(result: ValidationResult, *, folder: Path | None = None) -> str:
    """The result as XML. `folder` is where the result's paths start: the current one unless given."""
    places = Places.around(folder or Path.cwd())
    root = Element("testsuites", {"name": "vlmdata validate"})
    for target in result.targets:
        root.append(_suite(target, places))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{declaration}\n{ElementTree.tostring(root, encoding='unicode')}"


def _suite(target: Target, places: Places) -> Element:
    path = places.path(target.path)
    suite = Element("testsuite", {"name": xml_text(path)})
    found: dict[str, list[Problem]] = {}
    for problem in target.problems:
        found.setdefault(problem.rule, []).append(problem)
    looked_for = () if target.error else findable_rules()
    rules = sorted({*looked_for, *target.by_rule(), *target.known})
    cases = [_opening(target, path), *(_case(target, rule, path, found.get(rule, [])) for rule in rules)]
    for case in cases:
        case.set("file", xml_text(path))
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    SubElement(suite, "system-out").text = xml_text("\n".join(_said(target)))
    return suite


def _opening(target: Target, path: str) -> Element:
    """The first case: whether the target could be looked at, to its end."""
    case = Element("testcase", {"classname": xml_text(path), "name": "opens"})
    if target.error:
        SubElement(case, "error", {"message": xml_text(target.error), "type": "not validated"})
    return case


def _case(target: Target, rule: str, path: str, found: list[Problem]) -> Element:
    """A rule. What it found is told where that does not stop a pipeline, and the case has passed."""
    case = Element("testcase", {"classname": xml_text(f"{path}.{rule.partition('.')[0]}"), "name": xml_text(rule)})
    errors, warnings = (target.counts.get((rule, severity), 0) for severity in ("error", "warning"))
    told = []
    if (errors and _stops(target, "error")) or (warnings and _stops(target, "warning")):
        failure = {"message": xml_text(f"{errors + warnings:,} {rule}"), "type": "error" if errors else "warning"}
        SubElement(case, "failure", failure).text = _examples(target, found, errors + warnings)
    elif errors or warnings:
        told.append(_examples(target, found, errors + warnings))
    elif not target.settings.wants(rule):
        SubElement(case, "skipped", {"message": "the settings leave this rule out"})
    if target.known.get(rule):
        told.append(f"{target.known[rule]:,} are known from the baseline")
    if told:
        SubElement(case, "system-out").text = "\n".join(told)
    return case


def _stops(target: Target, severity: Severity) -> bool:
    """Whether there are more findings of a severity than the target's settings allow."""
    settings = target.settings
    warnings = 0 if settings.fail_on == "warning" else settings.max_warnings
    most = settings.max_errors if severity == "error" else warnings
    return most is not None and target.count(severity) > most


def _examples(target: Target, found: list[Problem], count: int) -> str:
    """The first problems of a rule, each with its record's id, and how many there are besides."""
    lines = [" ".join(word for word in (problem.id, str(problem)) if word) for problem in found[:EXAMPLES]]
    rest = count - len(lines)
    return xml_text("\n".join([*lines, *([f"… {rest:,} more in {target.path}"] if rest else [])]))


def _said(target: Target) -> Iterator[str]:
    splits = "  ".join(f"{name} {count:,}" for name, count in target.splits.items() if name)
    yield f"{target.kind}: {target.records:,} records, {target.images:,} images    {splits}".rstrip()
    for words in target.not_checked:
        yield f"not checked: {words}"


def xml_text(text: str) -> str:
    """Text that XML 1.0 can hold: characters that it can't stand as their code, such as `\\x00`."""
    return NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
