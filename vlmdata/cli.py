"""The command line: parse arguments, call the API, print, exit. What the commands do is in the API."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from vlmdata.commands import (
    building,
    checking_up,
    describing,
    drafting,
    exporting,
    looking_up,
    pushing,
    reporting,
    splitting,
    validating,
)
from vlmdata.terminal import exit_code_of, say

app = typer.Typer(
    name="vlmdata",
    help="Raw rows and images to a validated conversational dataset. Nothing is lost silently.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False) -> None:
    """Raw rows and images to a validated conversational dataset. Nothing is lost silently."""
    if version:
        from vlmdata.version import __version__

        say(f"vlmdata {__version__}")
        raise typer.Exit


app.command()(drafting.init)
app.command()(building.build)
app.command()(describing.describe)
app.command(name="import")(building.import_)
app.command()(validating.validate)
app.command()(reporting.report)
app.command()(looking_up.schema)
app.command()(looking_up.rule)
app.command()(building.join)
app.command()(splitting.split)
app.command()(exporting.export)
app.command()(pushing.push)
app.command()(checking_up.doctor)


def main(command: Callable[[], Any] = app) -> None:
    """The entry point: every failure becomes a message and an exit code."""
    sys.exit(exit_code_of(command, name="vlmdata"))


if __name__ == "__main__":
    main()
