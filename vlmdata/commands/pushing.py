"""`push`: a built dataset to the Hugging Face Hub."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.commands.options import FormatOption
from vlmdata.terminal import Format, say, warn


def push(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="the folder of a built dataset")],
    to: Annotated[str, typer.Option("--to", metavar="OWNER/NAME", help="its name on the Hub")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list what would go and what stays; no network is used")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="everybody may see it; private without this")] = False,
    revision: Annotated[str, typer.Option("--revision", metavar="BRANCH", help="the branch")] = "main",
    message: Annotated[str, typer.Option("--commit-message", help="what the commit says")] = "",
    include: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="report,rejected", help="what holds original rows, and goes only if named"),
    ] = None,
    allow_gps: Annotated[bool, typer.Option("--allow-gps", help="push photos that say where they were taken")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="take over a repository that holds something else")
    ] = False,
    form: FormatOption = Format.text,
) -> None:
    """Push a dataset to the Hugging Face Hub: private, only what is not there yet, nothing unasked."""
    import vlmdata

    result = vlmdata.push(
        path,
        to,
        revision=revision,
        message=message,
        public=public,
        include=[word for each in include or [] for word in each.split(",") if word],
        allow_gps=allow_gps,
        replace=replace,
        dry_run=dry_run,
        on_progress=warn if sys.stderr.isatty() else None,
    )
    say(
        json.dumps(result.as_data(), indent=2, ensure_ascii=False) if form is Format.json else "\n".join(result.lines())
    )
