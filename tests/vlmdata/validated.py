"""Results of validations as the tests of reports need them: made by hand, with what data can hold at its worst."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vlmdata.record import Problem
from vlmdata.validation_result import Target, ValidationResult

HOSTILE = (
    'a | b `c` <script>alert("1")</script> [x](http://e.vil) {0} %0A::error::x\r\n::add-mask::y\x1b[31m\x00\ud800 @you'
)
CSV = "data/süß 100% #1,x:y.csv"


def problem(rule: str = "images.truncated", **stated: Any) -> Problem:
    """A problem at a line, unless told otherwise."""
    known = {"message": "is truncated", "source": "products.csv", "line": 7, "id": "sku-1"}
    return Problem(**(known | {"rule": rule} | stated))


def target(*problems: Problem, **stated: Any) -> Target:
    """A target with these problems, counted."""
    counts = Counter((each.rule, each.severity) for each in problems)
    known = {"path": "recipe.yaml", "kind": "recipe", "records": 10, "images": 12, "splits": {"train": 8, "test": 2}}
    sources = {"sources": {"products.csv": CSV}}
    return Target(**(known | sources | {"problems": problems, "counts": dict(counts)} | stated))


def result(*targets: Target, **stated: Any) -> ValidationResult:
    """The result of validating these targets."""
    return ValidationResult(targets=targets, **stated)


def hostile() -> ValidationResult:
    """A result in which everything that comes from data is hostile."""
    bad = problem("text.html", message=HOSTILE, id=HOSTILE, field=HOSTILE, hint=HOSTILE)
    return result(target(bad, problem(severity="warning"), error=HOSTILE, not_checked=(HOSTILE,), splits={HOSTILE: 3}))
