"""`init`: a first recipe from what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmdata.terminal import say


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
