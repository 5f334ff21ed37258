"""A question over several images to a conversation: context, images, question with its options, and the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from posixpath import normpath
from typing import Any

from vlmdata.convert.answer_options import Options, list_or_mapping, read_options
from vlmdata.convert.benchmark_zips import BenchmarkZips
from vlmdata.convert.catalog import as_text, no_mapping, value_at
from vlmdata.convert.image_references import ImageValueError, references
from vlmdata.protocols import Tools
from vlmdata.questions import MMIU, MMIU_FIELDS, MMIU_TAGS, MultiImageOptions
from vlmdata.recipe import ImagePlace, Recipe
from vlmdata.record import (
    Change,
    Conversation,
    ImageReference,
    InlineImage,
    Message,
    Part,
    Problem,
    RawRecord,
    Rejection,
    Role,
    Skip,
    row_hash,
)
from vlmdata.settings import to_dataclass
from vlmdata.templates import TemplateError, compile_expression, holds_marks, known_value

IMAGE = Part(type="image")


@dataclass(slots=True, kw_only=True)
class Question:
    """What a row asks. `problems` keep it from being asked, `warnings` and `changes` do not."""

    text: str = ""
    context: str = ""
    options: Options | None = None
    answer: str = ""
    images: tuple[ImageReference, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def asked(self) -> str:
        """The question with its options below it, unless it or the context shows them already, as MMIU's do."""
        shown = self.options.shown if self.options else ""
        told = _lines(shown) in _lines(self.text) or _lines(shown) in _lines(self.context)
        return self.text if told else f"{self.text}\n{shown}"


