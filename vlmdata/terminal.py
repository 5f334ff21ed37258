"""What both command lines share: printing that data can't forge, and failures as messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from vlmdata.hub.offline import offline_heeded

OK, FINDINGS, USAGE, OUR_BUG, INTERRUPTED = 0, 1, 2, 3, 130
SHOWN_PROBLEMS = 50


class Format(str, Enum):
    """How a result is printed."""

    text = "text"
    json = "json"


def printable(text: str) -> str:
    """Text with control characters escaped, so that data can't move the cursor or hide a line."""
    return "".join(
        character
        if character in "\n\t" or (character.isprintable() and not 0xD800 <= ord(character) < 0xE000)
        else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    """Spaces of other scripts stay; what moves or hides text is shown as its code."""
    return (
        character
        if character in "\u00a0\u202f\u3000\u200c\u200d"
        else character.encode("unicode_escape").decode("ascii")
    )


def say(text: str) -> None:
    """Print to standard output, control characters escaped."""
    _write(text, sys.stdout)


def warn(text: str) -> None:
    """Print to standard error, control characters escaped."""
    _write(text, sys.stderr)


def _write(text: str, stream: Any) -> None:
    shown = printable(text)
    try:
        stream.write(f"{shown}\n")
    except UnicodeEncodeError:
        stream.write(
            shown.encode(stream.encoding or "ascii", "backslashreplace").decode(stream.encoding or "ascii") + "\n"
        )
    stream.flush()


def shown_path(path: Path) -> str:
    """A path as the user may type it: with forward slashes."""
    return path.as_posix()


def exit_code_of(command: Callable[[], Any], *, name: str) -> int:
    """Run a typer application and say what went wrong; the exit code is documented in the README."""
    try:
        with offline_heeded():
            return _exit_code_of(command, name)
    except KeyboardInterrupt:
        warn(f"{name}: interrupted; nothing half-made is in the output's place")
        return INTERRUPTED


def _exit_code_of(command: Callable[[], Any], name: str) -> int:
    from vlmdata.errors import VlmError

    try:
        command()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:  # typer turns an interrupt into this
            warn(f"{name}: interrupted; nothing half-made is in the output's place")
        return stop.code if isinstance(stop.code, int) else OK if stop.code is None else USAGE
    except VlmError as error:
        warn(_shortened(error))
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:  # noqa: BLE001  (the one broad except: whatever comes here is our bug)
        warn(traceback.format_exc())
        warn(f"{name}: this is our bug, not your data's; please report it with the lines above")
        return OUR_BUG
    return OK


def _shortened(error: Any) -> str:
    shown = [str(problem) for problem in error.problems[:SHOWN_PROBLEMS]]
    rest = len(error.problems) - len(shown)
    return "\n".join([error.message, *(f"  {line}" for line in shown), *([f"  … {rest:,} more"] if rest else [])])
