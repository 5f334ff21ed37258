"""A catalog's row to conversations: conditions, image references, templates, tags and fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from vlmdata.protocols import Tools
from vlmdata.recipe import IMAGES, ConversationTemplate, ImagePlace, Recipe
from vlmdata.record import Conversation, Message, Part, Problem, RawRecord, Rejection, Role, Skip
from vlmdata.templates import TemplateError, compile_expression, compile_template, holds_marks, known_value

LIMIT = "limit"


@dataclass(slots=True)
class CatalogConverter:
    """Rows to conversations by a recipe. It counts the rows it has let through, for `source.limit`."""

    recipe: Recipe
    tools: Tools
    _passed: int = 0
    _equal_rows: dict[bytes, int] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether `source.limit` rows have been let through, so that what follows is left out unread."""
        limit = self.recipe.source.limit
        return limit is not None and self._passed >= limit

    def __call__(self, raw: RawRecord) -> Iterator[Conversation | Rejection | Skip]:
        """A skip, a rejection of the row, or its conversations and the rejections of those that can't be made."""
        if self.full:
            yield Skip(origin=raw.origin, reason=LIMIT)
            return
        values = {name: known_value(value, self.recipe.source.nulls) for name, value in raw.values.items()}
        problems = list(self._row_problems(raw, values))
        if problems:
            self._passed += 1
            yield Rejection(origin=raw.origin, problems=tuple(problems), row=raw.values)
            return
        if not self._wanted(values):
            yield Skip(origin=raw.origin, reason=f"where: {self.recipe.source.where}")
            return
        self._passed += 1
        self._warn_of_images_left_out(raw, values)
        yield from self._conversations(raw, values)

    def _wanted(self, values: Mapping[str, Any]) -> bool:
        where = self.recipe.source.where
        return where is None or compile_expression(where)(values) == "True"

    def _row_problems(self, raw: RawRecord, values: Mapping[str, Any]) -> Iterator[Problem]:
        marked = [name for name, value in values.items() if holds_marks(value)]
        if marked:
            message = "the cell holds a noncharacter (U+FDD0 or U+FDD1)"
            yield _problem(raw, "text.noncharacter", marked[0], message, "remove it")
            return
        try:
            if not self._wanted(values):
                return
        except TemplateError as error:
            yield _problem(raw, "row.where", "", error.message, "correct source.where, or the row")
            return
        if self.recipe.id is not None and values[self.recipe.id] is None:
            yield _problem(raw, "id.empty", self.recipe.id, "the id is empty", "give the row an id")
        yield from self._image_count_problems(raw, values)

    def _image_count_problems(self, raw: RawRecord, values: Mapping[str, Any]) -> Iterator[Problem]:
        images = self.recipe.images
        if not images.places:
            return
        count = len(references(values, images.places))
        where = ", ".join(place.column or "" for place in images.places)
        if count < images.min:
            message = f"{count or 'no'} image{'s' if count != 1 else ''}, expected at least {images.min}"
            yield _problem(
                raw,
                "images.none" if not count else "images.too_few",
                where,
                message,
                "name an image, or set images.min",
            )
        if images.max is not None and count > images.max and images.over == "reject":
            message = f"{count} images, expected at most {images.max}"
            yield _problem(raw, "images.too_many", where, message, "or set images.over: first")

    def _warn_of_images_left_out(self, raw: RawRecord, values: Mapping[str, Any]) -> None:
        most = self.recipe.images.max
        count = len(references(values, self.recipe.images.places))
        if most is not None and count > most:
            problem = _problem(raw, "images.over", "images", f"{count} images, the first {most} are used", "")
            self.tools.warn(replace(problem, severity="warning"))

    def _conversations(self, raw: RawRecord, values: Mapping[str, Any]) -> Iterator[Conversation | Rejection]:
        row_id = self._row_id(raw, values)
        templates = self.recipe.conversations
        for number, template in enumerate(templates):
            name = f"{row_id}/{number}" if len(templates) > 1 else row_id
            try:
                yield self._conversation(raw, values, template, id=name, row_id=row_id)
            except TemplateError as error:
                problem = _problem(raw, "text.template", f"conversations[{number}]", error.message, error.hint)
                yield Rejection(origin=raw.origin, problems=(problem,), row=raw.values, conversation=number, id=name)

    def _conversation(
        self,
        raw: RawRecord,
        values: Mapping[str, Any],
        template: ConversationTemplate,
        *,
        id: str,
        row_id: str,
    ) -> Conversation:
        recipe = self.recipe
        images = references(values, recipe.images.places)[: recipe.images.max]
        group = values[recipe.group] if recipe.group is not None else None
        tags = {column: _text(values[column]) for column in recipe.tags}
        tags |= {tag: compile_template(text)(values) for tag, text in template.tags.items()}
        return Conversation(
            id=id,
            messages=(*prompt_messages(template, values, len(images)), _answer(template, values)),
            images=images,
            origin=raw.origin,
            group=_text(group) if group is not None else row_id,
            tags={tag: value for tag, value in tags.items() if value},
            fields={column: _text(values[column]) for column in recipe.fields if values[column] is not None},
        )

    def _row_id(self, raw: RawRecord, values: Mapping[str, Any]) -> str:
        if self.recipe.id is not None:
            return _text(values[self.recipe.id]).strip()
        digest = blake2b(repr(sorted(raw.values.items())).encode("utf-8", "surrogatepass"), digest_size=8)
        seen = self._equal_rows[digest.digest()] = self._equal_rows.get(digest.digest(), 0) + 1
        return digest.hexdigest() if seen == 1 else f"{digest.hexdigest()}-{seen}"


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


def references(values: Mapping[str, Any], places: tuple[ImagePlace, ...]) -> tuple[str, ...]:
    """A row's image references, in the order of the recipe's columns and of the cells; empty ones are none."""
    found: list[str] = []
    for place in places:
        cell = values[place.column] if place.column is not None else None
        if cell is None:
            continue
        entries = str(cell).split(place.separator) if place.separator else [str(cell)]
        found += [entry.strip() for entry in entries if entry.strip()]
    return tuple(found)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _problem(raw: RawRecord, rule: str, where: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, source=raw.origin.source, line=raw.origin.line, field=where, hint=hint)


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
    for key in ("fields", "tags"):
        yield from (((key, index), name) for index, name in enumerate(getattr(recipe, key)))
    for index, template in enumerate(recipe.conversations):
        at: tuple[str | int, ...] = ("conversations", index)
        texts = [("assistant", template.assistant), *(("user", text) for text in template.user)]
        texts += [("system", template.system)] if template.system is not None else []
        texts += list(template.tags.items())
        for key, text in texts:
            yield from (((*at, key), name) for name in sorted(compile_template(text).names))