@dataclass(slots=True)
class MultiImageConverter:
    """Rows of questions to conversations. It keeps nothing from row to row, so that any rows can be converted alone.

    `tags` and `fields` are columns that the dataset has without the recipe asking; the recipe's tags replace them.
    """

    recipe: Recipe
    tools: Tools
    options: MultiImageOptions | None = None
    tags: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    zips: BenchmarkZips | None = None
    _asks: MultiImageOptions = field(init=False)

    def __post_init__(self) -> None:
        self._asks = self.options or to_dataclass(MultiImageOptions, self.recipe.source.options)
        self.tags = self.recipe.tags or self.tags
        self.fields = tuple(dict.fromkeys([*self.recipe.fields, *self.fields]))

    def __call__(self, raw: RawRecord) -> Iterator[Conversation | Rejection | Skip]:
        """A skip, a rejection with every problem of the row, or its conversation."""
        nulls = self.recipe.source.nulls
        values = {name: known_value(_plain(value), nulls) for name, value in raw.values.items()}
        where = self.recipe.source.where
        try:
            if where is not None and compile_expression(where)(values) != "True":
                yield Skip(origin=raw.origin, reason=f"where: {where}")
                return
        except TemplateError as error:
            problem = _problem("row.where", "", error.message, "correct source.where, or the row")
            yield _rejection(raw, [problem])
            return
        question = self._question(values)
        question.problems += self._row_problems(values)
        if question.problems:
            name = self._given_id(values)
            yield _rejection(raw, [replace(problem, id=name) for problem in question.problems])
            return
        for problem in question.warnings:
            self.tools.warn(_placed(raw, problem))
        for change in question.changes:
            self.tools.changed(change)
        yield self._conversation(raw, values, question)

    def _row_problems(self, values: Mapping[str, Any]) -> Iterator[Problem]:
        for name in (name for name, value in values.items() if holds_marks(value)):
            message = "the cell holds a noncharacter (U+FDD0 or U+FDD1)"
            yield _problem("text.noncharacter", name, message, "remove it")
        recipe = self.recipe
        for name in dict.fromkeys(filter(None, (recipe.id, recipe.group, *self.tags, *self.fields))):
            if found := no_mapping(values, name):
                yield _problem("row.value", name, found, "take the part behind the dot out, or correct the row")
        if recipe.id is not None and not as_text(value_at(values, recipe.id)):
            yield _problem("id.empty", recipe.id, "the id is empty", "give the row an id")

    def _question(self, values: Mapping[str, Any]) -> Question:
        """What a row asks, with the problems that keep it from being asked."""
        columns, found = self._asks.columns, Question()
        found.images = tuple(self._images(values, found.problems))
        found.text = self._text(values, columns.question, found.problems)
        found.context = self._text(values, columns.context, found.problems) if columns.context else ""
        found.answer = self._text(values, columns.answer, found.problems)
        found.options = read_options(values.get(columns.options)) if columns.options else None
        for part, text, column in (
            ("question", found.text, columns.question),
            ("answer", found.answer, columns.answer),
        ):
            if not text and not any(problem.field == column for problem in found.problems):
                hint = "fill the cell, or leave the row out with source.where"
                found.problems.append(_problem("text.empty", column, f"the {part} is empty", hint))
        self._settle_answer(found)
        self._count_images(found)
        return found

    def _text(self, values: Mapping[str, Any], column: str, problems: list[Problem]) -> str:
        value = values.get(column)
        if isinstance(value, list | tuple | Mapping | bytes):
            kind = "bytes" if isinstance(value, bytes) else "a mapping" if isinstance(value, Mapping) else "a list"
            problems.append(_problem("row.value", column, f"found {kind}, expected a text", "name another column"))
            return ""
        return (as_text(value) or "").strip()

    def _images(self, values: Mapping[str, Any], problems: list[Problem]) -> Iterator[ImageReference]:
        column = self._asks.columns.images
        cell = values.get(column)
        if isinstance(cell, str) and (listed := list_or_mapping(cell.strip())) is not None:
            cell = listed
        place = ImagePlace(column=column, separator=self._asks.separator)
        try:
            found = references({column: cell}, place, self.tools.matching)
        except ImageValueError as error:
            hint = "write the list as JSON, or set source.separator" if isinstance(cell, str) else error.hint
            problems.append(_problem(error.rule, error.field, error.message, hint))
            return
        problems += self._missing_zips(found)
        yield from found

    def _missing_zips(self, references: tuple[ImageReference, ...]) -> Iterator[Problem]:
        """Each zip that images of the row are in and that is not there, with the first of these images."""
        said: set[str] = set()
        for number, reference in enumerate(references):
            missing = self.zips.missing(reference) if self.zips and isinstance(reference, str) else ""
            if missing and missing not in said:
                said.add(missing)
                where = f"{self._asks.columns.images}[{number}]"
                message = f"{reference!r} is in {missing}.zip, which is not there, nor is a folder {missing}"
                hint = f"download {missing}.zip next to the table, or leave its rows out with source.where"
                yield _problem("images.missing_zip", where, message, hint)

    def _settle_answer(self, question: Question) -> None:
        """Of a question with options, the answer as the letter of one of them."""
        options, columns = question.options, self._asks.columns
        if options is None or not question.answer:
            return
        if not options.by_letter:
            message = "the options can't be told apart, and are shown as they are"
            problem = _problem("options.unparsed", columns.options or "", message, "write one a line, as `A: …`")
            question.warnings.append(replace(problem, severity="warning"))
            return
        letter = options.letter_of(question.answer)
        if letter is None:
            message = f"the answer {_short(question.answer)} is none of the options {', '.join(options.by_letter)}"
            hint = "give the letter of one option, or its text"
            question.problems.append(_problem("answer.not_an_option", columns.answer, message, hint))
        elif letter != question.answer:
            change = Change(rule="answer.letter", field=columns.answer, before=question.answer, after=letter)
            question.changes.append(change)
            question.answer = letter

    def _count_images(self, question: Question) -> None:
        """Hold the images to the recipe's bounds, and to the places that the question has for them."""
        images, count, column = self.recipe.images, len(question.images), self._asks.columns.images
        if any(problem.field.startswith(column) for problem in question.problems):
            return
        if count < images.min:
            message = f"{count or 'no'} image{'s' if count != 1 else ''}, expected at least {images.min}"
            rule = "images.too_few" if count else "images.none"
            question.problems.append(_problem(rule, column, message, "name an image, or set images.min"))
        if marker := self._asks.marker:
            places = question.asked.count(marker)
            if places != count:
                message = f"{places or 'no'} {marker} in the question, but {count} image{'s' if count != 1 else ''}"
                hint = "each image needs one place, in order"
                question.problems.append(_problem("messages.images", self._asks.columns.question, message, hint))
        if images.max is None or count <= images.max:
            return
        if images.over == "reject" or self._asks.marker:
            message = f"{count} images, expected at most {images.max}"
            hint = "raise images.max" if self._asks.marker else "or set images.over: first"
            question.problems.append(_problem("images.too_many", column, message, hint))
        else:
            problem = _problem("images.over", column, f"{count} images, the first {images.max} are used", "")
            question.warnings.append(replace(problem, severity="warning"))
            question.images = question.images[: images.max]

    def _given_id(self, values: Mapping[str, Any]) -> str:
        """The id that the row itself holds, where the recipe names its column."""
        return (as_text(value_at(values, self.recipe.id)) or "").strip() if self.recipe.id is not None else ""

    def _conversation(self, raw: RawRecord, values: Mapping[str, Any], question: Question) -> Conversation:
        recipe = self.recipe
        system = [_message("system", Part(type="text", text=question.context))] if question.context else []
        choices = question.options.by_letter if question.options else {}
        fields = {column: text for column in self.fields if (text := as_text(value_at(values, column)))}
        fields |= {f"option.{letter}": text for letter, text in choices.items()}
        group = as_text(value_at(values, recipe.group)) if recipe.group is not None else None
        return Conversation(
            id=self._given_id(values) if recipe.id is not None else row_hash(raw.values),
            messages=(
                *system,
                _message("user", *_interleaved(question, self._asks.marker)),
                _message("assistant", Part(type="text", text=question.answer)),
            ),
            images=question.images,
            origin=raw.origin,
            group=group or _image_group(question.images),
            tags={column: text for column in self.tags if (text := as_text(value_at(values, column)))},
            fields={**fields, "answer": question.answer} if choices else fields,
        )


