"""What docs/describing.md says is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.description.catalog import Catalog, photo
from tests.vlmdata.description.servers.gemini import GeminiServer
from vlmdata.cli import app
from vlmdata.rules import rulebook
from vlmdata.terminal import exit_code_of

PAGE = (Path(__file__).parents[3] / "docs" / "describing.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The page's first block of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.mark.usefixtures("key", "fast")
def test_the_recipe_and_the_program_of_the_page_work(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "A chair that a person has described with care, made of solid wood."
    catalog.rows([[f"P{n}", f"Chair {n}", "Maker", f"{n}.png", text if n < 4 else ""] for n in range(9)])
    (catalog.folder / "photos").mkdir()
    for number in range(9):
        (catalog.folder / "photos" / f"{number}.png").write_bytes(photo(number))
    recipe = block("yaml").replace("gemini-2.5-flash", GeminiServer.model)
    (catalog.folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(catalog.folder)
    with GeminiServer() as server:
        monkeypatch.setenv("VLMDATA_DESCRIBE_ENDPOINT", server.url)
        for line in block("bash").splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["vlmdata"]:
                assert exit_code_of(lambda words=words: app(words[1:]), name="vlmdata") == 0, line
        exec(block("python"), {})
        assert server.number == 5
        assert len(server.seen[0].earlier) == 6
    assert capsys.readouterr().out.splitlines()[-1] == "5 Counter() None"
    assert vlmdata.validate("dataset").errors == 0


def test_the_page_names_no_rule_that_is_none() -> None:
    named = set(re.findall(r"`(describe\.[a-z_]+)`", PAGE))
    keys = {"describe.language"}
    assert named - keys <= rulebook().keys()
    assert len(named) > 10


def test_the_page_names_every_key() -> None:
    keys = vlmdata.schema("recipe.v1")["properties"]["describe"]["properties"]
    assert [key for key in keys if f"`{key}" not in PAGE and f"{key}:" not in PAGE] == []
