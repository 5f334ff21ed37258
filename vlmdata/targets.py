"""What a path is that a validation is asked about: a dataset, a recipe, conversations, or something a recipe reads.

Hooks pass the files that changed: a table, a photo or a zip file stands for the recipes beside or above it that read
it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlmdata.conversation_options import AUTO, holds_dataset_info
from vlmdata.dataset import split_folders
from vlmdata.recipe_problems import listed
from vlmdata.source.folder_walk import is_image_name, walk
from vlmdata.validation_result import Kind

RECIPES = frozenset({".yaml", ".yml"})
IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif"})
TABLES = frozenset({".csv", ".tsv", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
CONVERSATIONS = frozenset({".jsonl", ".ndjson", ".json", ".parquet", ".arrow", ".tar", ".gz", ".tgz"})
ROWS = TABLES | {".jsonl", ".ndjson", ".json", ".parquet", ".tar"}
LARGEST_RECIPE = 1_000_000
FOLDERS_UP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One thing to look at. `path` is as the user wrote it; `named_by` are other paths that led here; `error` says why
    it can't be looked at, and what to do."""

    path: Path
    kind: Kind
    named_by: tuple[str, ...] = ()
    error: str = ""


def asked_for(paths: Sequence[Path], *, recipes: Sequence[Path] = (), form: str = AUTO) -> list[Asked]:
    """What the paths stand for, in their order, each once. `recipes` are those to look in for what a file belongs to;
    `form` the format of conversations, where it is said."""
    found: dict[tuple[Path, Kind], Asked] = {}
    for path in paths:
        for asked in _asked(path, recipes, form):
            key = (asked.path.resolve(), asked.kind)
            earlier = found.get(key)
            if earlier is None:
                found[key] = asked
            else:
                named = tuple(dict.fromkeys((*earlier.named_by, *asked.named_by)))
                found[key] = Asked(path=earlier.path, kind=earlier.kind, named_by=named, error=earlier.error)
    return list(found.values())


def _asked(path: Path, recipes: Sequence[Path], form: str) -> Iterator[Asked]:
    if form == AUTO and path.suffix.lower() in RECIPES and path.is_file() and not holds_dataset_info(path):
        yield _yaml(path)
    elif (path / "dataset_dict.json").is_file() or (form == AUTO and split_folders(path)):
        yield Asked(path=path, kind="dataset")
    elif not path.exists():
        yield _unknown(path, "there is no such file or folder")
    elif form == AUTO and (readers := [Asked(path=one, kind="recipe") for one in _readers(path, recipes)]):
        yield from (Asked(path=one.path, kind="recipe", named_by=(path.as_posix(),)) for one in readers)
    else:
        yield _by_looks(path, form)


def _yaml(path: Path) -> Asked:
    data = _plain_yaml(path)
    if isinstance(data, dict) and "source" not in data and "model" in data:
        return _unknown(path, "is a run file; vlmtrain preflight looks at it")
    if isinstance(data, dict) and not {"source", "conversations", "images", "contract"} & data.keys():
        return _unknown(path, "is no recipe: it has no `source`")
    return Asked(path=path, kind="recipe")


def _by_looks(path: Path, form: str) -> Asked:
    """Conversations where it may be some; else what it looks like, and the command to use."""
    suffix, shown = path.suffix.lower(), path.as_posix()
    if path.is_dir():
        return _folder(path)
    if path.name == "rejected.jsonl":
        message = "holds rows that a build rejected; mend them, and validate a recipe whose source is of type rejected"
        return _unknown(path, message)
    if suffix in TABLES:
        return _unknown(path, f"is a table that no recipe beside or above it reads; vlmdata init {shown} writes one")
    if suffix in IMAGES:
        message = "is an image that no recipe beside or above it reads; name the recipe, or the dataset that holds it"
        return _unknown(path, message)
    if suffix in CONVERSATIONS or form != AUTO:
        return Asked(path=path, kind="conversations")
    return _unknown(path, "is neither a dataset nor a recipe nor conversations; name one of these")


