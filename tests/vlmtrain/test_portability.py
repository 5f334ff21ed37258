"""What other systems do otherwise than Linux, done to the code that runs into it. Neither macOS nor Windows is here."""

from __future__ import annotations

import builtins
import errno
import fcntl
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vlmdata.errors import OutputError
from vlmtrain import checkpoints, loading, locking, train
from vlmtrain.locking import alone_in


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system whose locks are msvcrt's, and where no file that is open can be deleted."""

    def lock(opened: int, mode: int, length: int) -> None:
        assert (mode, length) == (2, 1)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    def unlink(path: Path, missing_ok: bool = False) -> None:
        for opened in Path("/proc/self/fd").iterdir():
            if os.path.realpath(opened) == str(path):
                raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))
        really(path, missing_ok=missing_ok)

    really = Path.unlink
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=lock, LK_NBLCK=2))
    monkeypatch.setattr(locking, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(Path, "unlink", unlink)
    return


@pytest.mark.usefixtures("windows")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="what is open is read there")
def test_two_runs_do_not_write_into_one_folder_on_windows_either(tmp_path: Path) -> None:
    with alone_in(tmp_path / "out"):
        assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]
        with pytest.raises(OutputError, match="another run is at work there"), alone_in(tmp_path / "out"):
            pytest.fail("two at once")
    assert not list(tmp_path.iterdir())


def test_workers_are_spawned_where_there_is_no_server_to_fork_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    context: Any = loading._server(SimpleNamespace())  # type: ignore[arg-type]
    assert context.get_start_method() == "spawn"


def test_the_peak_of_memory_is_told_without_the_module_of_unix(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    whole = builtins.__import__

    def without_resource(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "resource":
            raise ModuleNotFoundError(name)
        return whole(name, *arguments, **named)

    told = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=2**30))
    monkeypatch.setattr(psutil, "Process", lambda: told)
    monkeypatch.setattr(builtins, "__import__", without_resource)
    assert train._peak_of_process() == 2**30


def test_the_peak_of_memory_is_that_of_this_process() -> None:
    assert 2**20 < train._peak_of_process() < 2**40


def test_a_checkpoint_is_synced_through_a_descriptor_that_may_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Windows refuses to sync what was opened to be read."""
    really = os.fsync

    def sync(opened: int) -> None:
        if fcntl.fcntl(opened, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        really(opened)

    monkeypatch.setattr(os, "fsync", sync)
    folder = tmp_path / "checkpoint-3"
    folder.mkdir()
    (folder / "adapter.safetensors").write_bytes(b"weights")
    checkpoints.mark_whole(folder, {"base": "tiny"})
    (found,) = checkpoints.whole_checkpoints(tmp_path)
    assert found.step == 3
