"""The command line: parse arguments, call the API, print, exit. What the commands do is in the API."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.terminal import Format, exit_code_of, say, shown_path
from vlmtrain.quiet import quiet_environment

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vlmtrain.config import RunConfig
    from vlmtrain.run import SftResult

Progress = Callable[[str], None]

app = typer.Typer(
    name="vlmtrain",
    help="Fine-tune, measure and merge vision-language models on a dataset of vlmdata.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run.yaml, or the folder that sft made of it")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="put a value over the file's; repeatable")
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for a person, json for a program")]
Replace = Annotated[bool, typer.Option("--replace", help="put the new folder in the place of an old one")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False) -> None:
    """Fine-tune, measure and merge vision-language models on a dataset of vlmdata."""
    if version:
        from vlmdata.version import __version__

        say(f"vlmtrain {__version__}")
        raise typer.Exit


@app.command()
def sft(run: Run, replace: Replace = False, set_: Set = None, form: FormatOption = Format.text) -> None:
    """Fine-tune an adapter: nf4 base, LoRA, the loss on answers only."""
    import vlmtrain

    config = _config(run, set_)
    with _progress() as tell:
        result = vlmtrain.sft(config, replace=replace, on_progress=tell)
    if form is Format.json:
        _say_json({"output": shown_path(result.output), "adapter": shown_path(result.adapter), **_training(result)})
    else:
        say("\n".join(sft_lines(result)))


@app.command("eval")
def evaluate(
    run: Run,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="only the first rows of the split")] = None,
    swap: Annotated[bool, typer.Option("--swap/--no-swap", help="ask again with the photos swapped")] = True,
    set_: Set = None,
    form: FormatOption = Format.text,
) -> None:
    """Measure base against adapter on the held-out split."""
    import vlmtrain

    config = _config(run, set_)
    with _progress() as tell:
        result = vlmtrain.evaluate(config, controls=("swap",) if swap else (), limit=limit, on_progress=tell)
    if form is Format.json:
        from vlmtrain.evaluation import as_data

        _say_json(as_data(result))
    else:
        from vlmtrain.report import eval_report

        _say_report(eval_report(result))


@app.command()
def merge(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="the merged model's folder")],
    replace: Replace = False,
    rows: Annotated[int, typer.Option("--rows", min=0, help="held-out rows on which agreement is measured")] = 32,
    set_: Set = None,
    form: FormatOption = Format.text,
) -> None:
    """Merge the adapter into its base, and measure that the merged model answers the same."""
    import vlmtrain

    config = _config(run, set_)
    with _progress() as tell:
        result = vlmtrain.merge(config, out, replace=replace, agreement_rows=rows, on_progress=tell)
    if form is Format.json:
        _say_json({**dataclasses.asdict(result), "path": shown_path(result.path)})
    else:
        from vlmtrain.report import merge_report

        _say_report(merge_report(result))


@app.command()
def generate(
    run: Run,
    ids: Annotated[list[str] | None, typer.Option("--id", help="a row of the dataset; repeatable")] = None,
    images: Annotated[list[Path] | None, typer.Option("--image", help="a photo of a new row; repeatable")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="KEY=VALUE", help="a column of a new row; repeatable")
    ] = None,
    base: Annotated[bool, typer.Option("--base", help="ask the base model, without the adapter")] = False,
    set_: Set = None,
    form: FormatOption = Format.text,
) -> None:
    """Answer for one row: of the dataset by its id, or a new one by photos and fields."""
    import vlmtrain

    config = _config(run, set_)
    row = {**_pairs("--field", fields), **({"images": images} if images else {})}
    with _progress() as tell:
        answers = vlmtrain.generate(config, [row] if row else [], ids=ids or (), base=base, on_progress=tell)
    if form is Format.json:
        _say_json([dataclasses.asdict(answer) for answer in answers])
    elif len(answers) == 1:
        say(answers[0].text)
    else:
        say("\n".join(f"{answer.id}: {answer.text}" for answer in answers))


def sft_lines(result: SftResult) -> Iterator[str]:
    """What a training came to, in lines that a person reads."""
    trained = result.training
    share = trained.parameters_trained / max(trained.parameters, 1)
    yield f"trained     {trained.steps:,} steps, {trained.rows_seen:,} rows, loss {trained.final_loss:.4f}"
    yield f"tokens      {trained.tokens_seen:,} seen, {trained.tokens_learned:,} of them learned"
    yield f"adapter     {trained.parameters_trained:,} parameters trained ({share:.1%} of {trained.parameters:,})"
    yield f"memory      {trained.peak_memory_bytes / 2**30:.2f} GiB at most, of {trained.peak_memory_of}"
    cost = "" if trained.cost is None else f", {trained.cost:,.4f} {trained.currency}"
    yield f"time        {trained.seconds:,.1f} s{cost}"
    yield f"-> {shown_path(result.output)}    measure it: vlmtrain eval {shown_path(result.output)}"


def _training(result: SftResult) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(result.training).items() if key != "history"}


def _config(run: Path, changes: list[str] | None) -> RunConfig:
    """The run, checked before anything heavy is imported."""
    from vlmtrain.config import load_run

    return load_run(run, set=_pairs("--set", changes))


def _pairs(option: str, given: list[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` options as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    pairs = [each.partition("=") for each in given or []]
    wrong = [key for key, sign, _ in pairs if not sign or not key]
    if wrong:
        raise ConfigError(f"{option} {wrong[0]}: KEY=VALUE was expected")
    return {key.strip(): value for key, _, value in pairs}


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """What is going on: the last line on a terminal; nothing where the output goes to a file."""
    _require_libraries()
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text("loading"), spinner="line") as status:
        yield lambda line: status.update(Text(line))


def _require_libraries() -> None:
    """Raise MissingPackageError with the install command where training's libraries are missing."""
    from importlib.util import find_spec

    from vlmdata.errors import MissingPackageError

    needed = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "safetensors")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"{', '.join(missing)} not installed: pip install 'vlmdata[train]'")


def _say_json(data: Any) -> None:
    say(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _say_report(report: RenderableType) -> None:
    from vlmtrain.report import as_text

    say(as_text(report).rstrip())


def main(command: Callable[[], Any] = app) -> None:
    """The entry point: every failure becomes a message and an exit code."""
    quiet_environment()
    sys.exit(exit_code_of(command, name="vlmtrain"))


if __name__ == "__main__":
    main()
