"""The pre-commit hook and the GitHub Action as they are used: in a repository, with inputs that mean harm too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.vlmdata.shop import RECIPE, Shop, product

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
SHIPPED = ("vlmdata", "vlmtrain", "schemas", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
HOSTILE = (
    "$(touch PWNED)",
    "`touch PWNED`",
    '"; touch PWNED; "',
    "'; touch PWNED; '",
    "a && touch PWNED",
    "${{ github.token }}",
    "--write-baseline=PWNED",
    "*",
    "x\n::add-mask::y\n##[add-mask]z",
)

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
needs_pre_commit = pytest.mark.skipif(
    not (BIN / "pre-commit").is_file(), reason="pre-commit is not installed beside this Python"
)


def git(folder: Path, *arguments: str) -> None:
    """A git command as somebody, whatever the settings of this machine are."""
    somebody = ("user.name=t", "user.email=t@example.org", "commit.gpgsign=false", "init.defaultBranch=main")
    settings = [word for setting in somebody for word in ("-c", setting)]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, timeout=120)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a shop in a folder whose name has a space, and a recipe that finds nothing wrong."""
    (tmp_path / "repository").mkdir()
    shop = Shop(tmp_path / "repository" / "the shop")
    shop.write(product(number) for number in range(4))
    recipe = yaml.safe_dump(RECIPE, sort_keys=False)
    (shop.folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    if shutil.which("git"):
        git(tmp_path / "repository", "init", "--quiet")
    return tmp_path / "repository"


def spoil(repository: Path) -> None:
    """Cut a photo short."""
    photo = repository / "the shop" / "photos" / "1.png"
    photo.write_bytes(photo.read_bytes()[:100])


@dataclass(frozen=True)
class Step:
    """What a step of the action said and left."""

    code: int
    said: str
    outputs: str
    summary: str

    @property
    def commands(self) -> set[str]:
        """The workflow commands that a runner would carry out: `::name` begins a line, the older `##[name]` may stand
        anywhere in a line that is no such command."""
        found = [re.match(r"\s*::([\w-]+)[^\n]*?::", line) or re.search(r"##\[([\w-]+)", line) for line in self.lines]
        return {each[1] for each in found if each}

    @property
    def lines(self) -> list[str]:
        """What was said, line by line."""
        return self.said.splitlines()


def step(name: str, inputs: Mapping[str, str], folder: Path, path: Path = BIN, **more: str) -> Step:
    """Run a step's script with bash, its inputs in the environment as the runner puts them there."""
    (script,) = [each for each in ACTION["runs"]["steps"] if each["name"] == name]
    known = {key: str(entry["default"]) for key, entry in ACTION["inputs"].items()} | dict(inputs)
    given = {f"${{{{ inputs.{key} }}}}": value for key, value in known.items()}
    given |= {"${{ github.action_path }}": str(ROOT)}
    own = {key: given[value] for key, value in script["env"].items()}
    outputs, summary = folder.parent / "outputs", folder.parent / "summary.md"
    outputs.write_text("", encoding="utf-8")
    summary.write_text("", encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GITHUB", "VLMDATA"))}
    runner = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    environment = kept | runner | own | {"PATH": f"{path}{os.pathsep}{kept['PATH']}"} | more
    file = folder.parent / "step.sh"
    file.write_text(script["run"], encoding="utf-8")
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(file)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    said = ran.stdout + ran.stderr
    return Step(ran.returncode, said, outputs.read_text(encoding="utf-8"), summary.read_text(encoding="utf-8"))


def validate_step(inputs: Mapping[str, str], folder: Path) -> Step:
    return step("Validate", inputs, folder)


def test_no_input_stands_in_the_text_of_a_script() -> None:
    for each in ACTION["runs"]["steps"]:
        assert "${{" not in each.get("run", "")


@needs_bash
def test_a_clean_recipe_passes_and_the_summary_is_written(repository: Path) -> None:
    done = validate_step({"paths": "the shop/recipe.yaml", "args": "--ignore images.too_small"}, repository)
    assert done.code == 0, done.said
    assert "exit-code=0" in done.outputs
    assert "sarif-file" not in done.outputs
    assert done.summary.startswith("## vlmdata validate: passed")
    assert done.commands <= {"notice", "warning"}


@needs_bash
def test_a_broken_photo_fails_at_its_row_and_the_sarif_file_names_it(repository: Path) -> None:
    spoil(repository)
    inputs = {"paths": "\n  \nthe shop/recipe.yaml\r\n", "sarif-file": "out/report one.sarif"}
    done = validate_step(inputs, repository)
    assert done.code == 1, done.said
    assert "::error file=the shop/products.csv,line=3,title=images.truncated::" in done.said
    assert "exit-code=1" in done.outputs
    assert "out/report one.sarif" in done.outputs
    (run,) = json.loads((repository / "out" / "report one.sarif").read_text(encoding="utf-8"))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "the%20shop/products.csv"
    assert "images&#46;truncated" in done.summary


@needs_bash
def test_several_paths_and_arguments_are_given_on(repository: Path) -> None:
    inputs = {"paths": "the shop/recipe.yaml\nno such.yaml", "args": "--select\ntext --no-images", "fail-on": "warning"}
    done = validate_step(inputs, repository)
    assert done.code == 2, done.said
    assert "no such.yaml" in done.said


@needs_bash
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_inputs_run_nothing(value: str, repository: Path) -> None:
    inputs = {"paths": value, "fail-on": value, "sarif-file": value}
    for given in (inputs, {"paths": value}, {"args": value if "baseline" not in value else "", "version": value}):
        done = validate_step(given, repository)
        assert done.code in {1, 2}, done.said
        assert done.commands <= {"error", "warning", "notice"}, done.said
    assert not list(repository.parent.rglob("PWNED*"))


@needs_bash
@pytest.mark.parametrize("value", [value for value in HOSTILE if value] + ["0.1 --index-url=http://127.0.0.1"])
def test_a_hostile_version_installs_nothing(value: str, repository: Path) -> None:
    done = step("Install vlmdata", {"version": value}, repository)
    assert done.code == 2
    assert "is no version number" in done.said
    assert not list(repository.parent.rglob("PWNED*"))


@needs_bash
def test_no_file_of_the_checkout_is_imported(repository: Path) -> None:
    trap = "from pathlib import Path\nPath('PWNED').touch()\n"
    for name in ("yaml.py", "json.py", "typer.py", "sitecustomize.py", "pip.py", "vlmdata.py"):
        (repository / name).write_text(trap, encoding="utf-8")
    done = validate_step({"paths": "the shop/recipe.yaml"}, repository)
    assert done.code == 0, done.said
    assert not (repository / "PWNED").exists()


def environment_without_vlmdata(home: Path) -> Path:
    """An environment of its own in which what vlmdata depends on is there already, lent by this one."""
    venv.create(home, with_pip=True)
    lent = home / "lent"
    lent.mkdir()
    own = ("vlmdata", "__editable__", "_vlmdata", "pip", "setuptools")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(own) and entry.suffix != ".pth":
            (lent / entry.name).symlink_to(entry)
    (site_packages,) = home.glob("lib/python*/site-packages")
    (site_packages / "lent.pth").write_text(f"{lent}\n", encoding="utf-8")
    return home / "bin"


@needs_bash
def test_the_action_installs_the_version_it_comes_with_and_validates_with_it(repository: Path) -> None:
    place = environment_without_vlmdata(repository.parent / "environment")
    (repository / "pip.py").write_text("raise SystemExit('the checkout was imported')\n", encoding="utf-8")
    command = [place / "python", "-P", "-c", "import vlmdata; print(vlmdata.__file__)"]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0
    installed = step("Install vlmdata", {}, repository, place)
    assert installed.code == 0, installed.said
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith(str(place.parent))
    done = step("Validate", {"paths": "the shop/recipe.yaml"}, repository, place)
    assert done.code == 0, done.said


def pre_commit(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pre-commit, its cache beside the repository."""
    environment = os.environ | {"PRE_COMMIT_HOME": str(repository.parent / "cache"), "PRE_COMMIT_COLOR": "never"}
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    command = [str(BIN / "pre-commit"), *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=1000)


def configure(repository: Path, hook: dict[str, Any]) -> None:
    """A configuration with one hook of this very repository, installed nowhere."""
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    git(repository, "add", "--all")


def shipped_hook() -> dict[str, Any]:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return dict(hook)


@needs_git
@needs_pre_commit
def test_the_hook_looks_at_the_recipes_that_are_committed(repository: Path) -> None:
    (repository / "notes.yaml").write_text("a: 1\n", encoding="utf-8")
    shutil.copytree(repository / "the shop", repository / "other")
    configure(repository, shipped_hook() | {"language": "system"})
    done = pre_commit(repository, "run", "--all-files", "--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 paths" in done.stdout
    spoil(repository)
    git(repository, "add", "--all")
    done = pre_commit(repository, "run", "--all-files")
    assert done.returncode == 1
    assert "the shop/products.csv:3 SKU-001 images[0]:" in done.stdout
    assert "[images.truncated]" in done.stdout
    assert "notes.yaml" not in done.stdout


@needs_git
@needs_pre_commit
def test_the_hook_passes_over_commits_without_recipes(repository: Path) -> None:
    configure(repository, shipped_hook() | {"language": "system"})
    done = pre_commit(repository, "run", "--files", ".pre-commit-config.yaml")
    assert done.returncode == 0
    assert "Skipped" in done.stdout


@needs_git
@needs_pre_commit
def test_pre_commit_installs_the_hook_from_this_repository(repository: Path) -> None:
    """The whole way: a clone of what ships, an environment that pre-commit makes, and a broken photo found."""
    source = repository.parent / "vlmdata"
    source.mkdir()
    for name in SHIPPED:
        path = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(path, source / name, ignore=ignored) if path.is_dir() else shutil.copy(path, source / name)
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "all")
    spoil(repository)
    git(repository, "add", "--all")
    done = pre_commit(repository, "try-repo", str(source), "vlmdata-validate", "--all-files", "--verbose")
    assert "[images.truncated]" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
