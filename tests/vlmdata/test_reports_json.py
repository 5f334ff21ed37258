"""The result as JSON for programs, and as GitLab's code quality report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vlmdata.validated import CSV, HOSTILE, hostile, problem, result, target
from vlmdata.check_settings import CheckSettings
from vlmdata.cli import app
from vlmdata.contract import validator
from vlmdata.errors import ConfigError, OutputError
from vlmdata.reports import findings_json, gitlab
from vlmdata.reports.findings import FORMATS, rendered, write_report
from vlmdata.reports.json_output import json_text
from vlmdata.terminal import exit_code_of, printable
from vlmdata.validation_result import Known, ValidationResult


def read(found: ValidationResult) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(findings_json.render(found))
    validator("findings.v1").validate(loaded)
    return loaded


def test_counts_are_exact_where_not_all_problems_are_kept() -> None:
    cut = target(problem(), counts={("images.truncated", "error"): 1204, ("text.empty", "warning"): 3})
    found = read(result(cut))
    assert found["by_rule"] == {"images.truncated": 1204, "text.empty": 3}
    assert (found["errors"], found["warnings"]) == (1204, 3)
    assert found["targets"][0]["counts"][0] == {
        "rule": "images.truncated",
        "severity": "error",
        "count": 1204,
        "kept": 1,
    }


def test_a_problem_names_its_target_its_file_and_what_problem_v1_has() -> None:
    (found,) = read(result(target(problem(field="images[0]", hint="export it again"))))["problems"]
    stated = {key: value for key, value in found.items() if key not in {"target", "file"}}
    validator("problem.v1").validate(stated)
    assert (found["target"], found["file"], found["line"]) == ("recipe.yaml", CSV, 7)


def test_settings_baseline_and_verdict_are_told() -> None:
    checks = CheckSettings(ignore=("text",), severities={"images.truncated": "warning"}, fail_on="warning")
    known = Known(target="recipe.yaml", rule="text.empty", id="sku-9")
    found = read(
        result(target(problem(), settings=checks, known={"text.html": 2}), baseline="known.json", gone=(known,))
    )
    assert found["failed"] is True
    assert found["exit_code"] == 1
    assert found["known"] == 2
    assert found["gone"] == [{"target": "recipe.yaml", "rule": "text.empty", "id": "sku-9", "count": 1}]
    told = found["targets"][0]["settings"]
    assert (told["ignore"], told["severities"], told["fail_on"]) == (
        ["text"],
        {"images.truncated": "warning"},
        "warning",
    )


def test_a_target_s_own_exit_code_is_that_of_its_findings_or_of_its_error() -> None:
    found = read(result(target(problem()), target(path="fine.yaml"), target(path="gone", error="gone", error_code=2)))
    assert [each["exit_code"] for each in found["targets"]] == [1, 0, 2]
    assert found["exit_code"] == 2


def test_hostile_data_and_failed_targets_follow_the_schema() -> None:
    found = read(hostile())
    assert found["targets"][0]["error"] == HOSTILE
    assert read(result(target(error="gone", error_code=2, kind="unknown")))["exit_code"] == 2
    assert read(result())["targets"] == []


def test_the_schema_refuses_a_problem_without_a_rule() -> None:
    loaded = json.loads(findings_json.render(result(target(problem()))))
    del loaded["problems"][0]["rule"]
    assert not validator("findings.v1").is_valid(loaded)


@settings(max_examples=50)
@given(st.text())
def test_json_is_the_same_after_the_terminal_has_made_it_printable(text: str) -> None:
    written = json_text({"text": text})
    assert printable(written) == written
    assert json.loads(written) == {"text": text}
    written.encode()


def test_gitlab_gets_what_it_asks_of_each_entry(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    below = tmp_path / "shop"
    below.mkdir()
    found = result(target(problem(), problem(), problem("text.empty", line=0, severity="warning")))
    entries = json.loads(gitlab.render(found, folder=below))
    assert [entry["severity"] for entry in entries] == ["major", "major", "minor"]
    assert [entry["location"] for entry in entries[1:]] == [
        {"path": f"shop/{CSV}", "lines": {"begin": 7}},
        {"path": f"shop/{CSV}", "lines": {"begin": 1}},
    ]
    assert len({entry["fingerprint"] for entry in entries}) == 3
    assert {"description", "check_name", "fingerprint", "severity", "location"} == entries[0].keys()


def test_gitlab_knows_a_finding_again_on_another_line() -> None:
    first, second = (json.loads(gitlab.render(result(target(problem(line=line))))) for line in (7, 900))
    assert first[0]["fingerprint"] == second[0]["fingerprint"]


@pytest.mark.parametrize("ending", [".json", ".sarif", ".xml", ".txt", ".md", ".html"])
def test_the_ending_of_a_file_says_its_format(ending: str, tmp_path: Path) -> None:
    written = write_report(hostile(), tmp_path / "deep" / f"report{ending}")
    assert written.read_text(encoding="utf-8").strip()


def test_an_unknown_ending_or_format_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report\.pdf: the ending of a report's file says its format: \.txt, \.json"):
        write_report(result(), tmp_path / "report.pdf")
    with pytest.raises(ConfigError, match="did you mean 'sarif'"):
        rendered(result(), "sariff")


def test_a_report_that_cannot_be_written_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match=r"report\.json: the report can't be written"):
        write_report(result(), tmp_path / "a-file" / "report.json")


def test_a_format_that_is_none_is_refused_before_anything_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["--format", "yaml"], ["--report", "x.pdf"]):
        assert exit_code_of(lambda given=arguments: app(["validate", "gone", *given]), name="vlmdata") == 2
        assert "gone" not in capfd.readouterr().err


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_renders_a_clean_and_a_hostile_result(form: str) -> None:
    assert rendered(result(target()), form)
    assert rendered(hostile(), form)
