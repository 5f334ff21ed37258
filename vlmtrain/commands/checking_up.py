"""`doctor`: what is here of all that training needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from vlmdata.terminal import FINDINGS, Format
from vlmtrain.commands.options import FormatOption


def doctor(form: FormatOption = Format.text) -> None:
    """Look at versions, devices, bf16 and 4-bit weights (tried), attention, memory, disks: what is missing.

    No value of a key is shown, and no personal path, so that it can be pasted into a report of a bug.
    """
    import vlmtrain
    from vlmdata.doctor.rendering import show

    with _busy():
        found = vlmtrain.examine()
    show(found, form)
    if not found.passed:
        raise typer.Exit(FINDINGS)


@contextmanager
def _busy() -> Iterator[None]:
    """torch takes some seconds to import; on a terminal that is said."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("trying the devices", spinner="line"):
        yield
