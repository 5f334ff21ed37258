"""The rows of a source as prompts, by a recipe, with no answer needed: as many rows as there are, one at a time.

A row goes the way that it goes in a build, but for its answer, group, tags and fields: cleaned, left out where the
recipe says so, its images found and verified. A row that can't be asked is a rejection, as there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vlmdata.conditions import without_columns
from vlmdata.convert import converter_for
from vlmdata.convert.catalog import columns_read
from vlmdata.dataset import read_manifest
from vlmdata.errors import ConfigError, ContractError
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.verifying import Reader
from vlmdata.journal import scan_key
from vlmdata.naming import Names
from vlmdata.opening import check_columns, reader_of, refuse_odd_names
from vlmdata.protocols import Converter, Source, Tools
from vlmdata.recipe import Recipe, load_recipe, recipe_from
from vlmdata.record import Conversation, Message, Origin, Problem, RawRecord, Rejection, Skip
from vlmdata.settings import Settings, override
from vlmdata.source import open_source
from vlmdata.templates import compile_expression, compile_template

Entry = RawRecord | Rejection | Skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePrompt:
    """A row up to its answer. `images` are the bytes of each image part, in order, and `sizes` their widths and
    heights as displayed; `values` are the row's columns as the source holds them.
    """

    id: str
    messages: tuple[Message, ...]
    images: tuple[bytes, ...] = field(repr=False)
    sizes: tuple[tuple[int, int], ...]
    origin: Origin
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSource:
    """A source and the recipe that asks about its rows. `key` is another where any prompt could be.

    `left_out` is what the recipe's condition says of columns of the answer alone, which new rows need not have.
    `warned` and `changed` count, by rule, what the rows that were read so far gave rise to.
    """

    recipe: Recipe
    source: Source
    key: str
    left_out: str = ""
    warned: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def rows(self, *, after: int = 0) -> Iterator[SourcePrompt | Rejection | Skip]:
        """Each row in order, but for the first `after`: as a prompt, as a rejection, or left out by the recipe.

        Memory grows by some 150 bytes a row, for ids that must not stand twice.
        """
        with reader_of(self.recipe, spool=None) as reader:
            asking = _Asking(self.recipe, reader, self._tools(reader))
            for number, entry in enumerate(entry for shard in self.source.shards() for entry in shard):
                made = asking.converted(entry)
                if number < after:
                    continue
                if isinstance(made, Conversation) and isinstance(entry, RawRecord):
                    yield asking.prompt(made, entry)
                elif not isinstance(made, Conversation):
                    yield made

    def too_many(self, *, rejected: int, read: int) -> str:
        """Why the recipe's `max_rejected` does not bear so many rejected rows, or nothing."""
        limit = self.recipe.max_rejected
        if isinstance(limit, str):
            most = read * Fraction(limit.rstrip("%")) / 100
        else:
            most = read * Fraction(str(limit)) if isinstance(limit, float) else Fraction(limit)
        if rejected <= most:
            return ""
        wanted = f"{limit * 100:g}%" if isinstance(limit, float) else limit
        return f"{rejected:,} of {read:,} rows were rejected, at most {wanted} may (max_rejected)"

    def _tools(self, reader: Reader) -> Tools:
        return Tools(
            warn=lambda problem: self.warned.update((problem.rule,)),
            changed=lambda change: self.changed.update((change.rule,)),
            matching=reader.matching,
        )


