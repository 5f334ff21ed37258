"""recipe.yaml to frozen dataclasses, with every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vlmdata.contract import CONTRACT
from vlmdata.errors import RecipeError
from vlmdata.pixels import PIXEL_LIMIT
from vlmdata.record import Problem
from vlmdata.settings import Place, Settings, check, override, read_settings, refuse, to_dataclass
from vlmdata.templates import TemplateError, compile_expression, compile_template

IMAGES = "images"
"""The word that stands for a row's images in a list of message parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What the dataset's card says of it."""

    name: str = "dataset"
    license: str = "unknown"
    source: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Where the rows come from. `nulls` are cell texts, trimmed, that stand for a missing value."""

    type: Literal["csv"]
    path: Path
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    where: str | None = None
    limit: int | None = None
    nulls: tuple[str, ...] = ("",)
    max_record_lines: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageColumn:
    """A column with image references: one a cell, or several between separators."""

    column: str
    separator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """Where a row's images are, and what is asked of them."""

    root: Path = Path()
    columns: tuple[ImageColumn, ...] = ()
    min: int = 1
    max: int | None = None
    over: Literal["reject", "first"] = "reject"
    verify: Literal["full", "header"] = "full"
    pixel_limit: int = PIXEL_LIMIT
    byte_limit: int = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTemplate:
    """One conversation that each row makes. A part is the word `images` or a Jinja template of text."""

    user: tuple[str, ...]
    assistant: str
    system: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """The shares of the splits, in order, and the seed of the groups' order."""

    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole recipe. Paths are joined to the recipe's folder; `settings` is the file as it was written."""

    settings: Settings
    folder: Path
    source: SourceConfig
    conversations: tuple[ConversationTemplate, ...]
    dataset: DatasetInfo = field(default_factory=DatasetInfo)
    id: str | None = None
    group: str | None = None
    images: ImagesConfig = field(default_factory=ImagesConfig)
    fields: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    split: SplitConfig = field(default_factory=SplitConfig)
    duplicates: Literal["keep", "drop", "reject"] = "keep"
    max_rejected: str | int | float = 0


def load_recipe(path: str | Path, set: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe. `set` puts values over the file's (`{"source.limit": 500}`).

    Raises RecipeError with all problems in `.problems`: YAML, unknown keys, values, templates.
    """
    path = Path(path)
    settings = override(read_settings(path), set or {})
    problems = check(settings, "recipe.v1")
    refuse(settings.source, problems, RecipeError)
    refuse(settings.source, sorted(_deeper_problems(settings), key=lambda problem: problem.line), RecipeError)
    return _recipe(settings, path.parent)


def recipe_from(data: Mapping[str, Any], folder: str | Path = ".") -> Recipe:
    """A recipe from plain data, as a program or a manifest holds it. Raises RecipeError."""
    settings = Settings(source="recipe", data=dict(data))
    refuse(settings.source, check(settings, "recipe.v1"), RecipeError)
    refuse(settings.source, _deeper_problems(settings), RecipeError)
    return _recipe(settings, Path(folder))


def _recipe(settings: Settings, folder: Path) -> Recipe:
    data = dict(settings.data)
    source = dict(data["source"])
    source["path"] = str(folder / source["path"])
    images = dict(data.get("images", {}))
    images["root"] = str(folder / images.get("root", "."))
    images["columns"] = [_image_column(entry) for entry in _listed(images.pop("from", []))]
    split = dict(data.get("split", {"train": 1.0}))
    seed = split.pop("seed", 0)
    conversations = [{**entry, "user": _parts(entry["user"])} for entry in data["conversations"]]
    plain = {**data, "source": source, "images": images, "conversations": conversations}
    plain["split"] = {"shares": {name: float(share) for name, share in split.items()}, "seed": seed}
    plain.update(settings=settings, folder=folder)
    return to_dataclass(Recipe, plain)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _image_column(entry: Any) -> dict[str, Any]:
    return {"column": entry} if isinstance(entry, str) else dict(entry)


def _parts(user: str | list[str]) -> list[str]:
    """A user turn's parts: a plain text has the row's images before it."""
    return [IMAGES, user] if isinstance(user, str) else user


def _deeper_problems(settings: Settings) -> list[Problem]:
    """What a schema can't say: templates that don't compile, shares that don't add up, images used without a source."""
    data = settings.data
    found = [*_dialect_problems(settings), *_template_problems(settings), *_split_problems(settings)]
    has_images = bool(data.get("images", {}).get("from"))
    for index, conversation in enumerate(data["conversations"]):
        count = _parts(conversation["user"]).count(IMAGES)
        place: Place = ("conversations", index, "user")
        if has_images and count == 0:
            message = "the row's images are not in this turn"
            found.append(settings.problem(place, message, rule="recipe.images", hint="put `images` into the list"))
        if not has_images and count and isinstance(conversation["user"], list):
            message = "there are no images: the recipe has no images.from"
            found.append(settings.problem(place, message, rule="recipe.images", hint="name the image columns"))
        if count > 1:
            message = f"`images` stands {count} times in one turn"
            found.append(settings.problem(place, message, rule="recipe.images", hint="put it in once"))
    return found


def _dialect_problems(settings: Settings) -> Iterator[Problem]:
    """A delimiter or quote that no row could be read with."""
    source = settings.data["source"]
    for key in ("delimiter", "quote"):
        if source.get(key) in {"\n", "\r", "\0"}:
            yield settings.problem(("source", key), f"found {source[key]!r}, which ends a line or a file")
    if source.get("quote", '"') == source.get("delimiter", ","):
        yield settings.problem(("source", "quote"), "is the delimiter too", hint='"" where cells are not quoted')


def _template_problems(settings: Settings) -> list[Problem]:
    found = []
    where = settings.data["source"].get("where")
    if where is not None:
        found += _compiled(settings, ("source", "where"), where, compile_expression)
    for index, conversation in enumerate(settings.data["conversations"]):
        place: Place = ("conversations", index)
        for key in ("system", "assistant"):
            if key in conversation:
                found += _compiled(settings, (*place, key), conversation[key], compile_template)
        for text in _parts(conversation["user"]):
            found += _compiled(settings, (*place, "user"), text, compile_template)
        for name, text in conversation.get("tags", {}).items():
            found += _compiled(settings, (*place, "tags", name), text, compile_template)
    return found


def _compiled(settings: Settings, place: Place, text: str, compiler: Any) -> list[Problem]:
    try:
        compiler(text)
    except TemplateError as error:
        return [settings.problem(place, error.message, rule="recipe.template", hint=error.hint)]
    return []


def _split_problems(settings: Settings) -> list[Problem]:
    shares = {name: share for name, share in settings.data.get("split", {}).items() if name != "seed"}
    if "split" in settings.data and not shares:
        return [settings.problem(("split",), "names no split", rule="recipe.split", hint="for example `train: 1.0`")]
    total = sum(shares.values())
    if shares and abs(total - 1) > 1e-6:
        message = f"the shares add up to {total:g}, expected 1"
        return [settings.problem(("split",), message, rule="recipe.split", hint="for example 0.8, 0.1 and 0.1")]
    return []


def portable(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest keeps it: as it was written, so that no machine's paths come in."""
    return {"contract": CONTRACT, **recipe.settings.data}
