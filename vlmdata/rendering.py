"""Rows to prompts, the way a recipe or a built dataset's manifest says it, with no answer needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlmdata.convert.catalog import prompt_messages
from vlmdata.convert.cleaning import cleaned
from vlmdata.convert.image_references import ImageValueError, references
from vlmdata.dataset import read_manifest
from vlmdata.errors import ConfigError, ContractError
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.verifying import Reader, open_reader
from vlmdata.recipe import ConversationTemplate, ImagePlace, Recipe, recipe_from
from vlmdata.recipe_problems import IMAGES
from vlmdata.record import Message, Problem
from vlmdata.settings import nearest
from vlmdata.templates import TemplateError, compile_template, known_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A conversation up to the answer. `images` are the bytes of each image part, in order."""

    id: str
    messages: tuple[Message, ...]
    images: tuple[bytes, ...]


def render(rows: Iterable[Mapping[str, Any]], using: Recipe | str | Path, *, conversation: int = 0) -> Iterator[Prompt]:
    """The prompt of each row by a recipe, or by the manifest of the dataset in a folder.

    A row holds the source's columns; what the templates don't read may be left out. Under the key `images` it may hold
    a list of image files (paths) or bytes; without it they come from the recipe's columns, below its image root.
    Raises ConfigError with all of a row's problems: columns that are missing, images that can't be read.
    """
    recipe = using if isinstance(using, Recipe) else _recipe_of(using)
    if not 0 <= conversation < len(recipe.conversations):
        raise ConfigError(
            f"the recipe makes {len(recipe.conversations)} conversations a row; there is no {conversation}"
        )
    reader = cache(lambda: open_reader(recipe.images))  # opened once, and not where the rows bring their images along
    for number, row in enumerate(rows):
        yield _prompt((number, row), recipe, recipe.conversations[conversation], reader)


def _recipe_of(dataset: str | Path) -> Recipe:
    """The recipe that a dataset's manifest keeps. Raises ContractError where it keeps none."""
    written = read_manifest(dataset).get("recipe")
    if not isinstance(written, dict):
        raise ContractError(f"{dataset}: the manifest holds no recipe, so that there are no templates to render with")
    kept = {key: value for key, value in written.items() if key != "check"}  # which may name rules from outside
    return recipe_from(kept, dataset)


def _prompt(
    numbered: tuple[int, Mapping[str, Any]],
    recipe: Recipe,
    template: ConversationTemplate,
    reader: Callable[[], Reader],
) -> Prompt:
    number, row = numbered
    values = _values(row, recipe)
    name = str(values.get(recipe.id) or number) if recipe.id else str(number)
    problems = list(_missing_columns(values, template))
    images = []
    try:
        images = list(_images(row, values, recipe, reader))
    except ImageReferenceError as error:
        problems.append(Problem(rule=error.rule, message=error.message, hint=error.hint, field=IMAGES))
    except ImageValueError as error:
        problems.append(Problem(rule=error.rule, message=error.message, hint=error.hint, field=error.field))
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        problems.append(Problem(rule="images.missing", message=message, field=IMAGES))
    if problems:
        raise ConfigError(f"row {name!r} can't be rendered", problems)
    try:
        messages = prompt_messages(template, values, len(images))
    except TemplateError as error:
        problem = Problem(rule="text.template", message=error.message, hint=error.hint)
        raise ConfigError(f"row {name!r} can't be rendered", [problem]) from None
    return Prompt(id=name, messages=messages, images=tuple(images))


def _values(row: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """The row's columns as the recipe cleans them, None where a value is missing."""

    def known(value: Any) -> Any:
        return known_value(value, recipe.source.nulls)

    values = {name: known(value) for name, value in row.items() if not _is_image_list(name, value, recipe)}
    return cleaned(values, recipe.clean, known)[0]


def _missing_columns(values: Mapping[str, Any], template: ConversationTemplate) -> Iterator[Problem]:
    texts = [*template.user, *([template.system] if template.system is not None else [])]
    wanted = sorted({name for text in texts if text != IMAGES for name in compile_template(text).names})
    for name in wanted:
        if name not in values:
            hint = nearest(name, list(values)) or f"the prompt reads {', '.join(wanted)}"
            yield Problem(rule="row.column", message=f"the prompt reads the column {name!r}", field=name, hint=hint)


def _images(
    row: Mapping[str, Any], values: Mapping[str, Any], recipe: Recipe, reader: Callable[[], Reader]
) -> Iterator[bytes]:
    if _is_image_list(IMAGES, row.get(IMAGES), recipe):
        for image in row[IMAGES]:
            yield image if isinstance(image, bytes) else Path(image).read_bytes()
        return
    present = [place for place in recipe.images.places if _columns_of(place) <= values.keys()]
    if present:
        named = [reference for place in present for reference in references(values, place, reader().matching)]
        for reference in named[: recipe.images.max]:
            yield reader().read(reference)


def _columns_of(place: ImagePlace) -> Set[str]:
    """The columns that a place reads."""
    if place.column is not None:
        return {place.column}
    return compile_template(place.glob or place.folder or "").names


def _is_image_list(name: str, value: Any, recipe: Recipe) -> bool:
    """Whether a row's entry is its list of images, and not a column that happens to be called so.

    Where the recipe has such a column, a list of bytes or Path objects is still the images themselves.
    """
    if name != IMAGES or not isinstance(value, list | tuple):
        return False
    is_column = any(place.column == IMAGES for place in recipe.images.places)
    return not is_column or all(isinstance(entry, bytes | Path) for entry in value)
