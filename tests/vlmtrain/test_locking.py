"""One run at a time in an output folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vlmdata.errors import OutputError
from vlmtrain.locking import alone_in
from vlmtrain.publishing import staged

HOLDER = """
import sys
from pathlib import Path
from vlmtrain.locking import alone_in

with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_into_the_same_folder_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run is at work there"), staged(out, mark="m", replace=True):
            pytest.fail("two at once")
        with alone_in(tmp_path / "other"):
            pass
        holder.kill()
    with staged(out, mark="m", replace=False) as folder:
        (folder / "m").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), alone_in(tmp_path / "out"):
            raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="nothing was written there"), alone_in(tmp_path / "file" / "out"):
        pytest.fail("held")
