"""`validate`: what is wrong with a dataset, and whether a pipeline should stop for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.commands.options import FormatOption, Workers
from vlmdata.terminal import Format, say


def validate(
    path: Annotated[Path, typer.Argument(help="a built dataset")],
    form: FormatOption = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="fail on warnings too")] = False,
    workers: Workers = None,
) -> None:
    """Look at every record and image of a dataset; exit with 1 where something is wrong."""
    import vlmdata
    from vlmdata.reports.validation_report import as_dict, terminal_text

    found = vlmdata.validate(path, workers=workers)
    if form is Format.json:
        say(json.dumps(as_dict(found), indent=2, ensure_ascii=False))
    else:
        say(terminal_text(found))
    if found.failed("warning" if strict else "error"):
        raise typer.Exit(1)
