"""The pages that are made from the code are those of the code as it is, and the Python page names all of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import pytest

import vlmdata
import vlmtrain
from tests.docs import references
from tests.docs.pages import DOCS

MADE = {"command-line.md": references.command_line, "settings.md": references.settings}


@pytest.mark.parametrize("name", MADE)
def test_a_page_that_is_made_from_the_code_is_current(
    name: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    make: Callable[[], str] = MADE[name]
    if pytestconfig.getoption("--rewrite-docs", default=False):
        (DOCS / name).write_text(make(), encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == make(), "pytest tests/docs --rewrite-docs writes it"


@pytest.mark.parametrize("package", [vlmdata, vlmtrain], ids=lambda package: package.__name__)
def test_the_python_page_has_every_name_of_the_api_and_no_other(package: ModuleType) -> None:
    page = (DOCS / "python-api.md").read_text(encoding="utf-8")
    documented = re.findall(rf"auto\w+:: {package.__name__}\.(\w+)", page)
    assert sorted(documented) == sorted(set(package.__all__) - {"__version__"})


def test_every_command_stands_on_the_page_of_commands() -> None:
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    for command in ("vlmdata build", "vlmdata validate", "vlmtrain sft", "vlmtrain eval"):
        assert f"### `{command}`" in page


def test_no_command_is_told_in_half_a_sentence() -> None:
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\* `\w+`: (.*)$", page, re.MULTILINE)
    assert len(listed) > 20
    assert [words for words in listed if not words.endswith(".") or words.endswith("...")] == []
