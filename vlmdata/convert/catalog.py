"""A catalog's row to conversations: cleaning, conditions, image references, templates, tags and fields."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlmdata.convert.cleaning import cleaned
from vlmdata.convert.image_references import ImageValueError, place_name, references
from vlmdata.protocols import CatalogRow, Described, Tools
from vlmdata.recipe import ConversationTemplate, Recipe
from vlmdata.recipe_problems import IMAGES
from vlmdata.record import (
    Change,
    Conversation,
    ImageReference,
    Message,
    Part,
    Problem,
    RawRecord,
    Rejection,
    Role,
    Skip,
    row_hash,
)
from vlmdata.settings import nearest
from vlmdata.templates import TemplateError, compile_expression, compile_template, holds_marks, known_value

TEXT_SOURCES = ("csv", "excel")
"""Sources whose cells are plain text, but for the columns that `source.json` names."""

DELIMITERS = (";", "\t", "|", ",")
AS_JSON = "name the column in `source.json` if its cells hold JSON, or take the part behind the dot out"


@dataclass(slots=True)
class CatalogConverter:
    """Rows to conversations by a recipe. It keeps nothing from row to row, so that any rows can be converted alone.

    `_columns` are those that the recipe reads: a row that lacks one has it missing.
    """

    recipe: Recipe
    tools: Tools
    _columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._columns = tuple(dict.fromkeys(name for _, name in columns_read(self.recipe)))

    def __call__(self, raw: RawRecord) -> Iterator[Conversation | Rejection | Skip]:
        """A skip, a rejection of the row, or its conversations and the rejections of those that can't be made."""
        known = {name: self._known_value(value) for name, value in raw.values.items()}
        values, changes = cleaned(known, self.recipe.clean, self._known_value)
        odd = [
            _problem(raw, "row.value", name, found, AS_JSON)
            for name in self._columns
            if (found := no_mapping(values, name))
        ]
        for name in self._columns:
            if name not in values:
                values[name] = self._known_value(value_at(values, name))
        left_out = self._left_out(raw, values)
        if left_out is not None:
            yield left_out
            return
        for change in changes:
            self.tools.changed(change)
        images, problems = self._images(raw, values)
        problems += self._text_problems(raw, values)
        problems = [*odd, *(each for each in problems if each.field not in {problem.field for problem in odd})]
        if problems:
            named = tuple(replace(problem, id=self._given_id(values)) for problem in problems)
            yield Rejection(origin=raw.origin, problems=named, row=raw.values)
            return
        described = self._described(raw, values, images)
        if isinstance(described, Rejection):
            yield described
        else:
            yield from self._conversations(raw, values, images, described)

    def _known_value(self, value: Any) -> Any:
        return known_value(value, self.recipe.source.nulls)

    def _left_out(self, raw: RawRecord, values: Mapping[str, Any]) -> Rejection | Skip | None:
        """A rejection of a row that can't be asked whether it is wanted, a skip of one that is not."""
        problem = None
        for name, value in values.items():
            if problem is None and holds_marks(value):
                message = "the cell holds a noncharacter (U+FDD0 or U+FDD1)"
                problem = _problem(raw, "text.noncharacter", name, message, "remove it")
        where = self.recipe.source.where
        try:
            if problem is None and where is not None and compile_expression(where)(values) != "True":
                return Skip(origin=raw.origin, reason=f"where: {where}")
        except TemplateError as error:
            problem = _problem(raw, "row.where", "", error.message, "correct source.where, or the row")
        return Rejection(origin=raw.origin, problems=(problem,), row=raw.values) if problem is not None else None

    def _text_problems(self, raw: RawRecord, values: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with the values that are used as they are: the id, the group, tags and fields."""
        recipe = self.recipe
        found = []
        if recipe.id is not None and not as_text(values[recipe.id]):
            found.append(_problem(raw, "id.empty", recipe.id, "the id is empty", "give the row an id"))
        for name in dict.fromkeys(filter(None, (recipe.id, recipe.group, *recipe.fields, *recipe.tags))):
            if as_text(values[name]) is None:
                message = "the value holds bytes, text was expected"
                found.append(_problem(raw, "row.value", name, message, "name another column"))
        return found

    def _images(self, raw: RawRecord, values: Mapping[str, Any]) -> tuple[tuple[ImageReference, ...], list[Problem]]:
        """The row's images, as many as the recipe takes, and what is wrong with them."""
        found: list[ImageReference] = []
        problems = []
        for place in self.recipe.images.places:
            try:
                found += references(values, place, self.tools.matching)
            except ImageValueError as error:
                problems.append(_problem(raw, error.rule, error.field, error.message, error.hint))
        problems += [] if problems else self._image_count_problems(raw, len(found))
        self._warn_of_repeats(raw, found)
        return tuple(found[: self.recipe.images.max]), problems

    def _image_count_problems(self, raw: RawRecord, count: int) -> Iterator[Problem]:
        images = self.recipe.images
        if not images.places:
            return
        where = ", ".join(map(place_name, images.places))
        if count < images.min:
            message = f"{count or 'no'} image{'s' if count != 1 else ''}, expected at least {images.min}"
            rule = "images.too_few" if count else "images.none"
            yield _problem(raw, rule, where, message, "name an image, or set images.min")
        if images.max is None or count <= images.max:
            return
        if images.over == "reject":
            message = f"{count} images, expected at most {images.max}"
            yield _problem(raw, "images.too_many", where, message, "or set images.over: first")
        else:
            problem = _problem(raw, "images.over", "images", f"{count} images, the first {images.max} are used", "")
            self.tools.warn(replace(problem, severity="warning"))

    def _warn_of_repeats(self, raw: RawRecord, found: Sequence[ImageReference]) -> None:
        """Say that a row names one image several times, which a column and a glob together easily do."""
        times = Counter(reference for reference in found if isinstance(reference, str))
        repeated = next((name for name, count in times.items() if count > 1), None)
        if repeated is not None:
            shown = "an address" if ":" in repeated else repr(repeated)  # it may hold a password
            message = f"{shown} is named {times[repeated]} times, and stays in the turn as often"
            problem = _problem(raw, "images.repeated", "images", message, "name each image in one place")
            self.tools.warn(replace(problem, severity="warning"))

    def _described(
        self, raw: RawRecord, values: Mapping[str, Any], images: tuple[ImageReference, ...]
    ) -> Described | Rejection | None:
        """The text that was written for a row without one, a rejection where there is none, None where none is due."""
        if self.recipe.describe is None or self.tools.describe is None:
            return None
        row = CatalogRow(id=self._row_id(raw, values), origin=raw.origin, values=values, images=images)
        found = self.tools.describe(row)
        if isinstance(found, tuple):
            return Rejection(origin=raw.origin, problems=found, row=raw.values, id=row.id)
        if found is not None:
            column = self.recipe.describe.column
            self.tools.changed(Change(rule="describe.written", field=column, before="", after=found.text))
        return found

    def _reads_it(self, template: ConversationTemplate) -> bool:
        """Whether the text that is written for rows stands in a conversation."""
        column = self.recipe.describe.column if self.recipe.describe is not None else ""
        texts = [*template.user, template.assistant, template.system or "", *template.tags.values()]
        named = {name for text in texts for name in compile_template(text).names}
        return column in {*named, *self.recipe.fields, *self.recipe.tags}

    def _conversations(
        self,
        raw: RawRecord,
        values: Mapping[str, Any],
        images: tuple[ImageReference, ...],
        described: Described | None,
    ) -> Iterator[Conversation | Rejection]:
        row_id = self._row_id(raw, values)
        if described is not None and self.recipe.describe is not None:
            values = {**values, self.recipe.describe.column: described.text}
        templates = self.recipe.conversations
        for number, template in enumerate(templates):
            name = f"{row_id}/{number}" if len(templates) > 1 else row_id
            try:
                yield Conversation(
                    id=name,
                    messages=(*prompt_messages(template, values, len(images)), _answer(template, values)),
                    images=images,
                    origin=raw.origin,
                    group=_text_or(values, self.recipe.group, row_id),
                    tags=self._tags(template, values),
                    fields={column: text for column in self.recipe.fields if (text := as_text(values[column]))},
                    provenance=described.provenance if described is not None and self._reads_it(template) else None,
                )
            except TemplateError as error:
                problem = _problem(raw, "text.template", f"conversations[{number}]", error.message, error.hint)
                yield Rejection(origin=raw.origin, problems=(problem,), row=raw.values, conversation=number, id=name)

    def _tags(self, template: ConversationTemplate, values: Mapping[str, Any]) -> dict[str, str]:
        tags = {column: as_text(values[column]) for column in self.recipe.tags}
        tags |= {tag: compile_template(text)(values) for tag, text in template.tags.items()}
        return {tag: value for tag, value in tags.items() if value}

    def _row_id(self, raw: RawRecord, values: Mapping[str, Any]) -> str:
        return self._given_id(values) if self.recipe.id is not None else row_hash(raw.values)

    def _given_id(self, values: Mapping[str, Any]) -> str:
        """The id that the row itself holds, where the recipe names its column."""
        return (as_text(values[self.recipe.id]) or "").strip() if self.recipe.id is not None else ""


def value_at(values: Mapping[str, Any], name: str) -> Any:
    """A row's value: of the column, or, where none is called so, of a dotted path into a nested one; else None."""
    if name in values or "." not in name:
        return values.get(name)
    column, *steps = name.split(".")
    value = values.get(column)
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def no_mapping(values: Mapping[str, Any], name: str) -> str:
    """What stands in the way of a dotted path: a value with no keys to look into; nothing where it leads on or ends."""
    if name in values or "." not in name:
        return ""
    column, *steps = name.split(".")
    value = values.get(column)
    for step in steps:
        if value is None:
            return ""
        if not isinstance(value, Mapping):
            return f"{column!r} is {_shown(value)}, keys and values were expected"
        value, column = value.get(step), f"{column}.{step}"
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return f"the {'text' if isinstance(value, str) else 'value'} {text if len(text) <= 60 else f'{text[:57]}...'}"


def as_text(value: Any) -> str | None:
    """A value as templates print it: empty where it is missing, JSON where it is nested, None where it holds bytes."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list | tuple | Mapping):
        try:
            return json.dumps(value, ensure_ascii=False, default=_plain)
        except TypeError:
            return None
    if isinstance(value, bytes | bytearray | memoryview):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> str:
    """Dates and their like inside lists and mappings, as text. Raises TypeError for bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes")
    return str(value)


def _text_or(values: Mapping[str, Any], column: str | None, other: str) -> str:
    value = values[column] if column is not None else None
    return other if value is None else as_text(value) or ""


def prompt_messages(template: ConversationTemplate, values: Mapping[str, Any], images: int) -> tuple[Message, ...]:
    """The system and user turns of a conversation, with one image part for each of the row's images.

    Raises TemplateError.
    """
    messages = []
    if template.system is not None:
        system = compile_template(template.system)(values)
        if system:
            messages.append(_message("system", [Part(type="text", text=system)]))
    parts: list[Part] = []
    for entry in template.user:
        if entry == IMAGES:
            parts += [Part(type="image")] * images
        elif text := compile_template(entry)(values):
            parts.append(Part(type="text", text=text))
    messages.append(_message("user", parts))
    return tuple(messages)


def _answer(template: ConversationTemplate, values: Mapping[str, Any]) -> Message:
    return _message("assistant", [Part(type="text", text=compile_template(template.assistant)(values))])


def _message(role: Role, parts: list[Part]) -> Message:
    return Message(role=role, content=tuple(parts))


def _problem(raw: RawRecord, rule: str, where: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, source=raw.origin.source, line=raw.origin.line, field=where, hint=hint)


def columns_missing(recipe: Recipe, columns: Collection[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every column that a recipe names and a source has not, with its place in the file.

    The id, the group, fields, tags and image columns may be dotted paths into a nested column.
    """
    for place, name in columns_read(recipe):
        may_be_dotted = place[0] in {"id", "group", "fields", "tags"} or place[:2] == ("images", "from")
        first = name.partition(".")[0]
        if recipe.describe is not None and recipe.describe.new_column and name == recipe.describe.column:
            continue
        if name not in columns and not (may_be_dotted and first in columns and not is_text_column(recipe, first)):
            yield place, name


def is_text_column(recipe: Recipe, column: str) -> bool:
    """Whether a column's cells are plain text, which no dotted path leads into."""
    source = recipe.source
    return source.type in TEXT_SOURCES and column not in source.options.get("json", ())


def column_hint(recipe: Recipe, name: str, columns: Sequence[str]) -> str:
    """What to do about a column that a recipe names and its source has not."""
    first, dot, _ = name.partition(".")
    if dot and first in columns and is_text_column(recipe, first):
        return f"the cells of {first!r} are text; if they hold JSON, name it under source: `json: [{first}]`"
    if len(columns) == 1 and recipe.source.type == "csv":
        used = recipe.source.options.get("delimiter", ",")
        other = next((sign for sign in DELIMITERS if sign != used and sign in columns[0]), None)
        if other is not None:
            return f"the only column is {columns[0]!r}: set source.delimiter: {json.dumps(other)}"
    return nearest(name, columns) or f"its columns are {', '.join(columns[:20])}"


def columns_read(recipe: Recipe) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every column that a recipe names, with its place in the file."""
    if recipe.source.where is not None:
        yield from ((("source", "where"), name) for name in sorted(compile_expression(recipe.source.where).names))
    for key in ("id", "group"):
        if name := getattr(recipe, key):
            yield (key,), name
    for index, place in enumerate(recipe.images.places):
        if place.column is not None:
            yield ("images", "from", index), place.column
        pattern, kind = compile_template(place.glob or place.folder or ""), "glob" if place.glob else "folder"
        yield from ((("images", "from", index, kind), name) for name in sorted(pattern.names))
    yield from ((("clean", name), name) for name in recipe.clean)
    for key in ("fields", "tags"):
        yield from (((key, index), name) for index, name in enumerate(getattr(recipe, key)))
    yield from _columns_described(recipe)
    for index, template in enumerate(recipe.conversations):
        at: tuple[str | int, ...] = ("conversations", index)
        texts = [("assistant", template.assistant), *(("user", text) for text in template.user)]
        texts += [("system", template.system)] if template.system is not None else []
        texts += list(template.tags.items())
        for key, text in texts:
            yield from (((*at, key), name) for name in sorted(compile_template(text).names))


def _columns_described(recipe: Recipe) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The columns that `describe` reads and fills."""
    if recipe.describe is None:
        return
    yield ("describe", "column"), recipe.describe.column
    if recipe.describe.brand is not None:
        yield ("describe", "brand"), recipe.describe.brand
    for key, text in (("prompt", recipe.describe.prompt), ("system", recipe.describe.system or "")):
        yield from ((("describe", key), name) for name in sorted(compile_template(text).names))
