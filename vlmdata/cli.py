"""The command line: parse arguments, call the API, print, exit. What the commands do is in the API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.terminal import Format, exit_code_of, say, shown_path, warn

if TYPE_CHECKING:
    from vlmdata.progress import Watch

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
    source: Annotated[
        Path,
        typer.Argument(
            help="a table (CSV, JSON, JSON Lines, Parquet, Excel), a folder of images, conversations, or a folder"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="where the recipe goes")] = Path("recipe.yaml"),
    replace: Annotated[bool, typer.Option("--replace", help="overwrite an existing recipe")] = False,
) -> None:
    """Look at a catalog, images or conversations, and write a commented recipe that builds as it is."""
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
    engine: Annotated[str, typer.Option("--engine", help="local, or ray for a cluster")] = "local",
    shard: Annotated[str | None, typer.Option("--shard", metavar="I/N", help="do this shard only; then join")] = None,
    form: FormatOption = Format.text,
) -> None:
    """Build a dataset from a recipe: whole, or not at all. A build that was interrupted goes on where it stopped."""
    import vlmdata

    loaded = vlmdata.load_recipe(recipe, set=parsed_changes(set_))
    if shard is not None:
        with watched(out) as watch:
            done = vlmdata.build_shard(loaded, out, shard, replace=replace, workers=workers, on_progress=watch)
        say(shard_text(shard, done.phase, done.missing, shown_path(out)))
        return
    with watched(out) as watch:
        built = vlmdata.build(loaded, out, replace=replace, workers=workers, engine=engine, on_progress=watch)
    say_built(built.report, out, form)


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="a file or folder of conversations, a saved dataset, a tar …")],
    out: Annotated[Path, typer.Option("--out", help="the dataset's folder")],
    format_: Annotated[
        str, typer.Option("--from", metavar="FORMAT", help="the format; auto looks at the rows")
    ] = "auto",
    image_root: Annotated[
        Path | None, typer.Option("--image-root", help="where image paths start; beside the source by default")
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OWN=HERE", help="a word of the format, and what stands for it here; repeatable"),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="KIND", help="tools, boxes, reasoning, rejected_response, loss …; repeatable"),
    ] = None,
    rebase: Annotated[
        list[str] | None,
        typer.Option("--rebase", metavar="FROM=TO", help="another beginning for image paths, such as gs://b/=images/"),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="the entry of a dataset_info.json")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="the question of images with only a caption")] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", metavar="HOST", help="a host to download images from; repeatable")
    ] = None,
    max_rejected: Annotated[str, typer.Option("--max-rejected", help="rows that may be rejected: 0, 5, 10%")] = "0",
    replace: Annotated[bool, typer.Option("--replace", help="put the new dataset in the place of an old one")] = False,
    workers: Workers = None,
    form: FormatOption = Format.text,
) -> None:
    """Build a dataset from conversations in a known format, without a recipe."""
    from vlmdata.importing import build_import, format_words, import_recipe

    recipe = import_recipe(
        source,
        format=format_,
        image_root=image_root,
        map=parsed_pairs("--map", names),
        drop=drop or (),
        rebase=parsed_pairs("--rebase", rebase),
        dataset=dataset,
        prompt=prompt,
        network=network or (),
        max_rejected=int(max_rejected) if max_rejected.isdecimal() else max_rejected,
    )
    if form is Format.text:
        say(f"format          {format_words(recipe)}")
    with watched(out) as watch:
        built = build_import(recipe, out, replace=replace, workers=workers, on_progress=watch)
    say_built(built.report, out, form)


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


@app.command()
def join(
    out: Annotated[Path, typer.Argument(help="the --out that the shards were built for")],
    replace: Annotated[bool, typer.Option("--replace", help="put the new dataset in the place of an old one")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="only plan the files, for the shards to write")] = False,
    workers: Workers = None,
    form: FormatOption = Format.text,
) -> None:
    """Join the shards of a build and publish the dataset."""
    import vlmdata

    with watched(out) as watch:
        built = vlmdata.join(out, replace=replace, plan_only=plan, workers=workers, on_progress=watch)
    if built is None:
        say(f"the files are planned; run every shard once more, each writes its part; then: vlmdata join {out}")
    else:
        say_built(built.report, out, form)


@contextmanager
def watched(out: Path) -> Iterator[Watch]:
    """A progress line; where the build is interrupted, a word on what is kept."""
    from vlmdata.progress import shown
    from vlmdata.write.staging import GO_ON, is_kept

    try:
        with shown(warn) as watch:
            yield watch
    except KeyboardInterrupt:
        if is_kept(out):
            warn(GO_ON)
        raise


def shard_text(shard: str, phase: str, missing: Sequence[str], out: str) -> str:
    """What a shard has to say at its end."""
    if phase == "write":
        return f"shard {shard}: its files are written; when all are: vlmdata join {out}"
    rest = f"still missing: {'; '.join(missing[:5])}; then" if missing else "nothing is missing;"
    return f"shard {shard}: its rows are scanned; {rest} vlmdata join {out}"


def say_built(report: Mapping[str, Any], out: Path, form: Format) -> None:
    """A build's report, for a person or a program."""
    import vlmdata
    from vlmdata.reports.build_report import terminal_text

    if form is Format.json:
        say(json.dumps(report, indent=2, ensure_ascii=False))
        return
    problems = [vlmdata.Problem(**problem) for problem in report["problems"]]
    say(terminal_text(report, shown_path(out), problems=problems))


def parsed_changes(changes: list[str] | None) -> dict[str, Any]:
    """`--set a.b=1` as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    pairs = [change.partition("=") for change in changes or []]
    wrong = [key for key, sign, _ in pairs if not sign or not key]
    if wrong:
        raise ConfigError(f"--set {wrong[0]}: KEY=VALUE was expected, such as --set source.limit=100")
    return {key.strip(): value for key, _, value in pairs}


def parsed_pairs(option: str, pairs: list[str] | None) -> dict[str, str]:
    """`--map a=b` as a mapping. Raises ConfigError for one without `=`."""
    from vlmdata.errors import ConfigError

    parted = [pair.partition("=") for pair in pairs or []]
    for pair, (key, sign, _) in zip(pairs or [], parted, strict=True):
        if not key or not sign:
            raise ConfigError(f"{option} {pair}: a word, = and another were expected")
    return {key: value for key, _, value in parted}


def main(command: Callable[[], Any] = app) -> None:
    """The entry point: every failure becomes a message and an exit code."""
    sys.exit(exit_code_of(command, name="vlmdata"))


if __name__ == "__main__":
    main()
