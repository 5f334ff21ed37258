"""docs/extending.md shows the files of samples/extending as they are, and the package's own tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.extending.outside import EXAMPLE, ROOT
from tests.vlmtrain.conftest import tiny  # noqa: F401  (a fixture)

PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
SHOWN = {found["name"]: found["text"] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
FILES = [
    path.relative_to(EXAMPLE).as_posix()
    for pattern in ("*.toml", "shop_plugins/*.py", "tests/*.py", "shop/*.till", "shop/*.yaml", "shop/*.toml")
    for path in sorted(EXAMPLE.glob(pattern))
]


def test_the_page_shows_every_file_of_the_package_as_it_is() -> None:
    assert sorted(SHOWN) == sorted(FILES)
    for name, text in SHOWN.items():
        assert (EXAMPLE / name).read_text(encoding="utf-8") == text, name


def own_tests(tmp_path: Path, **environ: str) -> str:
    """The package's own tests, in a process and with a configuration of their own."""
    words = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-W", "error", "tests"]
    known = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    own = {"PYTHONPATH": f"{EXAMPLE}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, cwd=EXAMPLE, env={**known, **own, **environ}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.slow
def test_the_packages_own_tests_pass(tmp_path: Path, tiny: Callable[[str], Path]) -> None:  # noqa: F811
    assert "10 passed" in own_tests(tmp_path, INTERNVL=str(tiny("internvl")))
