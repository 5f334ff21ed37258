"""What docs/validating.md and docs/ci.md say is what happens: commands, settings, and files of CI systems."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlmdata.cli import app
from vlmdata.reports.findings import ENDINGS, FORMATS
from vlmdata.terminal import exit_code_of

pytestmark = pytest.mark.long
ROOT = Path(__file__).parent.parent.parent
VALIDATING, CI = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("validating.md", "ci.md"))
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def commands(text: str) -> list[str]:
    """Every `vlmdata validate` that stands in a block of any kind."""
    found = re.findall(
        r"^[ \t]*(?:- run: |- |\.venv/bin/)?(vlmdata validate .*)$", "\n".join(blocks(text, r"\w*")), re.M
    )
    assert found
    return [str(command) for command in found]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample catalog in a repository of its own, as the pages have it."""
    shutil.copytree(ROOT / "samples" / "catalog", tmp_path / "catalog")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def run(command: str) -> int:
    words = shlex.split(command.partition(" > ")[0])
    return exit_code_of(lambda: app(words[1:]), name="vlmdata")


@pytest.mark.usefixtures("repository")
def test_the_first_command_prints_what_the_page_shows(capfd: pytest.CaptureFixture[str]) -> None:
    (shown, *_) = blocks(VALIDATING, "text")
    assert run("vlmdata validate catalog/recipe.yaml") == 1
    assert capfd.readouterr().out == shown


@pytest.mark.usefixtures("repository")
def test_a_baseline_works_as_the_page_says(capfd: pytest.CaptureFixture[str]) -> None:
    (block,) = [each for each in blocks(VALIDATING, "bash") if "--write-baseline" in each]
    assert [run(command) for command in block.splitlines()] == [0, 0]
    assert "2 known" in capfd.readouterr().out


@pytest.mark.parametrize("command", [*commands(VALIDATING), *commands(CI)])
def test_every_command_runs(command: str, repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (repository / "known.json").write_text('{"baseline": 1, "findings": []}', encoding="utf-8")
    code = run(command)
    assert code == (0 if "--write-baseline" in command else 1), capfd.readouterr().err
    for name in re.findall(r"--report (\S+)", command):
        assert (repository / name).stat().st_size
    if "--format gitlab" in command:
        assert json.loads(capfd.readouterr().out)[0]["location"]["path"] == "catalog/products.csv"


def test_the_settings_of_the_page_are_read(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (settings,) = blocks(VALIDATING, "toml")
    (check,) = blocks(VALIDATING, "yaml")
    (repository / "vlmdata.toml").write_text(settings, encoding="utf-8")
    (repository / "shared").mkdir()
    (repository / "shared" / "vlmdata.toml").write_text('ignore = ["images.missing"]\n', encoding="utf-8")
    with (repository / "catalog" / "recipe.yaml").open("a", encoding="utf-8") as recipe:
        recipe.write(f"\n{check}")
    assert run("vlmdata validate catalog/recipe.yaml --format json") == 1
    (target,) = json.loads(capfd.readouterr().out)["targets"]
    assert target["settings"]["ignore"] == ["images.missing", "images.turned", "text.html"]
    assert target["settings"]["severities"] == {"images.too_small": "error", "images.aspect_ratio": "error"}
    assert target["settings"]["max_warnings"] == 20
    assert [each["rule"] for each in target["counts"]] == ["images.truncated"]


@pytest.mark.usefixtures("repository")
def test_the_python_of_both_pages_runs(capfd: pytest.CaptureFixture[str]) -> None:
    for block in (*blocks(VALIDATING, "python"), *blocks(CI, "python")):
        exec(compile(block.replace("findings.sarif", "findings.json"), "page", "exec"), {})
    assert "catalog/products.csv 113 images.truncated" in capfd.readouterr().out


def test_every_format_and_ending_is_on_the_page() -> None:
    table = VALIDATING[VALIDATING.index("| `--format` | `--report` |") :]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(FORMATS)
    assert set(re.findall(r"^\| `\w+` \| `(\.\w+)` \|", table, re.M)) == set(ENDINGS)


def test_the_hook_that_the_page_names_exists() -> None:
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert set(re.findall(r"- id: ([\w-]*vlmdata[\w-]*)", CI)) == hooks


def test_the_workflow_of_the_page_uses_the_actions_own_inputs_and_outputs() -> None:
    (workflow,) = [yaml.safe_load(block) for block in blocks(CI, "yaml") if "runs-on" in block]
    (used,) = [step for step in workflow["jobs"]["validate"]["steps"] if "vlmdata@" in step.get("uses", "")]
    assert set(used["with"]) <= set(ACTION["inputs"])
    table = CI[CI.index("| input | |") : CI.index("The outputs are")]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.M)) == set(ACTION["inputs"])
    assert set(re.findall(r"steps\.validate\.outputs\.([\w-]+)", CI)) <= set(ACTION["outputs"])


def test_the_files_of_the_page_are_yaml() -> None:
    for block in blocks(CI, "yaml"):
        assert yaml.safe_load(block)
