"""`doctor`: what is here of all that is needed."""

from __future__ import annotations

import typer

from vlmdata.commands.options import FormatOption
from vlmdata.terminal import FINDINGS, Format


def doctor(form: FormatOption = Format.text) -> None:
    """Look at versions, extras, cores, memory, disks and variables: what is missing, and how to install it.

    No value of a key is shown, and no personal path, so that it can be pasted into a report of a bug.
    """
    import vlmdata
    from vlmdata.doctor.rendering import show

    found = vlmdata.examine()
    show(found, form)
    if not found.passed:
        raise typer.Exit(FINDINGS)
