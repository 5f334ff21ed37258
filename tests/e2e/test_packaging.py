"""A wheel built here and used from elsewhere: it carries the schemas and the run files, and both commands run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent.parent
SCHEMAS = (
    "record.v1",
    "recipe.v1",
    "manifest.v1",
    "problem.v1",
    "report.v1",
    "run.v1",
    "results.v1",
    "settings.v1",
    "findings.v1",
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content in a folder of its own, as an installation has it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=240, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with the wheel's packages in front of the repository's."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=unpacked.parent, env=environment
    )


def test_the_packages_come_from_the_wheel(unpacked: Path) -> None:
    found = run(unpacked, "-c", "import vlmdata, vlmtrain; print(vlmdata.__file__); print(vlmtrain.__file__)")
    assert all(line.startswith(str(unpacked)) for line in found.stdout.splitlines()), found.stdout + found.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_in_the_wheel(unpacked: Path, name: str) -> None:
    found = run(unpacked, "-m", "vlmdata.cli", "schema", name)
    assert found.returncode == 0, found.stderr
    assert '"$schema"' in found.stdout


def test_the_sample_catalog_builds_with_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    recipe = ROOT / "samples" / "catalog" / "recipe.yaml"
    found = run(unpacked, "-m", "vlmdata.cli", "build", str(recipe), "--out", str(tmp_path / "dataset"))
    assert found.returncode == 0, found.stderr
    found = run(unpacked, "-m", "vlmdata.cli", "validate", str(tmp_path / "dataset"))
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_shipped_run_files_are_in_the_wheel(unpacked: Path) -> None:
    found = run(unpacked, "-c", "from vlmtrain.config import shipped_runs; print(*sorted(shipped_runs()))")
    shipped = sorted(path.stem for path in (ROOT / "vlmtrain" / "runs").glob("*.yaml"))
    assert found.stdout.split() == shipped, found.stderr
    assert {"gemma-3-4b", "llama-3.2-11b-vision", "pixtral-12b", "qwen2-vl-7b", "molmo2-8b"} <= set(shipped)