def render_source(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    using: Recipe | str | Path,
    *,
    input: str | Path | None = None,
    where: str | None = None,
    image_roots: Sequence[str | Path] = (),
    conversation: int | None = None,
    allow_plugins: bool = False,
) -> PromptSource:
    """The rows of a recipe's source, or of another `input` of the same type, as prompts.

    `using` is a recipe, its file, or the folder of a built dataset, whose manifest keeps one; then paths are
    relative to the input's folder. The recipe's `limit` is not applied, nor what its condition says of columns that
    only the answer reads; `where` stands in for the condition, and an empty one takes all rows. Of a recipe with
    several conversations a row, `conversation` is the number of the one to ask. `allow_plugins` says whether the
    recipe may name code from outside, such as its source.
    Raises RecipeError, ConfigError or SourceError before any row is read.
    """
    recipe = _recipe_of(using, input, where, image_roots, allow_plugins=allow_plugins)
    asked, left_out = _asked(recipe, conversation), ""
    if where is None and asked.source.where is not None:
        condition = without_columns(asked.source.where, _columns_of_answers(recipe, asked))
        asked, left_out = replace(asked, source=replace(asked.source, where=condition.kept)), condition.left_out
    source = open_source(asked.source)
    refuse_odd_names(source)
    _check_columns(asked, source)
    said = json.dumps([scan_key(recipe, source), asked.source.where, conversation])
    key = hashlib.sha256(said.encode()).hexdigest()
    return PromptSource(recipe=asked, source=source, key=key, left_out=left_out)


def _recipe_of(
    using: Recipe | str | Path,
    path: str | Path | None,
    where: str | None,
    image_roots: Sequence[str | Path],
    *,
    allow_plugins: bool,
) -> Recipe:
    """The recipe with what differs put over it, and everything checked again."""
    if isinstance(using, Recipe):
        folder = using.folder
    elif built := (Path(using) / "manifest.json").is_file():
        if path is None:
            raise ConfigError(f"{using}: keeps the recipe of its own rows; name the input that holds the new ones")
        folder = Path(path).parent
    else:
        folder = Path(using).parent
    changes = _changes(folder, path, where, image_roots)
    if isinstance(using, Recipe):
        allow_plugins = allow_plugins or using.source.allow_plugins
        recipe = recipe_from(override(using.settings, changes).data, folder, allow_plugins=allow_plugins)
    elif built:
        written = override(Settings(source="manifest.json", data=_kept(using)), changes)
        recipe = recipe_from(written.data, folder, allow_plugins=allow_plugins)
    else:
        recipe = load_recipe(using, set=changes, allow_plugins=allow_plugins)
    return recipe if where is None or where else replace(recipe, source=replace(recipe.source, where=None))


def _changes(
    folder: Path, path: str | Path | None, where: str | None, image_roots: Sequence[str | Path]
) -> dict[str, Any]:
    """What is put over the recipe, paths seen from its folder; texts quoted, since they are read as YAML."""

    def seen(place: str | Path) -> str:
        return Path(os.path.relpath(place, folder)).as_posix()

    changes: dict[tuple[str, str], Any] = {}
    if path is not None:
        changes["source", "path"] = json.dumps(seen(path))
    if image_roots:
        changes["images", "root"] = [seen(root) for root in image_roots]
    if where:
        changes["source", "where"] = json.dumps(where)
    return {".".join(place): value for place, value in changes.items()}


def _kept(dataset: str | Path) -> dict[str, Any]:
    """The recipe that a dataset's manifest keeps. Raises ContractError where it keeps none."""
    written = read_manifest(dataset).get("recipe")
    if not isinstance(written, dict):
        raise ContractError(f"{dataset}: the manifest holds no recipe, so that there are no templates to render with")
    return {key: value for key, value in written.items() if key not in {"describe", "check"}}


def _asked(recipe: Recipe, conversation: int | None) -> Recipe:
    """The recipe of the prompts alone: one conversation, nothing of its answer, nothing that only a dataset needs."""
    templates = recipe.conversations
    number = conversation or 0
    if templates and (not 0 <= number < len(templates) or (conversation is None and len(templates) > 1)):
        raise ConfigError(
            f"the recipe makes {len(templates)} conversation{'s' if len(templates) > 1 else ''} a row; choose one by "
            f"its number (--conversation), 0 to {len(templates) - 1}"
        )
    chosen = tuple(replace(template, assistant="", tags={}) for template in templates[number : number + 1])
    return replace(
        recipe,
        source=replace(recipe.source, limit=None),
        images=replace(recipe.images, verify="full"),
        conversations=chosen,
        describe=None,
        group=None,
        fields=(),
        tags=(),
    )


