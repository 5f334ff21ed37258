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
            help="a table (CSV, JSON, JSON Lines, Parquet, Excel), a folder of images, conversations, or a folder; "
            "with --hub the name of a dataset"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="where the recipe goes")] = Path("recipe.yaml"),
    replace: Annotated[bool, typer.Option("--replace", help="overwrite an existing recipe")] = False,
    hub: Annotated[bool, typer.Option("--hub", help="fetch the first rows of a dataset of the Hub")] = False,
    config: Annotated[str | None, typer.Option("--config", help="with --hub: the dataset's configuration")] = None,
    split: Annotated[str | None, typer.Option("--split", help="with --hub: the split to read")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="with --hub: the commit to read")] = None,
) -> None:
    """Look at a catalog, images or conversations, and write a commented recipe that builds as it is."""
    from vlmdata import draft_hub_recipe, draft_recipe
    from vlmdata.errors import ConfigError, OutputError

    of_hub = {"config": config, "split": split, "revision": revision}
    if not hub and any(of_hub.values()):
        given = ", ".join(f"--{name}" for name, value in of_hub.items() if value)
        raise ConfigError(f"{given}: only with --hub, for a dataset of the Hugging Face Hub")
    if out.exists() and not replace:
        raise OutputError(f"{out}: exists already; --replace overwrites it, --out writes elsewhere")
    if hub:
        draft = draft_hub_recipe(source.as_posix(), **of_hub, recipe_folder=out.parent)
    else:
        draft = draft_recipe(source, recipe_folder=out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draft.text, encoding="utf-8")
    for note in draft.notes:
        say(f"  {note}")
    say(f"-> {out}    read it, then: vlmdata build {out} --out dataset")
