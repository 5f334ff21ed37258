"""Annotations and the step summary: nothing in data is a command, a link or markup, and the worst is shown."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.vlmdata.validated import CSV, HOSTILE, hostile, problem, result, target
from vlmdata.reports import github, step_summary
from vlmdata.reports.findings import add_step_summary
from vlmdata.validation_result import ValidationResult

COMMAND = re.compile(r"::(?P<name>\w+)( (?P<properties>[^:]*))?::(?P<message>.*)")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def commands(found: ValidationResult, folder: Path) -> list[tuple[str, dict[str, str], str]]:
    """The commands as GitHub's runner reads them: line by line, then unescaped."""
    read = []
    for line in github.render(found, folder=folder).splitlines():
        matched = COMMAND.fullmatch(line)
        assert matched is not None, line
        pairs = [pair.split("=", 1) for pair in (matched["properties"] or "").split(",") if pair]
        read.append((matched["name"], {key: unquote(value) for key, value in pairs}, unquote(matched["message"])))
    return read


def test_a_problem_is_an_annotation_at_its_file_and_line(repository: Path) -> None:
    below = repository / "shop"
    below.mkdir()
    (name, properties, message), _ = commands(result(target(problem(field="images[0]", hint="export it again"))), below)
    assert name == "error"
    assert properties == {"file": f"shop/{CSV}", "line": "7", "title": "images.truncated"}
    assert message == "sku-1: images[0]: is truncated; export it again"


def test_a_problem_without_a_line_names_no_line(repository: Path) -> None:
    (_, properties, _), _ = commands(result(target(problem(line=0))), repository)
    assert "line" not in properties


def test_a_file_outside_the_repository_is_not_named_as_one_of_its_files(repository: Path) -> None:
    (_, properties, _), _ = commands(result(target(problem(), sources={"products.csv": "../x.csv"})), repository)
    assert "file" not in properties


def test_hostile_data_makes_no_second_command(repository: Path) -> None:
    found = commands(hostile(), repository)
    assert [name for name, _, _ in found] == ["error", "error", "warning", "notice"]
    (message,) = [message for _, properties, message in found if properties.get("title") == "text.html"]
    assert "%0A::error::x\r\n::add-mask::y" in message


@given(st.text(), st.text())
def test_any_text_comes_back_from_a_command_and_ends_no_line(text: str, other: str) -> None:
    line = github.command("error", text, title=f"x{other}")
    assert len(line.splitlines()) == 1
    matched = COMMAND.fullmatch(line)
    assert matched is not None
    assert matched["properties"].count("=") - other.count("=") == 1


def test_ten_errors_and_ten_warnings_are_shown_one_of_each_rule_first_and_the_total_is_told(repository: Path) -> None:
    many = [problem(line=line) for line in range(1, 1205)]
    others = [problem("text.empty"), problem("text.html")]
    warnings = [problem("text.short", severity="warning", line=line) for line in range(1, 30)]
    found = commands(result(target(*many, *others, *warnings)), repository)
    assert [name for name, _, _ in found] == ["error"] * 10 + ["warning"] * 10 + ["notice"]
    assert [properties["title"] for _, properties, _ in found[:4]] == [
        "images.truncated",
        "text.empty",
        "text.html",
        "images.truncated",
    ]
    assert found[0][2].endswith("; 1,203 more of images.truncated")
    assert not found[3][2].endswith("more of images.truncated")
    assert found[-1][2] == "1,206 errors and 29 warnings in 10 records (10 and 10 are shown as annotations)"


def test_a_target_that_could_not_be_looked_at_comes_first(repository: Path) -> None:
    (name, properties, message), *_ = commands(
        result(target(problem()), target(path="b.yaml", error="no such file", error_code=2)), repository
    )
    assert (name, properties["file"], message) == ("error", "b.yaml", "no such file")


def test_a_clean_result_says_so_in_a_notice_alone(repository: Path) -> None:
    ((name, _, message),) = commands(result(target()), repository)
    assert name == "notice"
    assert message.startswith("0 errors and 0 warnings in 10 records")


def html_of(found: ValidationResult) -> str:
    return MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(step_summary.render(found))


def test_the_summary_has_totals_rules_splits_and_first_examples() -> None:
    found = result(target(*[problem(line=line) for line in range(1, 1205)]), baseline="known.json")
    page = html_of(found)
    assert "vlmdata validate: failed" in page
    assert "1,204 errors, 0 warnings" in page
    assert '<td style="text-align:right">1,204</td>' in page
    assert "<td>train</td>" in page
    assert "products" not in page
    assert "süß 100% #1,x:y.csv:1 sku-1" in page
    assert page.count("<tr>") < 40


def test_markup_in_data_is_text_in_the_summary() -> None:
    page = html_of(hostile())
    assert "<script" not in page
    assert "<a " not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in page
    assert "<code>" not in page
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    widths = {len(re.findall(r"<t[dh]", row)) for row in rows}
    assert widths <= {2, 3, 4}
    assert "a | b `c`" in page


def test_a_clean_summary_has_no_empty_tables() -> None:
    text = step_summary.render(result(target(splits={"": 3})))
    assert "passed" in text
    assert "what it finds" not in text
    assert "| split |" not in text


def test_the_summary_is_added_to_what_the_step_has_written(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("# earlier\n", encoding="utf-8")
    add_step_summary(hostile(), {"GITHUB_STEP_SUMMARY": str(file)})
    add_step_summary(hostile(), {})
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# earlier\n## vlmdata validate: failed")
    assert text.count("## vlmdata validate") == 1


def test_the_summary_stays_under_githubs_megabyte() -> None:
    many = [problem(f"text.r{rule}", message=HOSTILE * 50, id=HOSTILE * 50) for rule in range(300)]
    targets = [target(*many, path=HOSTILE * 20 + str(number)) for number in range(100)]
    assert len(step_summary.render(result(*targets)).encode()) < 2**20