def _columns_of_answers(recipe: Recipe, asked: Recipe) -> set[str]:
    """The columns that the recipe's answers read, and its prompt as it is asked does not."""
    prompt = replace(asked, clean={}, source=replace(asked.source, where=None))
    read = {name for _, name in columns_read(prompt)}
    return {name for each in recipe.conversations for name in compile_template(each.assistant).names} - read


def _check_columns(recipe: Recipe, source: Source) -> None:
    """Raise ConfigError where the source lacks a column that the prompt or the condition reads.

    A column that is only cleaned may be the answer's, which new rows have not.
    """
    where = recipe.source.where
    columns = source.columns
    if where is not None and (missing := sorted(compile_expression(where).names - set(columns))):
        raise ConfigError(
            f"the condition {where!r} of the recipe (source.where) reads the column {missing[0]!r}, which the input "
            f"has not; it has {', '.join(columns[:20])}. For all rows of the input: --where ''; for some of them: "
            "--where with another condition"
        )
    check_columns(replace(recipe, clean={}, source=replace(recipe.source, where=None)), source)


class _Asking:
    """One pass over the rows: what each becomes, with ids that are unique among them."""

    def __init__(self, recipe: Recipe, reader: Reader, tools: Tools) -> None:
        self._reader = reader
        self._convert: Converter = converter_for(recipe, tools)
        self._names = Names(may_repeat=recipe.id is None)

    def converted(self, entry: Entry) -> Conversation | Rejection | Skip:
        """The row as a conversation whose answer is empty, where it can be made one; no image is read yet."""
        if not isinstance(entry, RawRecord):
            return entry
        try:
            made = next(iter(self._convert(entry)))
        except ImageReferenceError as error:  # a pattern of names that leads out of the roots, or matches too much
            problem = _at(entry, Problem(rule=error.rule, message=error.message, hint=error.hint, field="images"))
            return Rejection(origin=entry.origin, problems=(problem,), row=entry.values)
        if not isinstance(made, Conversation):
            return made
        name = self._names.settled(made.id, entry.origin)
        if isinstance(name, Problem):
            return Rejection(origin=entry.origin, problems=(name,), row=entry.values, id=made.id)
        return replace(made, id=name)

    def prompt(self, made: Conversation, entry: RawRecord) -> SourcePrompt | Rejection:
        """The conversation up to its answer, with its images; a rejection where one of them is no good."""
        messages = made.messages[:-1] if made.messages[-1].role == "assistant" else made.messages
        shown = sum(part.type == "image" for message in messages for part in message.content)
        images, sizes, problems = [], [], []
        for place, reference in enumerate(made.images[:shown]):
            verdict = self._reader.verdict(reference)
            if verdict.image is None:
                assert verdict.problem is not None
                problems.append(_at(entry, replace(verdict.problem, field=f"images[{place}]")))
                continue
            images.append(self._reader.read(reference))
            sizes.append((verdict.image.info.width, verdict.image.info.height))
        if not messages or not messages[-1].content:
            problem = Problem(rule="text.empty", message="the prompt is empty", hint="fill the columns that it reads")
            problems.append(_at(entry, problem))
        if problems:
            return Rejection(origin=entry.origin, problems=tuple(problems), row=entry.values, id=made.id)
        return SourcePrompt(
            id=made.id,
            messages=messages,
            images=tuple(images),
            sizes=tuple(sizes),
            origin=entry.origin,
            values=entry.values,
        )


def _at(entry: RawRecord, problem: Problem) -> Problem:
    return replace(problem, source=entry.origin.source, line=entry.origin.line)
