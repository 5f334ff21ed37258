"""A validation's result as a page and in a notebook."""

from __future__ import annotations

from pathlib import Path

from tests.vlmdata.pages import taken
from vlmdata.record import Problem
from vlmdata.reports.html import html_page, notebook_html
from vlmdata.validation_result import Target, ValidationResult

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def result(count: int = 3, message: str = "is empty") -> ValidationResult:
    problems = tuple(
        Problem(rule="text.empty", message=f"{message} {number}", source=f"{HOSTILE}.csv", line=number + 1, id=HOSTILE)
        for number in range(count)
    )
    odd = Problem(rule="images.gps", message=message, severity="warning")
    counts = {("text.empty", "error"): count * 10, ("images.gps", "warning"): 1}
    target = Target(
        path=f"data/{HOSTILE}",
        kind="dataset",
        records=1_234,
        images=2_000,
        splits={"train": 1_000, HOSTILE: 234},
        problems=(*problems, odd),
        counts=counts,  # type: ignore[arg-type]
    )
    return ValidationResult(targets=(target,))


def test_the_page_of_a_result_has_the_verdict_the_counts_and_the_problems() -> None:
    page = taken(html_page(result()))
    assert "Failed" in page.text
    assert "1,234 records and 2,000 images looked at: 30 errors, 1 warning. It failed: 30 errors." in page.text
    assert "is empty 2" in page.text
    assert page.tags["article"] == 4
    assert page.tags["script"] == 1
    assert HOSTILE in page.text


def test_the_page_of_many_findings_stays_small_and_says_how_many_there_are() -> None:
    page = html_page(result(90_000, "&" * 5_000))
    assert len(page.encode()) < 5_000_000
    assert "26 of 900,001 findings, at most 25 of each rule." in taken(page).text


def test_a_result_without_findings_passes(tmp_path: Path) -> None:
    clean = ValidationResult(targets=(Target(path=tmp_path.name, kind="dataset", records=1),))
    page = taken(html_page(clean))
    assert "Passed" in page.text
    assert "1 record and 0 images looked at: nothing wrong was found." in page.text


def test_a_notebook_shows_counts_and_first_problems_without_a_script() -> None:
    shown = taken(notebook_html(result()))
    assert shown.tags["script"] == 0
    assert "text.empty" in shown.text
    assert "is empty 0" in shown.text
    assert "30 errors" in shown.text
    assert result()._repr_html_() == notebook_html(result())
