"""`build`, `import` and `join`: everything that ends with a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmdata.commands.options import FormatOption, Plugins, Replace, Set, Workers, parsed_changes, parsed_pairs
from vlmdata.terminal import Format, say, shown_path, warn

if TYPE_CHECKING:
    from vlmdata.progress import Watch


def build(
    recipe: Annotated[Path, typer.Argument(help="recipe.yaml")],
    out: Annotated[Path, typer.Option("--out", help="the dataset's folder")] = Path("dataset"),
    replace: Replace = False,
    set_: Set = None,
    workers: Workers = None,
    engine: Annotated[str, typer.Option("--engine", help="local, or ray for a cluster")] = "local",
    shard: Annotated[str | None, typer.Option("--shard", metavar="I/N", help="do this shard only; then join")] = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Build a dataset from a recipe: whole, or not at all. A build that was interrupted goes on where it stopped."""
    import vlmdata

    loaded = vlmdata.load_recipe(recipe, set=parsed_changes(set_), allow_plugins=plugins)
    if shard is not None:
        with watched(out) as watch:
            done = vlmdata.build_shard(loaded, out, shard, replace=replace, workers=workers, on_progress=watch)
        say(shard_text(shard, done.phase, done.missing, shown_path(out)))
        return
    with watched(out) as watch:
        built = vlmdata.build(loaded, out, replace=replace, workers=workers, engine=engine, on_progress=watch)
    say_built(built.report, out, form)


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
    replace: Replace = False,
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


def join(
    out: Annotated[Path, typer.Argument(help="the --out that the shards were built for")],
    replace: Replace = False,
    plan: Annotated[bool, typer.Option("--plan", help="only plan the files, for the shards to write")] = False,
    plugins: Plugins = False,
    workers: Workers = None,
    form: FormatOption = Format.text,
) -> None:
    """Join the shards of a build and publish the dataset."""
    import vlmdata

    with watched(out) as watch:
        built = vlmdata.join(
            out, replace=replace, plan_only=plan, allow_plugins=plugins, workers=workers, on_progress=watch
        )
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