def mmiu_converter(recipe: Recipe, tools: Tools) -> MultiImageConverter:
    """The converter of MMIU-Benchmark as published, which says of a missing image which of the zips it is in."""
    by_default = "root" not in recipe.settings.data.get("images", {})
    zips = BenchmarkZips(recipe.images.roots) if by_default else None
    return MultiImageConverter(recipe, tools, MMIU, MMIU_TAGS, MMIU_FIELDS, zips)


def _interleaved(question: Question, marker: str | None) -> Iterator[Part]:
    """The user's turn: images where the marker stands, else before the text."""
    pieces = question.asked.split(marker) if marker else [*[""] * len(question.images), question.asked]
    for number, piece in enumerate(pieces):
        if number:
            yield IMAGE
        if piece.strip():
            yield Part(type="text", text=piece)


def _image_group(images: tuple[ImageReference, ...]) -> str:
    """One name for all questions over the same images, in whatever order they have them."""
    keys = sorted(
        blake2b(image.data).digest()
        if isinstance(image, InlineImage)
        else normpath(str(image)).encode("utf-8", "replace")
        for image in images
    )
    return blake2b(b"\0".join(keys), digest_size=8).hexdigest()


def _message(role: Role, *parts: Part) -> Message:
    return Message(role=role, content=parts)


def _plain(value: Any) -> Any:
    """A value without numpy, whose arrays and scalars a table may hold."""
    return value.tolist() if hasattr(value, "tolist") else value


def _lines(text: str) -> str:
    """A text's lines without white space at their ends, each between two breaks, to find some of them in another's."""
    return "".join(f"\n{line.strip()}\n" for line in text.strip().splitlines())


def _problem(rule: str, where: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, field=where, message=message, hint=hint)


def _rejection(raw: RawRecord, problems: list[Problem]) -> Rejection:
    return Rejection(origin=raw.origin, problems=tuple(_placed(raw, problem) for problem in problems), row=raw.values)


def _placed(raw: RawRecord, problem: Problem) -> Problem:
    """A problem with its row's place in the source."""
    return replace(problem, source=raw.origin.source, line=raw.origin.line)


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
