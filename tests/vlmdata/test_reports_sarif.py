"""SARIF as the standard's own schema has it, within GitHub's limits, and the same finding known from run to run."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tests.vlmdata.validated import CSV, HOSTILE, hostile, problem, result, target
from vlmdata.reports import sarif
from vlmdata.reports.places import Places
from vlmdata.reports.ranking import findable_rules
from vlmdata.rules import rulebook
from vlmdata.validation_result import Known, ValidationResult

SCHEMA = Path(__file__).parent.parent / "schemas" / "sarif-2.1.0.json"


@cache
def official() -> Draft7Validator:
    """The standard's schema, with what Errata 01 adds of regions: they begin somewhere."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["definitions"]["region"]["anyOf"] = [
        {"required": [name]} for name in ("startLine", "charOffset", "byteOffset")
    ]
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def run_of(found: ValidationResult, folder: Path) -> dict[str, Any]:
    log = json.loads(sarif.render(found, folder=folder))
    official().validate(log)
    (run,) = log["runs"]
    return dict(run)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_a_result_follows_the_official_schema(repository: Path) -> None:
    run = run_of(result(target(problem(), problem("text.empty", severity="warning"))), repository)
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("images.truncated", "error"),
        ("text.empty", "warning"),
    ]


def test_hostile_data_follows_the_official_schema_too(repository: Path) -> None:
    run = run_of(hostile(), repository)
    (result_,) = [each for each in run["results"] if each["ruleId"] == "text.html"]
    assert "{0}" not in result_["message"]["text"].replace("{{0}}", "")
    assert r"\[x](" in result_["message"]["text"]
    assert result_["properties"]["id"] == HOSTILE


def test_the_schema_refuses_what_is_not_sarif() -> None:
    assert not official().is_valid({"version": "2.1.0", "runs": [{"results": []}]})


def test_every_rule_of_the_rulebook_is_described_and_a_result_points_at_its_own(repository: Path) -> None:
    run = run_of(result(target(problem("text.empty"), problem("plug_in.own"))), repository)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*findable_rules(), "plug_in.own"]
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
    (empty,) = [rule for rule in rules if rule["id"] == "text.empty"]
    known = rulebook()["text.empty"]
    assert known.summary in empty["shortDescription"]["text"]
    assert known.fix in empty["help"]["markdown"]
    assert empty["defaultConfiguration"]["level"] == known.severity


def test_a_place_is_relative_to_the_repository_and_percent_encoded(repository: Path) -> None:
    below = repository / "shop"
    below.mkdir()
    (found,) = run_of(result(target(problem())), below)["results"]
    (location,) = found["locations"]
    artifact = location["physicalLocation"]["artifactLocation"]
    assert unquote(artifact["uri"]) == f"shop/{CSV}"
    assert not set(artifact["uri"]) & set(" #,:ü")
    assert artifact["uriBaseId"] == "%SRCROOT%"
    assert location["physicalLocation"]["region"] == {"startLine": 7}


def test_a_problem_without_a_line_has_no_region(repository: Path) -> None:
    (found,) = run_of(result(target(problem(line=0, source=""))), repository)["results"]
    (location,) = found["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "recipe.yaml", "uriBaseId": "%SRCROOT%"},
    }


def test_record_and_field_are_logical_locations(repository: Path) -> None:
    (found,) = run_of(result(target(problem(field="images[0]"))), repository)["results"]
    record, field = found["locations"][0]["logicalLocations"]
    assert (record["name"], record["kind"]) == ("sku-1", "record")
    assert (field["fullyQualifiedName"], field["kind"]) == ("sku-1/images[0]", "field")


def test_a_finding_is_known_again_on_another_line_and_not_on_another_field(repository: Path) -> None:
    def fingerprint(**stated: Any) -> str:
        (found,) = run_of(result(target(problem(**stated))), repository)["results"]
        return str(found["partialFingerprints"][sarif.FINGERPRINT])

    assert fingerprint(line=7) == fingerprint(line=900, message="is truncated otherwise")
    assert fingerprint() != fingerprint(field="images[1]")
    assert fingerprint() != fingerprint(id="sku-2")


def test_no_two_results_share_a_fingerprint(repository: Path) -> None:
    found = run_of(result(target(problem(), problem(), problem(line=9))), repository)["results"]
    assert len({each["partialFingerprints"][sarif.FINGERPRINT] for each in found}) == 3


def test_over_the_limit_the_worst_are_kept_spread_over_the_rules_and_the_total_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 6)
    many = [problem(line=line) for line in range(1, 100)]
    few = [problem("text.empty"), problem("text.html"), problem("text.short", severity="warning")]
    run = run_of(result(target(*many, *few)), repository)
    kept = [each["ruleId"] for each in run["results"]]
    assert kept == ["images.truncated", "text.empty", "text.html", *["images.truncated"] * 3]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "101 errors and 1 warnings" in note["message"]["text"]
    assert "6 stand here" in note["message"]["text"]


def test_a_run_holds_no_more_than_github_takes(repository: Path) -> None:
    many = [problem(id=f"sku-{number}", line=number) for number in range(1, 25_002)]
    log = json.loads(sarif.render(result(target(*many)), folder=repository))
    assert len(log["runs"][0]["results"]) == 25_000


def test_where_a_baseline_is_used_what_is_left_is_new(repository: Path) -> None:
    gone = (Known(target="recipe.yaml", rule="text.empty"),)
    run = run_of(result(target(problem(), known={"text.html": 4}), baseline="known.json", gone=gone), repository)
    assert [each["baselineState"] for each in run["results"]] == ["new"]
    told = " ".join(note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"])
    assert "4 more are known from known.json; 1 are gone" in told
    assert "baselineState" not in run_of(result(target(problem())), repository)["results"][0]


def test_a_target_that_could_not_be_looked_at_is_an_error_of_the_run(repository: Path) -> None:
    run = run_of(result(target(error="recipe.yaml: no such file", error_code=2)), repository)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 2
    assert [note["level"] for note in invocation["toolExecutionNotifications"]] == ["note", "error"]


def test_findings_alone_are_a_run_that_succeeded(repository: Path) -> None:
    (invocation,) = run_of(result(target(problem())), repository)["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)


def test_a_path_outside_the_repository_is_not_made_relative(repository: Path) -> None:
    places = Places.around(repository)
    assert places.path("../other/x.csv") == "../other/x.csv"
    assert places.uri("/data/a b.csv") == "file:///data/a%20b.csv"
    assert places.path(str(repository / "x.csv")) == "x.csv"


@settings(max_examples=20)
@given(st.text(), st.text(min_size=1), st.integers(0, 10**9))
def test_any_text_gives_valid_sarif(text: str, other: str, line: int) -> None:
    made = problem(message=other, id=text, field=text, source=text, line=line)
    run_of(result(target(made, sources={text: other})), Path("/nowhere"))
