"""Datasets that must stay unseen, opened beside the one that is looked at: built, or what a recipe would build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from vlmdata.boundaries import boundary_of, outside_problems
from vlmdata.built_corpus import BuiltCorpus
from vlmdata.corpus import Corpus
from vlmdata.dataset import verify_contract
from vlmdata.errors import ConfigError, ContractError, RecipeError
from vlmdata.looking import Look
from vlmdata.recipe import load_recipe
from vlmdata.record import Problem
from vlmdata.scanned_corpus import ScanOptions, scanned
from vlmdata.settings import read_settings, refuse
from vlmdata.source import open_source
from vlmdata.targets import RECIPES


@contextmanager
def opened_against(look: Look) -> Iterator[Sequence[Corpus]]:
    """The corpora of `against`. Raises ConfigError, with the path, for one that can't be opened."""
    with ExitStack() as stack:
        yield [stack.enter_context(_opened(path, look)) for path in look.against]


@contextmanager
def _opened(path: Path, look: Look) -> Iterator[Corpus]:
    if path.suffix.lower() in RECIPES:
        settings = read_settings(path)
        boundary = boundary_of(path, look.roots)
        refuse(settings.source, list(outside_problems(settings, path.parent, boundary)), RecipeError)
        recipe = load_recipe(path, allow_plugins=look.plugins)
        options = ScanOptions(
            settings=look.settings, images=look.reads_images, network=look.network, workers=look.workers
        )
        with scanned(recipe, open_source(recipe.source), options, _ignore) as would_be:
            yield replace(would_be, name=path.as_posix())
        return
    try:
        errors = [problem for problem in verify_contract(path) if problem.severity == "error"]
        corpus = BuiltCorpus.open(path)
    except ContractError as error:
        raise ConfigError(f"--against {error.message}", error.problems) from None
    if errors:
        raise ConfigError(f"--against {path.as_posix()}: does not follow the contract", errors)
    yield replace(corpus, name=path.as_posix())


def _ignore(_: Problem, __: bool) -> None:
    """What is wrong with a dataset that must stay unseen is said where it is validated itself."""
