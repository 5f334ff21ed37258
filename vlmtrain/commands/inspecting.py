"""`vlmtrain inspect`: a row as the model sees it, and what is learned of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.terminal import FINDINGS, Format, say, shown_path
from vlmtrain.commands.options import FormatOption, Plugins, Run, Set, config_of, progress, say_json

if TYPE_CHECKING:
    from vlmtrain.inspected import Inspection


def inspect(
    run: Run,
    id_: Annotated[str | None, typer.Option("--id", help="the row's id")] = None,
    split: Annotated[str | None, typer.Option("--split", help="the row's split; by default that of training")] = None,
    row: Annotated[int, typer.Option("--row", min=1, help="the row's number in its split, from 1")] = 1,
    html: Annotated[Path | None, typer.Option("--html", help="write a page with the photos to this file")] = None,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Show a row as the model sees it: prompt, images and their tokens, what is learned. Loads no weights."""
    from vlmtrain.inspection import inspect_run

    config = config_of(run, set_, plugins)
    with progress():
        inspection = inspect_run(config, id=id_, split=split, row=row)
    if form is Format.json:
        say_json(inspection.as_data())
    else:
        _show(inspection)
    if html is not None:
        _write(inspection, html)
        if form is Format.text:
            say(f"-> {shown_path(html)}")
    if inspection.failed:
        raise typer.Exit(FINDINGS)


def _show(inspection: Inspection) -> None:
    """In colours on a terminal, as text elsewhere."""
    from vlmtrain.report import as_text

    if sys.stdout.isatty():
        from rich.console import Console

        Console(markup=False, highlight=False, emoji=False).print(inspection)
    else:
        say(as_text(inspection).rstrip())


def _write(inspection: Inspection, file: Path) -> None:
    from vlmdata.errors import ConfigError
    from vlmtrain.page_inspection import html_page

    try:
        file.write_text(html_page(inspection), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html {shown_path(file)}: can't be written: {error.strerror}") from None
