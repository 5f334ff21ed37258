"""What other systems do otherwise than Linux, done to the code that runs into it. Neither macOS nor Windows is here."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlmdata
from vlmdata.image.names import ImageReferenceError, bare_name, refuse_shape
from vlmdata.terminal import shown_path

ROOT = Path(__file__).parent.parent.parent
CATALOG = ROOT / "samples" / "catalog"
PUBLISHED = ("write/[!p]*.py", "pipeline.py", "rewriting.py", "baseline.py", "dataset_page.py", "reports/*.py")
"""Where the files of a dataset are written, which have to be the same bytes everywhere; the plan is not published."""


def text_writes(file: Path) -> list[ast.Call]:
    """The calls that write text to a file, in a module."""
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Attribute)]
    return [
        call
        for call in named
        if call.func.attr == "write_text"  # type: ignore[attr-defined]
        or (call.func.attr == "open" and any(isinstance(a, ast.Constant) and a.value == "w" for a in call.args))  # type: ignore[attr-defined]
    ]


def test_every_published_text_is_the_same_bytes_on_every_system() -> None:
    """Without `newline`, Windows would write two characters at the end of each line."""
    files = [file for pattern in PUBLISHED for file in (ROOT / "vlmdata").glob(pattern)]
    calls = [(file, call) for file in files for call in text_writes(file)]
    assert len(calls) >= 8
    for file, call in calls:
        given_ = {keyword.arg for keyword in call.keywords}
        assert {"encoding", "newline"} <= given_, f"{file.relative_to(ROOT)}:{call.lineno}"


@pytest.mark.parametrize("package", ["vlmdata", "vlmtrain"])
def test_no_text_file_is_read_or_written_in_the_system_s_own_encoding(package: str) -> None:
    """Windows' own is cp1252, which lacks most letters of the world."""
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            named = any(keyword.arg == "encoding" for keyword in node.keywords)
            by_place = {"read_text": 1, "write_text": 2}.get(node.func.attr)
            assert by_place is None or named or len(node.args) >= by_place, f"{file.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize(
    "reference",
    ["C:/photos/a.jpg", "C:a.jpg", "\\\\server\\share\\a.jpg", "..\\a.jpg", "photos\\..\\..\\a.jpg", "/a.jpg"],
)
def test_no_reference_leads_out_of_the_root_as_windows_reads_it(reference: str) -> None:
    with pytest.raises(ImageReferenceError) as refused:
        refuse_shape(reference)
    assert refused.value.rule == "images.outside"


@given(st.text(max_size=40))
def test_what_is_not_refused_stays_below_the_root_on_both_kinds_of_systems(reference: str) -> None:
    try:
        refuse_shape(reference)
    except ImageReferenceError:
        return
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind("root") / kind(reference)
        assert path.parts[:1] == ("root",)
        assert ".." not in path.parts


@given(st.text(min_size=1, max_size=60))
def test_a_stored_file_name_has_no_folder_in_it_on_any_system(name: str) -> None:
    kept = bare_name(name, "PNG")
    assert kept == PurePosixPath(kept).name
    assert not {"/", "\\"} & set(kept)


def test_a_path_is_shown_with_forward_slashes_on_windows_too() -> None:
    assert shown_path(PureWindowsPath("data\\shop")) == "data/shop"  # type: ignore[arg-type]


def test_an_output_is_published_where_a_held_lock_cannot_be_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on Windows, where no file that is open can be deleted."""
    really = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith(".lock"):
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))
        really(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    recipe = vlmdata.load_recipe(CATALOG / "recipe.yaml", {"source.limit": "5"})
    vlmdata.build(recipe, tmp_path / "out")
    vlmdata.build(recipe, tmp_path / "out", replace=True)
    assert vlmdata.validate(tmp_path / "out").errors == 0


@pytest.mark.parametrize("arguments", [["validate", "recipe.yaml"], ["rule"], ["doctor"], ["--help"]])
def test_a_console_of_an_old_code_page_loses_letters_and_no_report(arguments: list[str]) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "vlmdata.cli", *arguments]
    ran = subprocess.run(command, capture_output=True, timeout=120, env=environ, cwd=CATALOG)
    assert ran.returncode in {0, 1}, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert ran.stdout.decode("cp1252")


def test_a_build_works_in_a_process_that_was_spawned(tmp_path: Path) -> None:
    """As every process of macOS and Windows is: nothing is inherited but what is handed over."""
    code = f"""
import multiprocessing
from pathlib import Path
import vlmdata

def build(out):
    recipe = vlmdata.load_recipe({str(CATALOG / "recipe.yaml")!r}, {{"source.limit": "5"}})
    print(vlmdata.build(recipe, out).ledger.rows_read)

if __name__ == "__main__":
    worker = multiprocessing.get_context("spawn").Process(target=build, args=({str(tmp_path / "out")!r},))
    worker.start()
    worker.join()
    raise SystemExit(worker.exitcode)
"""
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()
