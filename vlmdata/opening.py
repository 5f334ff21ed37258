"""The reader of a recipe's images, with all that a build lends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.convert.catalog import column_hint, columns_missing
from vlmdata.earlier import known_images
from vlmdata.errors import RecipeError, SourceError
from vlmdata.image.spool import FileSpool
from vlmdata.image.verifying import Reader, open_reader
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe
from vlmdata.settings import refuse

WITH_COLUMNS = ("conversations", "multi_image", "mmiu")
"""Sources that make their own conversations of rows whose keys a recipe may name as tags."""


def refuse_missing_roots(recipe: Recipe) -> None:
    """Raise SourceError where an image root is not there."""
    open_reader(recipe.images)


def refuse_odd_names(source: Source) -> None:
    """Raise SourceError for a file whose name is no text, and could not stand in the dataset as its rows' origin."""
    for file in source.files:
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{str(file)!a}: the file's name is not UTF-8; give it another") from None


def check_columns(recipe: Recipe, source: Source) -> None:
    """Raise RecipeError for every column that the recipe's templates name and the source has not."""
    if not recipe.conversations and recipe.source.type not in WITH_COLUMNS:
        return
    columns = list(source.columns)
    problems = [
        recipe.settings.problem(
            place,
            f"the source has no column {name!r}",
            rule="recipe.unknown_column",
            hint=column_hint(recipe, name, columns),
        )
        for place, name in columns_missing(recipe, columns)
    ]
    refuse(recipe.settings.source, problems, RecipeError)


@contextmanager
def reader_of(
    recipe: Recipe,
    *,
    spool: Path | None,
    earlier: Path | None = None,
    offline: bool = False,
    settings: CheckSettings = DEFAULT,
) -> Iterator[Reader]:
    """A reader that may download what the recipe's `network` lists, puts bytes aside in the folder `spool`, where there
    is one, and takes from the dataset `earlier` what is known of images that it holds too. `offline`: of what is on the
    network it reads only what was kept. `settings` say what is to be warned of."""
    with ExitStack() as opened:
        download = None
        if recipe.network:
            from vlmdata.image.download import OFFLINE_VARIABLES, open_downloader

            environ = {**os.environ, OFFLINE_VARIABLES[0]: "1"} if offline else os.environ
            downloader = open_downloader(recipe.network, byte_limit=recipe.images.byte_limit, environ=environ)
            download = opened.enter_context(downloader)
        known = known_images(earlier) if earlier is not None and recipe.images.verify == "full" else None
        kept = FileSpool(spool) if spool is not None else None
        yield open_reader(recipe.images, spool=kept, download=download, known=known, settings=settings)
