"""What a build does besides its output, watched from within the process: files, sockets, memory, warnings, time."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

ROOT = Path(__file__).parents[3]
SYSTEM = tuple(
    os.path.realpath(path)
    for path in {
        *(
            sys.prefix,
            sys.base_prefix,
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("purelib"),
            str(ROOT / "vlmdata"),
        ),
        *(
            str(ROOT / "schemas"),
            str(ROOT / "tests"),
            "/usr/share/zoneinfo",
            "/usr/lib",
            "/etc/mime.types",
            "/etc/localtime",
        ),
        *("/dev/null", "/proc/self", "/proc/meminfo", "/sys/fs/cgroup", "/sys/devices/system/cpu"),
    }
)
"""What Python and its libraries read of the machine, whatever is built."""

SECRET = "secret"
"""A file whose name starts like this must not be opened, wherever it is."""

READS = frozenset({"open", "os.listdir", "os.scandir"})
SOCKETS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"})
PROCESSES = frozenset({"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork"})


class HangError(BaseException):
    """A case that took too long: no `except Exception` may hold it up."""


@dataclass(slots=True)
class Watched:
    """What was seen that must not be: reads outside, sockets, processes, warnings, errors that nobody caught."""

    inside: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)
    sockets_refused: bool = False
    peak_bytes: int = 0


_watched: Watched | None = None
_started = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    watched = _watched
    if watched is None:
        return
    if event in READS and isinstance(arguments[0], str | bytes | os.PathLike) and not _is_rmtree():
        flags = arguments[2] if event == "open" else 0
        _note_read(watched, os.fsdecode(arguments[0]), refuses_links=bool(flags & getattr(os, "O_NOFOLLOW", 0)))
    elif event in SOCKETS:
        watched.seen.append(f"{event} {arguments[1:]!r}"[:200])
        raise OSError("the fuzzer opens no sockets")
    elif event in PROCESSES:
        watched.seen.append(f"{event} {arguments!r}"[:200])


def _is_rmtree() -> bool:
    """Whether shutil takes a tree away, of whose names the hook is not told in which folder they are."""
    return sys._getframe(2).f_code.co_filename == shutil.__file__


def _note_read(watched: Watched, path: str, *, refuses_links: bool) -> None:
    folder, name = os.path.split(path)
    real = os.path.join(os.path.realpath(folder), name) if refuses_links else os.path.realpath(path)  # noqa: PTH118
    allowed = any(real == start or real.startswith(start + os.sep) for start in (*watched.inside, *SYSTEM))
    if not allowed or os.path.basename(real).startswith(SECRET):  # noqa: PTH119  (an audit hook is called often)
        watched.seen.append(f"read {path!r}")


def _start() -> None:
    """Put the hook in, once: it can't be taken out again, only told not to look."""
    global _started  # noqa: PLW0603
    if not _started:
        sys.addaudithook(_hook)
        _started = True


@contextmanager
def watching(*inside: Path, seconds: float) -> Iterator[Watched]:
    """Watch what is done in here. Raises HangError after so many seconds."""
    global _watched  # noqa: PLW0603
    _start()
    watched = Watched(inside=tuple(os.path.realpath(path) for path in inside))
    before = _resident()
    with _alarm(seconds), _nothing_uncaught(watched):
        _watched = watched
        try:
            yield watched
        finally:
            _watched = None
            gc.collect()
    watched.peak_bytes = _peak() - before


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _nothing_uncaught(watched: Watched) -> Iterator[None]:
    """Note warnings, and errors of threads and of objects that were never closed."""

    def unraisable(found: Any) -> None:
        watched.seen.append(f"unraisable {found.exc_value!r} in {found.object!r}"[:300])

    def of_thread(found: threading.ExceptHookArgs) -> None:
        watched.seen.append(f"a thread died of {found.exc_value!r}")

    def shown(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        watched.seen.append(f"{category.__name__}: {message} ({Path(filename).name}:{lineno})"[:300])

    hooks = sys.unraisablehook, threading.excepthook
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("always")
        warnings.showwarning = shown  # type: ignore[assignment]
        sys.unraisablehook, threading.excepthook = unraisable, of_thread
        try:
            yield
        finally:
            sys.unraisablehook, threading.excepthook = hooks


def _status(key: str) -> int:
    """A size of this process in bytes, as Linux tells it; 0 elsewhere."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{key}:")), 0)


def _resident() -> int:
    """What is in memory now; the high-water mark starts anew from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def innermost(trace: TracebackType | None) -> str:
    """Where an exception came from, in vlmdata's own words: the last of its files on the way."""
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/vlmdata/" in code.co_filename and "/tests/" not in code.co_filename:
            found = f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return found
