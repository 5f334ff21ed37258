"""Both commands start by their modules too, and an interrupt while they are being imported is answered in a line."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERRUPTED_AT = """\
import runpy, sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module({package!r}, run_name="__main__")
"""


def said(*arguments: str) -> tuple[int, str]:
    found = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=300)
    return found.returncode, found.stdout + found.stderr


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
@pytest.mark.parametrize("module", ["cli", "terminal"])
def test_an_interrupt_at_the_imports_shows_no_traceback(package: str, module: str) -> None:
    name = f"{package}.{module}" if module == "cli" else "vlmdata.terminal"
    code, words = said("-c", INTERRUPTED_AT.format(module=name, package=package))
    assert (code, words) == (130, f"{package}: interrupted before it began\n")


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
def test_the_module_is_the_command(package: str) -> None:
    code, words = said("-m", package, "--version")
    assert code == 0
    assert words.startswith(f"{package} ")
