"""The wheel and the sdist built here: what they hold, that they are the same work, one place for the version."""

from __future__ import annotations

import ast
import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e.environments import CONSTRAINTS, ROOT, built
from vlmdata.version import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {
    "": PROJECT["dependencies"],
    **{name: needs for name, needs in PROJECT["optional-dependencies"].items() if name != "all"},
}


@dataclass(frozen=True)
class Distributions:
    """Both distributions, and the wheel's content in a folder of its own, as an installation has it."""

    wheel: Path
    sdist: Path
    site: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("distributions")
    wheel, sdist = built(folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return Distributions(wheel=wheel, sdist=sdist, site=folder / "site")


def run(made: Distributions, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with the wheel's packages in front of the repository's."""
    environment = {**os.environ, "PYTHONPATH": str(made.site), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=made.site.parent, env=environment
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder's files, without what Python and the tests leave in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_packages_come_from_the_wheel(made: Distributions) -> None:
    found = run(made, "-c", "import vlmdata, vlmtrain; print(vlmdata.__file__); print(vlmtrain.__file__)")
    assert all(line.startswith(str(made.site)) for line in found.stdout.splitlines()), found.stdout + found.stderr


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
def test_the_wheel_holds_every_file_of_a_package_as_it_is(made: Distributions, package: str) -> None:
    here = {name: data for name, data in files_of(ROOT / package).items() if not name.startswith("schemas/")}
    shipped = {name: data for name, data in files_of(made.site / package).items() if not name.startswith("schemas/")}
    assert shipped == here
    assert "py.typed" in shipped


@pytest.mark.parametrize(
    ("folder", "ending"),
    [
        ("vlmdata/schemas", ".json"),
        ("vlmdata/recipes", ".yaml"),
        ("vlmdata/rulebook", ".yaml"),
        ("vlmdata/page", ".css"),
        ("vlmdata/page", ".js"),
        ("vlmtrain/runs", ".yaml"),
        ("vlmtrain/runs/distributed", ".yaml"),
        ("vlmtrain/page", ".css"),
    ],
)
def test_what_the_code_reads_besides_itself_is_in_the_wheel(made: Distributions, folder: str, ending: str) -> None:
    assert list((made.site / folder).glob(f"*{ending}"))


def test_every_schema_is_in_the_wheel_and_printed_by_it(made: Distributions) -> None:
    assert files_of(made.site / "vlmdata" / "schemas") == files_of(ROOT / "schemas")
    code = "from vlmdata import schema\nfrom vlmdata.contract import SCHEMAS\nprint(all(map(schema, SCHEMAS)))"
    assert run(made, "-c", code).stdout == "True\n"


@pytest.mark.long
def test_the_sample_catalog_builds_with_the_wheel(made: Distributions, tmp_path: Path) -> None:
    recipe = ROOT / "samples" / "catalog" / "recipe.yaml"
    found = run(made, "-m", "vlmdata.cli", "build", str(recipe), "--out", str(tmp_path / "dataset"))
    assert found.returncode == 0, found.stderr
    found = run(made, "-m", "vlmdata.cli", "validate", str(tmp_path / "dataset"))
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_shipped_run_files_are_found_in_the_wheel(made: Distributions) -> None:
    found = run(made, "-c", "from vlmtrain.config import shipped_runs; print(*sorted(shipped_runs()))")
    shipped = sorted(path.stem for path in (ROOT / "vlmtrain" / "runs").glob("*.yaml"))
    assert found.stdout.split() == shipped, found.stderr
    assert {"gemma-3-4b", "llama-3.2-11b-vision", "pixtral-12b", "qwen2-vl-7b", "molmo2-8b"} <= set(shipped)


@pytest.fixture(scope="module")
def unpacked(made: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's folder."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(made.sdist) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


def test_the_sdist_builds_the_wheel_of_the_checkout(made: Distributions, tmp_path: Path) -> None:
    """`python -m build` makes the wheel from the sdist; here it is made from the checkout, and is the same."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    (direct,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(direct) as one, zipfile.ZipFile(made.wheel) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
        different = [name for name in one.namelist() if one.read(name) != other.read(name)]
    assert not different


def test_the_sdist_holds_what_the_readme_s_commands_need(unpacked: Path) -> None:
    """The two commands without make: an editable installation with all extras, and the demo; and the tests."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in ("-m venv", "-c constraints.txt -e '.[all,dev", "samples/demo.py"):
        assert words in readme
    needed = ("samples/demo.py", "constraints.txt", "pyproject.toml", "Makefile", "tests/conftest.py", "LICENSE")
    assert [name for name in needed if not (unpacked / name).is_file()] == []
    for folder in ("samples", "schemas", "vlmdata", "vlmtrain"):
        assert files_of(unpacked / folder) == files_of(ROOT / folder), folder


@pytest.mark.long
def test_the_sdist_s_demo_begins_with_the_sdist_s_packages(unpacked: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    code = f"""
import runpy, vlmdata
demo = runpy.run_path({str(unpacked / "samples" / "demo.py")!r})
assert vlmdata.__file__.startswith({str(unpacked)!r}), vlmdata.__file__
recipe = vlmdata.load_recipe(demo["CATALOG"] / "recipe.yaml")
print(vlmdata.build(recipe, {str(tmp_path / "dataset")!r}).ledger.rows_read)
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300
    )
    assert found.stdout == "241\n", found.stderr


def test_the_version_stands_in_one_place(made: Distributions) -> None:
    assert "version" in PROJECT["dynamic"]
    (metadata,) = made.site.glob("*.dist-info/METADATA")
    assert email.message_from_string(metadata.read_text(encoding="utf-8"))["Version"] == __version__
    assert __version__ in made.wheel.name
    assert __version__ in made.sdist.name
    named = [
        file.relative_to(ROOT).as_posix()
        for package in ("vlmdata", "vlmtrain")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == __version__
    ]
    assert named == ["vlmdata/version.py"]


def pinned() -> dict[str, str]:
    """The known good set, by canonical names."""
    return versions_in(CONSTRAINTS)


def versions_in(file: Path) -> dict[str, str]:
    """The versions that a file of constraints names, by canonical names."""
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


@pytest.mark.parametrize("extra", DECLARED)
def test_every_dependency_is_in_the_known_good_set_within_its_range(extra: str) -> None:
    known = pinned()
    for line in DECLARED[extra]:
        each = Requirement(line)
        version = known.get(canonicalize_name(each.name))
        assert version is not None, f"{each.name} of [{extra}] is not in constraints.txt"
        assert each.specifier.contains(version, prereleases=True), f"{each.name} {version} is not in {each.specifier}"


def needed_by(names: Iterable[str]) -> set[str]:
    """What these packages need in turn, by the metadata of what is installed here."""
    from importlib import metadata

    found: set[str] = set()
    waiting = [Requirement(line) for line in names]
    while waiting:
        each = waiting.pop()
        name = canonicalize_name(each.name)
        if name in found:
            continue
        found.add(name)
        extras = {"", *each.extras}
        for line in metadata.requires(each.name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(inner)
    return found


SYSTEM_OWN = re.compile(r"nvidia-|cuda-|triton$|pip$|setuptools$|wheel$")
"""What comes with torch's build for a system, and what comes with Python."""


def test_the_known_good_set_is_complete() -> None:
    """Also of what the dependencies need in turn; without that, an installation of tomorrow would be another one."""
    everything = [line for needs in DECLARED.values() for line in needs]
    missing = sorted(name for name in needed_by(everything) - set(pinned()) if not SYSTEM_OWN.match(name))
    assert not missing, f"not in constraints.txt: {', '.join(missing)}"


def test_the_lowest_versions_are_the_lower_ends_of_what_vlmdata_needs() -> None:
    extras = {"", "excel", "gemini", "gemini-legacy", "heic", "language", "openai"}
    ends = {
        canonicalize_name(each.name): next(end.version for end in each.specifier if end.operator == ">=")
        for each in (Requirement(line) for name in extras for line in DECLARED[name])
    }
    assert versions_in(ROOT / "constraints-lowest.txt") == ends


def test_every_range_has_two_ends() -> None:
    """A release that nobody tried is not taken; types and packaging itself only describe, and stay compatible."""
    open_ended = {
        "packaging",
        "types-jsonschema",
        "types-PyYAML",
        *(Requirement(each).name for each in DECLARED.get("docs", ())),
    }
    for line in (line for needs in DECLARED.values() for line in needs):
        each = Requirement(line)
        if each.name not in open_ended:
            assert {each_.operator for each_ in each.specifier} == {">=", "<"}, line


def test_all_holds_every_extra_but_that_of_development() -> None:
    (line,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(line).extras == set(DECLARED) - {"", "dev", "docs", "interop"}
