"""`push`: what a run trained, or a merged model, to the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.terminal import Format, say, warn
from vlmtrain.commands.options import FormatOption, say_json


def push(
    path: Annotated[Path, typer.Argument(metavar="RUN|MERGED", help="a run.yaml, a run's folder, or a merged model's")],
    to: Annotated[str, typer.Option("--to", metavar="OWNER/NAME", help="its name on the Hub")],
    base: Annotated[
        str | None, typer.Option("--base", metavar="OWNER/NAME", help="the base's name on the Hub, if it was a folder")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="OWNER/NAME", help="the dataset's name on the Hub, for the card")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list what would go and what stays; no network is used")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="everybody may see it; private without this")] = False,
    revision: Annotated[str, typer.Option("--revision", metavar="BRANCH", help="the branch")] = "main",
    message: Annotated[str, typer.Option("--commit-message", help="what the commit says")] = "",
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="results,report,predictions", help="what tells of the dataset's rows, and goes if named"
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="take over a repository that holds something else")
    ] = False,
    form: FormatOption = Format.text,
) -> None:
    """Push an adapter or a model to the Hugging Face Hub: private, only what is not there yet, nothing unasked."""
    import vlmtrain

    result = vlmtrain.push(
        path,
        to,
        base=base,
        dataset=dataset,
        revision=revision,
        message=message,
        public=public,
        include=[word for each in include or [] for word in each.split(",") if word],
        replace=replace,
        dry_run=dry_run,
        on_progress=warn if sys.stderr.isatty() else None,
    )
    if form is Format.json:
        say_json(result.as_data())
    else:
        say("\n".join(result.lines()))
