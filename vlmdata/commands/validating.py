"""`validate`: what is wrong with datasets, recipes and conversations, and whether a pipeline should stop for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.commands.options import Plugins, Workers
from vlmdata.terminal import say, warn

if TYPE_CHECKING:
    from vlmdata.record import Severity


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="built datasets, recipes, conversations, or files that a recipe reads")
    ],
    form: Annotated[
        str, typer.Option("--format", help="text, json, sarif, junit, github, gitlab, markdown or html")
    ] = "text",
    report: Annotated[
        list[Path] | None,
        typer.Option(
            "--report", metavar="FILE", help="write a report too: .json .sarif .xml .md .html .txt; repeatable"
        ),
    ] = None,
    from_: Annotated[str, typer.Option("--from", metavar="FORMAT", help="the format of conversations")] = "auto",
    image_root: Annotated[
        Path | None, typer.Option("--image-root", help="where image paths of conversations start")
    ] = None,
    recipe: Annotated[
        list[Path] | None, typer.Option("--recipe", help="a recipe that the other paths may belong to; repeatable")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option("--against", help="a dataset that must stay unseen; repeatable")
    ] = None,
    select: Annotated[list[str] | None, typer.Option("--select", metavar="RULES", help="rules to look for")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", metavar="RULES", help="rules to leave out")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="look for new rules too")] = False,
    fail_on: Annotated[str | None, typer.Option("--fail-on", help="error, or warning")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="the same as --fail-on warning")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="a settings file, in place of the nearest one")
    ] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="a file of findings that are known")] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="put down what is found as known")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="look at text and structure only")] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="download what a recipe's network lists")
    ] = False,
    plugins: Plugins = False,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="a folder that recipes may read beside their own; repeatable")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="show every finding")] = False,
    workers: Workers = None,
) -> None:
    """Look at datasets, recipes and conversations; exit with 1 where something is wrong. Nothing is mended."""
    from vlmdata.progress import shown
    from vlmdata.reports.findings import add_step_summary, check_formats, rendered, write_report
    from vlmdata.validation import validate as look

    check_formats(form, report or ())
    with shown(warn) as watch:
        found = look(
            list(paths),
            format=from_,
            image_root=image_root,
            config=config,
            select=_names(select),
            ignore=_names(ignore),
            preview=preview or None,
            fail_on=_severity(fail_on, strict),
            against=against or (),
            recipes=recipe or (),
            roots=root or (),
            baseline=baseline,
            write_baseline=write_baseline,
            images=not no_images,
            allow_network=allow_network,
            allow_plugins=plugins,
            all=all_,
            workers=workers,
            on_progress=watch,
        )
    say(rendered(found, form))
    if write_baseline is not None and form == "text":
        say("the findings above are those that were put down: the exit code is 0 where all could be looked at")
    if form == "github":
        add_step_summary(found, os.environ)
    for file in report or ():
        write_report(found, file)
    if write_baseline is not None:
        count = found.errors + found.warnings + found.known
        warn(f"{write_baseline.as_posix()}: {count:,} findings are known from now on; --baseline leaves them out")
        raise typer.Exit(max((target.error_code for target in found.targets), default=0))
    raise typer.Exit(found.exit_code)


def _names(given: list[str] | None) -> list[str] | None:
    """`--select text,images --select id.empty` as one list."""
    return [name.strip() for each in given for name in each.split(",") if name.strip()] if given else None


def _severity(given: str | None, strict: bool) -> Severity | None:
    """The severity to fail on; a wrong word is for the settings to refuse."""
    return "warning" if strict else given  # type: ignore[return-value]