def _folder(path: Path) -> Asked:
    if (path / "report.json").is_file() and (path / "rejected.jsonl").is_file():
        return _unknown(path, "is what a refused build left: its report.json says why; no dataset is in it")
    if not any(path.iterdir()):
        return _unknown(path, "the folder is empty")
    recipes = sorted(one for one in path.glob("*.y*ml") if _is_recipe(one))
    if recipes:
        return _unknown(path, f"is a folder with a recipe; vlmdata validate {recipes[0].as_posix()}")
    if rowless := _rowless(path):
        return _unknown(path, rowless)
    return Asked(path=path, kind="conversations")


def _rowless(path: Path) -> str:
    """What a folder holds in which there can be no conversations, and what to do; nothing where there may be some."""
    files = [listing.below(name) for listing in walk(path) for name in listing.files if not name.startswith(".")]
    endings = [Path(name).suffix.lower() for name in files]
    if not CONVERSATIONS.isdisjoint(endings):
        return ""
    shown, photos = path.as_posix(), sum(map(is_image_name, (Path(name).name for name in files)))
    tables = [name for name, ending in zip(files, endings, strict=True) if ending in TABLES]
    if tables:
        return f"is a folder with a table, {tables[0]!r}, that no recipe in it reads; vlmdata init {shown} writes one"
    if photos:
        count = "one photo" if photos == 1 else f"{photos:,} photos"
        return (
            f"is a folder with {count} and neither a dataset, a recipe nor conversations; name the recipe that reads "
            f"them, or let vlmdata init {shown} write one, from captions beside them or the names of their folders"
        )
    return ""


def _unknown(path: Path, message: str) -> Asked:
    return Asked(path=path, kind="unknown", error=f"{path.as_posix()}: {message}")


def _readers(path: Path, recipes: Sequence[Path]) -> Iterator[Path]:
    """The recipes that read a file: among those named, else among those in its folder and above it."""
    for recipe in recipes or _recipes_around(path):
        if any(_leads_to(place, path) for place in _places(recipe)):
            yield recipe


def _recipes_around(path: Path) -> Iterator[Path]:
    """Recipes in the folder of a path and above it, up to the repository's root or the current folder."""
    folder = path.absolute().parent
    for place in (folder, *folder.parents)[:FOLDERS_UP]:
        for recipe in sorted(place.glob("*.y*ml")):
            if recipe.suffix in RECIPES and recipe.is_file():
                yield _as_written(recipe)
        if (place / ".git").exists() or place == Path.cwd():
            return


def _as_written(path: Path) -> Path:
    """Relative to the current folder where it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _places(recipe: Path) -> Iterable[Path]:
    """The files and folders that a recipe reads."""
    data = _plain_yaml(recipe)
    source = data.get("source") if isinstance(data, dict) else None
    if not isinstance(source, dict):
        return
    images = data.get("images")
    roots = images.get("root", []) if isinstance(images, dict) else []
    for name in [source.get("path"), *listed(roots)]:
        if isinstance(name, str):
            yield recipe.parent / name
    if not roots and isinstance(images, dict):
        yield recipe.parent


def _leads_to(place: Path, path: Path) -> bool:
    """Whether a place that a recipe reads is a path, or a folder that holds the image or the table of that path."""
    place, path = place.resolve(), path.resolve()
    if place == path or not place.is_dir():
        return place == path
    suffix = path.suffix.lower()
    return (suffix in IMAGES and path.is_relative_to(place)) or (suffix in ROWS and path.parent == place)


def _is_recipe(path: Path) -> bool:
    data = _plain_yaml(path)
    return isinstance(data, dict) and isinstance(data.get("source"), dict)


def _plain_yaml(path: Path) -> Any:
    """A small YAML file's data; None where it is none. What is wrong with it, its own look says."""
    try:
        if path.stat().st_size > LARGEST_RECIPE:
            return None
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
