"""`describe`: texts for the rows that have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmdata.commands.options import FormatOption, Plugins, Set, parsed_changes
from vlmdata.terminal import FINDINGS, Format, say, warn

if TYPE_CHECKING:
    from vlmdata.recipe import Recipe


def describe(
    recipe: Annotated[Path, typer.Argument(help="recipe.yaml, with describe:")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what would be asked, and about its cost")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", metavar="AMOUNT", help="the most that the journal's answers may cost together"),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="ask again where the answer was rejected, or never came")
    ] = False,
    redo: Annotated[
        str | None, typer.Option("--redo", metavar="RULE", help="ask again where this rule rejected the answer")
    ] = None,
    batch: Annotated[
        bool | None, typer.Option("--batch/--no-batch", help="by the Batch API: later, for about half the price")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="ask for at most N rows")] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="another address than the provider's own")
    ] = None,
    key_variable: Annotated[
        str | None, typer.Option("--key-variable", metavar="NAME", help="the environment variable that holds the key")
    ] = None,
    set_: Set = None,
    plugins: Plugins = False,
    form: FormatOption = Format.text,
) -> None:
    """Have the descriptions written that rows lack, from their images and values. What was answered is never asked
    again."""
    import vlmdata
    from vlmdata.describe_words import run_data, run_text
    from vlmdata.progress import shown

    loaded = vlmdata.load_recipe(recipe, set=parsed_changes(set_), allow_plugins=plugins)
    if dry_run:
        say_estimate(loaded, batch, limit, form)
        return
    with shown(warn) as watch:
        result = vlmdata.describe(
            loaded,
            max_cost=max_cost,
            retry_failed=retry_failed,
            redo=redo,
            batch=batch,
            limit=limit,
            endpoint=endpoint,
            key_variable=key_variable,
            on_progress=watch,
        )
    if form is Format.json:
        say(json.dumps(run_data(result), indent=2, ensure_ascii=False))
    else:
        say(run_text(result, recipe.as_posix()))
    if result.stopped == "interrupted":
        raise KeyboardInterrupt
    if result.stopped is not None:
        raise typer.Exit(FINDINGS)


def say_estimate(recipe: Recipe, batch: bool | None, limit: int | None, form: Format) -> None:
    """What a run would come to."""
    from vlmdata.describe_estimate import estimate_descriptions
    from vlmdata.describe_words import estimate_data, estimate_text

    found = estimate_descriptions(recipe, batch=batch, limit=limit)
    if form is Format.json:
        say(json.dumps(estimate_data(found), indent=2, ensure_ascii=False))
    else:
        say(estimate_text(found))
