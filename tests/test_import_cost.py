"""Importing a package, asking for help and making a mistake are instant: nothing heavy is loaded for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "pyarrow", "numpy", "pandas"]
LIST_LOADED = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"


def loaded_by(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LIST_LOADED}"], capture_output=True, text=True, check=True, timeout=60
    )
    return run.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    assert loaded_by(f"import {package}") == "[]"


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
def test_help_loads_nothing_heavy(package: str) -> None:
    code = f"""
import sys
import {package}.cli
sys.argv = ['{package}', '--help']
try:
    {package}.cli.main()
except SystemExit:
    pass
"""
    assert loaded_by(code) == "[]"


def test_a_mistake_in_a_recipe_is_reported_without_loading_datasets(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sourc: {}\n")
    code = f"import vlmdata\ntry: vlmdata.load_recipe({str(recipe)!r})\nexcept Exception as e: assert 'sourc' in str(e)"
    assert "datasets" not in loaded_by(code)


def test_all_mistakes_in_a_run_file_are_reported_before_torch_is_loaded(tmp_path: Path) -> None:
    run_file = tmp_path / "run.yaml"
    run_file.write_text("outptu: x\ndata: {path: 3}\n")
    code = f"""
import vlmtrain
try:
    vlmtrain.load_run({str(run_file)!r})
except Exception as error:
    assert len(error.problems) >= 2, error
    assert "did you mean 'output'" in str(error), error
else:
    raise SystemExit("no error")
"""
    assert "torch" not in loaded_by(code)
