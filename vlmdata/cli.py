"""The command line: parse arguments, call the API, print, exit. What the commands do is in the API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.terminal import Format, exit_code_of, say, shown_path

if TYPE_CHECKING:
    from vlmdata.pipeline import Progress

app = typer.Typer(
    name="vlmdata",
    help="Raw rows and images to a validated conversational dataset. Nothing is lost silently.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="put a value over the file's; repeatable")
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for a person, json for a program")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="threads; the machine's cores by default")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False) -> None:
    """Raw rows and images to a validated conversational dataset. Nothing is lost silently."""
    if version:
        from vlmdata.version import __version__

        say(f"vlmdata {__version__}")
        raise typer.Exit


@app.command()
def init(
    source: Annotated[Path, typer.Argument(help="a CSV file, or the folder that holds it")],
    out: Annotated[Path, typer.Option("--out", help="where the recipe goes")] = Path("recipe.yaml"),
    replace: Annotated[bool, typer.Option("--replace", help="overwrite an existing recipe")] = False,
) -> None:
    """Look at a catalog and write a commented recipe that builds as it is."""
    from vlmdata import draft_recipe
    from vlmdata.errors import OutputError

    draft = draft_recipe(source, recipe_folder=out.parent)
    if out.exists() and not replace:
        raise OutputError(f"{out}: exists already; --replace overwrites it, --out writes elsewhere")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draft.text, encoding="utf-8")
    for note in draft.notes:
        say(f"  {note}")
    say(f"-> {out}    read it, then: vlmdata build {out} --out dataset")


@app.command()
def build(
    recipe: Annotated[Path, typer.Argument(help="recipe.yaml")],
    out: Annotated[Path, typer.Option("--out", help="the dataset's folder")] = Path("dataset"),
    replace: Annotated[bool, typer.Option("--replace", help="put the new dataset in the place of an old one")] = False,
    set_: Set = None,
    workers: Workers = None,
    form: FormatOption = Format.text,
) -> None:
    """Build a dataset from a recipe: whole, or not at all."""
    import vlmdata
    from vlmdata.reports.build_report import terminal_text

    loaded = vlmdata.load_recipe(recipe, set=parsed_changes(set_))
    with progress_shown() as progress:
        built = vlmdata.build(loaded, out, replace=replace, workers=workers, on_progress=progress)
    if form is Format.json:
        say(json.dumps(built.report, indent=2, ensure_ascii=False))
        return
    problems = [vlmdata.Problem(**problem) for problem in built.report["problems"]]
    say(terminal_text(built.report, loaded.source.path.name, shown_path(out), problems=problems))


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="a built dataset")],
    form: FormatOption = Format.text,
    strict: Annotated[bool, typer.Option("--strict", help="fail on warnings too")] = False,
    workers: Workers = None,
) -> None:
    """Look at every record and image of a dataset; exit with 1 where something is wrong."""
    import vlmdata
    from vlmdata.reports.validation_report import as_dict, terminal_text

    found = vlmdata.validate(path, workers=workers)
    if form is Format.json:
        say(json.dumps(as_dict(found), indent=2, ensure_ascii=False))
    else:
        say(terminal_text(found))
    if found.failed("warning" if strict else "error"):
        raise typer.Exit(1)


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(help="such as record.v1; without it, the names are listed")] = None,
) -> None:
    """Print a JSON Schema of the contract."""
    from vlmdata import schema as schema_of
    from vlmdata.contract import SCHEMAS
    from vlmdata.errors import ConfigError
    from vlmdata.settings import nearest

    if name is None:
        say("\n".join(SCHEMAS))
        return
    wanted = name.removesuffix(".json")
    if wanted not in SCHEMAS:
        hint = nearest(wanted, SCHEMAS) or f"known: {', '.join(SCHEMAS)}"
        raise ConfigError(f"there is no schema {name!r}; {hint}")
    say(json.dumps(schema_of(wanted), indent=2, ensure_ascii=False))


def parsed_changes(changes: list[str] | None) -> dict[str, Any]:
    """`--set a.b=1` as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    pairs = [change.partition("=") for change in changes or []]
    wrong = [key for key, sign, _ in pairs if not sign or not key]
    if wrong:
        raise ConfigError(f"--set {wrong[0]}: KEY=VALUE was expected, such as --set source.limit=100")
    return {key.strip(): value for key, _, value in pairs}


@contextmanager
def progress_shown() -> Iterator[Progress | None]:
    """A progress line on a terminal; nothing where the output goes to a file."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks = {
            "scan": shown.add_task("rows read, images verified", total=None),
            "write": shown.add_task("files written", total=None),
        }
        yield lambda phase, done, total: shown.update(tasks[phase], completed=done, total=total)


def main(command: Callable[[], Any] = app) -> None:
    """The entry point: every failure becomes a message and an exit code."""
    sys.exit(exit_code_of(command, name="vlmdata"))


if __name__ == "__main__":
    main()
