"""JUnit XML as Jenkins and GitLab read it: its shape, its counts, and data that XML can't hold."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmdata.validated import HOSTILE, hostile, problem, result, target
from vlmdata.check_settings import CheckSettings
from vlmdata.reports import junit
from vlmdata.reports.ranking import findable_rules
from vlmdata.validation_result import ValidationResult

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out", "system-err"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
    "failure": set(),
    "error": set(),
    "skipped": set(),
    "system-out": set(),
}
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "testcase": {"name", "classname", "file"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
"""What the schema of Jenkins' xUnit plug-in and GitLab's reader know, as far as it is used here."""


def read(found: ValidationResult) -> Element:
    """The report parsed back, its shape and counts held against what dashboards ask for."""
    root = ElementTree.fromstring(junit.render(found, folder=Path("/nowhere")).encode())
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN[element.tag]
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
    for suite in root:
        cases = suite.findall("testcase")
        assert all(case.get("name") and case.get("classname") for case in cases)
        assert int(suite.attrib["tests"]) == len(cases)
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[count]) == len(suite.findall(f"testcase/{tag}"))
    for count in ("tests", "failures", "errors", "skipped"):
        assert int(root.attrib[count]) == sum(int(suite.attrib[count]) for suite in root)
    return root


def case_of(root: Element, rule: str) -> Element:
    (case,) = [case for case in root.iter("testcase") if case.get("name") == rule]
    return case


def test_every_rule_of_a_clean_target_has_passed_or_is_left_out() -> None:
    root = read(result(target()))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["opens", *findable_rules()]
    assert (root.get("failures"), root.get("errors")) == ("0", "0")


def test_a_rule_that_found_something_fails_with_its_count_and_first_examples() -> None:
    many = [problem(line=line, id=f"sku-{line}") for line in range(1, 1205)]
    root = read(result(target(*many)))
    failure = case_of(root, "images.truncated").find("failure")
    assert failure is not None
    assert failure.get("message") == "1,204 images.truncated"
    assert failure.text is not None
    lines = failure.text.splitlines()
    assert lines[0].startswith("sku-1 products.csv:1: is truncated")
    assert len(lines) == junit.EXAMPLES + 1
    assert lines[-1] == "… 1,194 more in recipe.yaml"


def test_warnings_fail_only_where_they_stop_a_pipeline() -> None:
    warned = problem("text.empty", severity="warning")
    told = case_of(read(result(target(warned))), "text.empty")
    assert told.find("failure") is None
    assert "is truncated" in (told.findtext("system-out") or "")
    for strict in (CheckSettings(fail_on="warning"), CheckSettings(max_warnings=0)):
        assert case_of(read(result(target(warned, settings=strict))), "text.empty").find("failure") is not None
    lenient = CheckSettings(max_errors=1)
    assert case_of(read(result(target(problem(), settings=lenient))), "images.truncated").find("failure") is None


def test_a_report_fails_just_where_the_command_does() -> None:
    for found in (result(target()), result(target(problem())), result(target(problem(severity="warning")))):
        assert bool(int(read(found).attrib["failures"])) == found.failed()


def test_what_the_settings_leave_out_is_skipped() -> None:
    root = read(result(target(settings=CheckSettings(ignore=("text.empty",)))))
    assert case_of(root, "text.empty").find("skipped") is not None


def test_a_target_that_did_not_open_is_an_error_and_no_rule_of_it_has_passed() -> None:
    root = read(result(target(error="x.yaml: no such file", error_code=2), target(path="other.yaml")))
    first, second = root
    assert [case.get("name") for case in first.findall("testcase")] == ["opens"]
    error = first.find("testcase/error")
    assert error is not None
    assert error.get("message") == "x.yaml: no such file"
    assert len(second.findall("testcase")) == 1 + len(findable_rules())


def test_findings_that_the_baseline_knows_are_told_and_have_passed() -> None:
    case = case_of(read(result(target(known={"text.empty": 12}), baseline="known.json")), "text.empty")
    assert case.find("failure") is None
    assert case.findtext("system-out") == "12 are known from the baseline"


def test_what_was_not_looked_at_is_said() -> None:
    root = read(result(target(not_checked=("12 images behind addresses; --allow-network fetches them",))))
    assert "not checked: 12 images behind addresses" in (root.findtext("testsuite/system-out") or "")


def test_hostile_data_is_text_and_what_xml_cannot_hold_stands_as_its_code() -> None:
    root = read(hostile())
    failure = case_of(root, "text.html").find("failure")
    assert failure is not None
    assert "<script>" in (failure.text or "")
    assert r"\x00" in (failure.text or "")
    assert r"\ud800" in (failure.text or "")
    assert root.find(".//script") is None
    assert HOSTILE[0] == "a"


@settings(max_examples=20)
@given(st.text(), st.text(min_size=1))
def test_any_text_gives_xml_that_parses(text: str, other: str) -> None:
    made = problem(other, message=other, id=text, field=text, source=text, hint=text)
    read(result(target(made, sources={}, path=f"p{text}", not_checked=(text,), error=text)))
