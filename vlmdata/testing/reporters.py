"""Whether a rendering of a validation's result does what its Protocol says, whatever stands in the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmdata.protocols import Reporter
from vlmdata.record import Problem
from vlmdata.testing.conformance import attempted, refuse, shortened
from vlmdata.validation_result import Target, ValidationResult

HOSTILE = "</script><script>alert(1)</script> ]]> \x1b[2J\x07 %0A::error::forged \u202e"


def conforms_reporter(reporter: Reporter, results: Sequence[ValidationResult] = ()) -> None:
    """Hold a Reporter of validations to its Protocol. Raises ConformanceError with everything that does not hold.

    It is shown empty results, and findings whose every word is hostile; `results` are more of one's own. Control
    characters are escaped where the text is printed.
    """
    refuse(reporter, _faults(reporter, (*results, *_results())))


def _faults(reporter: Reporter, results: Sequence[ValidationResult]) -> Iterator[str]:
    for result in results:
        before = repr(result)
        text: object = attempted(lambda each=result: reporter(each), "for a result")  # type: ignore[misc]
        if not isinstance(text, str):
            yield f"gives {shortened(text)}, expected text"
            return
        if repr(result) != before:
            yield "changes the result"
        if reporter(result) != text:
            yield "gives another text for the same result the second time"
        if "<script>alert" in text and text.lstrip().lower().startswith(("<!doctype html", "<html")):
            yield "lets a tag of the data into HTML"
        for problem in result.problems:
            if not all(word in text for word in problem.rule.split(".")):  # Markdown may escape the dot
                yield f"does not name the rule {problem.rule} that found something"


def _results() -> tuple[ValidationResult, ...]:
    hostile = Problem(
        rule="images.missing", message=HOSTILE, source=HOSTILE, line=3, field=HOSTILE, hint=HOSTILE, id=HOSTILE
    )
    half = Problem(rule="text.html", message="half a character: \ud800", id="\ud800", severity="warning")
    bare = Problem(rule="text.html", message="found nothing", severity="warning")
    return (
        ValidationResult(targets=()),
        ValidationResult(targets=(_target(),)),
        ValidationResult(targets=(_target(bare),)),
        ValidationResult(targets=(_target(hostile, half), _target(error=HOSTILE))),
    )


def _target(*problems: Problem, error: str = "") -> Target:
    counts = {(problem.rule, problem.severity): 1 for problem in problems}
    path = f"shop{HOSTILE}" if problems else "shop"
    return Target(
        path=path, kind="dataset", records=2, splits={"train": 2}, problems=problems, counts=counts, error=error
    )
