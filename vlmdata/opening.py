"""The reader of a recipe's images, with all that a build lends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vlmdata.earlier import known_images
from vlmdata.image.spool import FileSpool
from vlmdata.image.verifying import Reader, open_reader
from vlmdata.recipe import Recipe


def refuse_missing_roots(recipe: Recipe) -> None:
    """Raise SourceError where an image root is not there."""
    open_reader(recipe.images)


@contextmanager
def reader_of(recipe: Recipe, *, spool: Path, earlier: Path | None = None) -> Iterator[Reader]:
    """A reader that may download what the recipe's `network` lists, puts bytes aside in the folder `spool`, and takes
    from the dataset `earlier` what is known of images that it holds too."""
    with ExitStack() as opened:
        download = None
        if recipe.network:
            from vlmdata.image.download import open_downloader

            downloader = open_downloader(recipe.network, byte_limit=recipe.images.byte_limit, environ=os.environ)
            download = opened.enter_context(downloader)
        known = known_images(earlier) if earlier is not None and recipe.images.verify == "full" else None
        yield open_reader(recipe.images, spool=FileSpool(spool), download=download, known=known)
