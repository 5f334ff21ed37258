"""A look at what a recipe, or conversations in others' formats, would become: everything short of writing it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vlmdata.boundaries import Boundary, boundary_of, outside_files, outside_problems
from vlmdata.check_files import recipe_layers
from vlmdata.errors import ConfigError, RecipeError
from vlmdata.importing import import_recipe
from vlmdata.looking import Look
from vlmdata.protocols import Source
from vlmdata.recipe import Recipe, load_recipe
from vlmdata.record import Problem
from vlmdata.scanned_corpus import ScannedCorpus, ScanOptions, scanned
from vlmdata.settings import Settings, read_settings, refuse
from vlmdata.source import open_source
from vlmdata.whole_checks import Whole

NOT_CHECKED = "network.not_checked"


def look_at_recipe(look: Look) -> None:
    """Scan a recipe's rows. Raises what is wrong with the recipe or its source."""
    boundary = boundary_of(look.path, look.roots)
    settings = read_settings(look.path)
    folder = look.path.parent
    look.looked.sources[settings.source] = look.path.as_posix()
    look.looked.sources[look.path.name] = look.path.as_posix()
    refuse(settings.source, list(outside_problems(settings, folder, boundary)), RecipeError)
    _refuse_bad_extends(look, settings, boundary)
    recipe = load_recipe(look.path, allow_plugins=look.plugins)
    look.settle(recipe_layers(recipe.settings, folder, allow_plugins=look.plugins))
    _look_at(look, recipe, boundary)


def _refuse_bad_extends(look: Look, settings: Settings, boundary: Boundary) -> None:
    """Raise RecipeError where settings that a recipe extends can't be read, or must not be."""
    if isinstance(settings.data.get("check"), dict) and "extends" in settings.data["check"]:
        try:
            recipe_layers(settings, look.path.parent, boundary.holds, allow_plugins=look.plugins)
        except ConfigError as error:
            raise RecipeError(error.message, error.problems) from None


def look_at_conversations(look: Look, form: str, image_root: str | Path | None) -> None:
    """Scan conversations as an import would read them. Raises what is wrong with them."""
    recipe = import_recipe(look.path, format=form, image_root=image_root)
    named = (look.path.resolve() if look.path.is_dir() else look.path.resolve().parent,)
    _look_at(look, recipe, Boundary((*named, *boundary_of(look.path, look.roots).folders)))


def _look_at(look: Look, recipe: Recipe, boundary: Boundary) -> None:
    if recipe.source.type == "hub" and not look.network:
        look.collector.add(_on_the_hub(recipe))
        return
    source = open_source(recipe.source)
    refuse(recipe.settings.source, list(outside_files(source.files, boundary)), RecipeError)
    look.looked.sources.update(_sources(source))
    look.not_looked_at()
    options = ScanOptions(
        settings=look.settings,
        images=look.reads_images,
        network=look.network,
        workers=look.workers,
        watch=look.watch,
    )
    with scanned(recipe, source, options, look.collector.add) as corpus:
        _note(look, recipe, corpus)
        whole = Whole.of(corpus, look)
        for split, batch in corpus.batches():
            look.looked.images += len(batch.column("image_info").flatten()) if look.reads_images else 0
            whole.see(split, batch)
        whole.finish()


def _note(look: Look, recipe: Recipe, corpus: ScannedCorpus) -> None:
    """Put down what was counted, and what was left unread."""
    looked, ledger = look.looked, corpus.ledger
    looked.rows = ledger.rows_read
    looked.splits.update(ledger.splits)
    if corpus.unread:
        look.collector.add(_on_the_network(recipe, corpus))


def _on_the_network(recipe: Recipe, corpus: ScannedCorpus) -> Problem:
    total, hosts = sum(corpus.unread.values()), sorted(corpus.unread)
    shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    return _not_checked(
        recipe, f"{total:,} image{'s' if total != 1 else ''} on {shown} not looked at, since nothing is downloaded"
    )


def _on_the_hub(recipe: Recipe) -> Problem:
    name = str(recipe.source.options.get("dataset", ""))
    return _not_checked(recipe, f"{name!r} is on the Hub and was not looked at, since nothing is downloaded")


def _not_checked(recipe: Recipe, message: str) -> Problem:
    problem = recipe.settings.problem(("network",), message, rule=NOT_CHECKED, hint="--allow-network downloads them")
    return replace(problem, severity="warning")


def _sources(source: Source) -> Iterator[tuple[str, str]]:
    """From the name that rows call their file to its path from the current folder, where the name says which it is."""
    names = [file.name for file in source.files]
    for file in source.files:
        if names.count(file.name) == 1:
            yield file.name, _from_here(file)


def _from_here(path: Path) -> str:
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()
