"""`preflight`: everything that can be known about a training before its weights are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.terminal import FINDINGS, Format, say, shown_path
from vlmtrain.commands.options import FormatOption, Plugins, Set, config_of, progress, say_json, say_report

if TYPE_CHECKING:
    from vlmtrain.config import RunConfig

NAME = "preflight.json"


def preflight(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="a run.yaml, or the folder that sft made of it")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="without a run file: the base model")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="without a run file: the dataset")] = None,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", min=1, help="with --model: budget.max_pixels")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=1, help="with --model: budget.max_length")
    ] = None,
    measure: Annotated[
        int, typer.Option("--measure", metavar="N", min=0, help="really run N steps here, and say what all would take")
    ] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="where preflight.json goes")] = None,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Measure every row, its labels, steps and memory before any training. Exit code 1 where sft would refuse."""
    from vlmdata.errors import ConfigError

    config = None if run is None else config_of(run, set_, plugins)
    given = [name for name, value in (("--model", model), ("--data", data)) if value is not None]
    if config is None and len(given) < 2:
        raise ConfigError("preflight: name a run file, or --model and --data")
    wrong = given + [name for name, value in (("--max-pixels", max_pixels), ("--max-length", max_length)) if value]
    if config is not None and wrong:
        raise ConfigError(f"preflight: {wrong[0]} is for a preflight without a run file; with one, use --set")
    if config is None and set_:
        raise ConfigError("preflight: --set changes a run file, and there is none")
    with progress() as tell:
        from vlmtrain.preflight_result import as_data, write_preflight
        from vlmtrain.preflighting import preflight as look

        result = look(
            config,
            model=model,
            data=data,
            max_pixels=max_pixels,
            max_length=max_length,
            measure=measure,
            on_progress=tell,
        )
        file = write_preflight(result, out or _beside(config))
    if form is Format.json:
        say_json(as_data(result))
    else:
        from vlmtrain.report_preflight import preflight_report

        say_report(preflight_report(result))
        say(f"-> {shown_path(file)}")
    if not result.passed:
        raise typer.Exit(FINDINGS)


def _beside(config: RunConfig | None) -> Path:
    """Beside the run's output folder; here where there is no run."""
    return Path(NAME) if config is None else config.output.with_name(f"{config.output.name}.{NAME}")
