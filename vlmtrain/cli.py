"""The command line: parse arguments, call the API, print, exit. What the commands do is in the API."""

from __future__ import annotations

import dataclasses
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.terminal import Format, exit_code_of, say, shown_path, warn
from vlmtrain.commands import checking_up, evaluating, exporting, generating, inspecting, merging, preflight, pushing
from vlmtrain.commands.options import (
    FormatOption,
    Plugins,
    Run,
    Set,
    config_of,
    progress,
    say_json,
)
from vlmtrain.quiet import quiet_environment

if TYPE_CHECKING:
    from vlmtrain.config import RunConfig
    from vlmtrain.run import SftResult

app = typer.Typer(
    name="vlmtrain",
    help="Fine-tune, measure and merge vision-language models on a dataset of vlmdata.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Replace = Annotated[bool, typer.Option("--replace", help="put the new folder in the place of an old one")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False) -> None:
    """Fine-tune, measure and merge vision-language models on a dataset of vlmdata."""
    if version:
        from vlmdata.version import __version__

        say(f"vlmtrain {__version__}")
        raise typer.Exit


@app.command()
def sft(
    run: Run,
    replace: Replace = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with a training that was interrupted, from its last checkpoint")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="train though preflight fails, without the rows that can't be taken")
    ] = False,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Fine-tune an adapter: nf4 base, LoRA, the loss on answers only. Ctrl-C saves first; --resume goes on."""
    import vlmtrain
    from vlmtrain import processes
    from vlmtrain.held_out import not_held_out
    from vlmtrain.run_problems import is_commit

    with processes.one_voice():
        config = config_of(run, set_, plugins)
    with _saved_on_interrupt(run, set_ or [], config), processes.one_voice(), progress() as tell:
        alone = processes.launched_as_one()
        if alone:
            warn(alone)
        if processes.is_first() and (undone := not_held_out(config)):
            warn(f"held out: {undone}")
        result = vlmtrain.sft(config, replace=replace, resume=resume, force=force, on_progress=tell)
    if not processes.is_first():
        return
    if form is Format.json:
        about = {"output": shown_path(result.output), "base_commit": result.base_commit}
        say_json({**about, **_made(result), **_training(result)})
    else:
        say("\n".join(sft_lines(result)))
    if result.base_commit is not None and not is_commit(config.model.revision):
        warn(f"the base may change on the Hub; to pin the base: model.revision: {result.base_commit}")


app.command("eval")(evaluating.evaluate)
app.command()(evaluating.compare)
app.command()(exporting.export)
app.command()(merging.merge)
app.command()(generating.generate)
app.command()(inspecting.inspect)
app.command()(preflight.preflight)
app.command()(pushing.push)
app.command()(checking_up.doctor)


@contextmanager
def _saved_on_interrupt(run: Path, changes: Sequence[str], config: RunConfig) -> Iterator[None]:
    """Where a training ends early with a checkpoint kept, say how to go on; a run that was refused has said so."""
    from vlmtrain.errors import RunError
    from vlmtrain.publishing import stage_of
    from vlmtrain.run import has_checkpoint

    try:
        yield
    except BaseException as error:
        refused = isinstance(error, SystemExit | RunError)
        if not refused and has_checkpoint(stage_of(config.output.absolute())):
            words = [shown_path(run), *(word for change in changes for word in ("--set", change)), "--resume"]
            warn(f"the training so far is saved; go on with: vlmtrain sft {shlex.join(words)}")
        raise


def sft_lines(result: SftResult) -> Iterator[str]:
    """What a training came to, in lines that a person reads."""
    from vlmtrain.report_preflight import row_lines

    trained = result.training
    for name, split in result.preflight.splits.items():
        yield from (f"{what}: {rows}" for what, rows in row_lines(name, split.left_out, split.shrunk))
    if not result.preflight.passed:
        yield "forced      preflight had failed; train.json says so"
    share = trained.parameters_trained / max(trained.parameters, 1)
    loss = "" if math.isnan(trained.final_loss) else f", loss {trained.final_loss:.4f}"
    yield f"trained     {trained.steps:,} steps, {trained.rows_seen:,} rows{loss}"
    if trained.stopped:
        yield f"stopped     by train.{trained.stopped} at step {trained.steps:,} of {trained.steps_planned or 0:,}"
    if trained.best_step is not None:
        measured = "" if trained.best_loss is None else f", the lowest validation loss: {trained.best_loss:.4f}"
        yield f"kept        step {trained.best_step:,}{measured}"
    yield f"tokens      {trained.tokens_seen:,} seen, {trained.tokens_learned:,} of them learned"
    what = "adapter" if result.adapter else "model"
    yield f"{what:12}{trained.parameters_trained:,} parameters trained ({share:.1%} of {trained.parameters:,})"
    yield f"memory      {trained.peak_memory_bytes / 2**30:.2f} GiB at most, of {trained.peak_memory_of}"
    cost = "" if trained.cost is None else f", {trained.cost:,.4f} {trained.currency}"
    yield f"time        {trained.seconds:,.1f} s{cost}"
    measure = f"    measure it: vlmtrain eval {shown_path(result.output)}" if result.can_evaluate else ""
    yield f"-> {shown_path(result.output)}{measure}"


def _made(result: SftResult) -> dict[str, str | None]:
    made = {"adapter": result.adapter, "model": result.model}
    return {name: None if path is None else shown_path(path) for name, path in made.items()}


def _training(result: SftResult) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(result.training).items() if key != "history"}


def main(command: Callable[[], Any] = app) -> None:
    """The entry point: every failure becomes a message and an exit code."""
    quiet_environment()
    sys.exit(exit_code_of(command, name="vlmtrain"))


if __name__ == "__main__":
    main()
