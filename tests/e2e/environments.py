"""The distributions of this checkout, and environments that hold nothing but what was installed into them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
INSTALLATION_SECONDS = 1200
COPIED = ("tests", "samples", "docs", "benchmarks", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")
"""What the tests read besides the packages; the packages themselves stay behind."""


def built(folder: Path, source: Path = ROOT) -> tuple[Path, Path]:
    """The wheel and the sdist of a source, made as a release is: the wheel from the sdist."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, timeout=INSTALLATION_SECONDS, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """An environment of its own, and the folder that its commands are run in."""

    environment: Path
    folder: Path

    @classmethod
    def of(cls, place: Path, *requirements: str, beside: Path | None = None) -> Installed:
        """An empty environment with these requirements and no others, within the constraints.

        `beside` is a folder of packages that are used where they lie; then the requirements bring none with them.
        """
        venv.create(place / "environment", with_pip=True)
        made = cls(environment=place / "environment", folder=place / "folder")
        made.folder.mkdir()
        without = ["--no-deps"] if beside else ["--constraint", str(CONSTRAINTS)]
        made.run(
            "python", "-m", "pip", "install", "--quiet", "--no-compile", *without, *requirements
        ).check_returncode()
        if beside is not None:
            (made.packages / "beside.pth").write_text(f"{beside}\n", encoding="utf-8")
        return made

    @property
    def packages(self) -> Path:
        """Where the installed packages lie."""
        found = self.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        return Path(found.stdout.strip())

    def run(self, command: str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One of the environment's own commands, with nothing of the checkout in its way."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL"))
        }
        return subprocess.run(
            [str(self.environment / ("Scripts" if os.name == "nt" else "bin") / command), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=folder or self.folder,
            env={**kept, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
            timeout=INSTALLATION_SECONDS * 3,
        )


def copied_tests(place: Path) -> Path:
    """A folder with the tests and what they read, and without the packages: only the installed ones are found."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "out"))
        else:
            shutil.copy2(source, place / name)
    for name in ("pyproject.toml", "constraints.txt", "LICENSE", "action.yml", ".pre-commit-hooks.yaml"):
        shutil.copy2(ROOT / name, place / name)
    return place
