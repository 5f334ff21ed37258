"""`merge`: the adapter folded into its base."""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.terminal import FINDINGS, Format, shown_path, warn
from vlmtrain import processes
from vlmtrain.commands.options import FormatOption, Plugins, Run, Set, config_of, progress, say_json, say_report


class OntoOption(str, Enum):
    """What the adapter is added to."""

    trained = "trained"
    bf16 = "bf16"


def merge(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="the merged model's folder")],
    onto: Annotated[
        OntoOption,
        typer.Option("--onto", help="the weights it was trained on, dequantised, or the base's own in bf16"),
    ] = OntoOption.trained,
    replace: Annotated[bool, typer.Option("--replace", help="put the new folder in the place of an old one")] = False,
    rows: Annotated[int, typer.Option("--rows", min=0, help="held-out rows on which agreement is measured")] = 32,
    min_agreement: Annotated[
        float | None, typer.Option("--min-agreement", metavar="SHARE", help="exit code 1 below this share, 0 to 1")
    ] = None,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Merge the adapter into its base, and measure that the merged model answers the same."""
    import vlmtrain

    processes.refuse_several("merge")
    config = config_of(run, set_, plugins)
    with progress() as tell:
        result = vlmtrain.merge(
            config,
            out,
            onto=onto.value,
            replace=replace,
            agreement_rows=rows,
            min_agreement=min_agreement,
            on_progress=tell,
        )
    if form is Format.json:
        say_json({**dataclasses.asdict(result), "path": shown_path(result.path), "refusal": result.refusal})
    else:
        from vlmtrain.report import merge_report

        say_report(merge_report(result))
    if result.refusal:
        warn(f"merge: {result.refusal}; the folder stands in {shown_path(out)} all the same")
        raise typer.Exit(FINDINGS)
