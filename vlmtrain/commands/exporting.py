"""`vlmtrain export`: an evaluation as other tools read it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vlmdata.terminal import say, shown_path
from vlmtrain.commands.options import Run, Set, config_of


class Target(str, Enum):
    """What reads it."""

    vlmevalkit = "vlmevalkit"
    lmms_eval = "lmms-eval"


def export(
    run: Run,
    to: Annotated[Target, typer.Option("--to", help="vlmevalkit: a TSV of rows and answers; lmms-eval: a task")],
    out: Annotated[Path, typer.Option("--out", help="the TSV, or the folder of the task")],
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="whose answers; the last one's without it")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="the task's name")] = "held_out",
    replace: Annotated[bool, typer.Option("--replace", help="put the new one in the place of an old one")] = False,
    set_: Set = None,
) -> None:
    """Write the held-out rows with a candidate's answers for VLMEvalKit, or as a task for lmms-eval."""
    from vlmdata.errors import OutputError
    from vlmtrain.exporting import export_predictions, export_task

    config = config_of(run, set_, plugins=False)
    if out.exists() and not replace:
        raise OutputError(f"{shown_path(out)}: exists; name another place, or give --replace")
    if to is Target.vlmevalkit:
        rows = export_predictions(config, out, candidate)
        say(f"{rows:,} rows with their answers -> {shown_path(out)}")
    else:
        task, utils = export_task(config, out, name)
        say(f"-> {shown_path(task)}, {shown_path(utils)}")
        say(f"   python -m lmms_eval --include_path {shown_path(out)} --tasks {name} --model ...")
