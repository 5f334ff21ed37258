"""What an editor is given to check a file by, before anything is merged into it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vlmdata.cli import app
from vlmdata.terminal import exit_code_of


@pytest.fixture
def errors(capsys: pytest.CaptureFixture[str]) -> Any:
    assert exit_code_of(lambda: app(["schema", "run.v1"]), name="vlmdata") == 0
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(printed)
    return lambda file: sorted(error.message for error in Draft202012Validator(printed).iter_errors(file))


def test_a_run_file_that_extends_another_may_leave_keys_to_it(errors: Any) -> None:
    assert errors({"extends": "gemma-3-4b", "train": {"epochs": 2, "early_stopping": {}}}) == []
    assert errors({"extends": "gemma-3-4b", "train": {"epoch": 2}}) != [], "a key that is none stays none"


def test_one_that_stands_alone_is_asked_for_all_of_them(errors: Any) -> None:
    needed = ["'base' is a required property", "'output' is a required property", "'path' is a required property"]
    assert errors({"data": {}, "model": {}}) == needed
    assert errors({"extends": None, "data": {}, "model": {}}) == needed
