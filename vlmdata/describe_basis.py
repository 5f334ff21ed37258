"""What a recipe's descriptions stand on, the same for whoever asks and whoever looks an answer up: the rows, the
examples of the catalog, its brands, and each row's prompt and key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from vlmdata.check import checks
from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.contract import arrow_type
from vlmdata.convert import converter_for
from vlmdata.describe_settings import DescribeConfig
from vlmdata.description.answers import Judge, Rules, no_rules
from vlmdata.description.asks import ExampleTurn, Prompt, key_of, prompt_of
from vlmdata.description.quality import Quality
from vlmdata.errors import RecipeError, SourceError
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.verifying import Reader, Verified
from vlmdata.protocols import CatalogRow, Tools
from vlmdata.recipe import Recipe
from vlmdata.record import ImageInfo, ImageReference, Problem, RawRecord, Skip
from vlmdata.source import open_source
from vlmdata.templates import TemplateError

OF_ANSWERS = "messages[1]"
SIGN_OF_LIFE = 512
"""After so many entries of a source that give no row, whoever waits is told that there is none yet."""

SHORTEST_BRAND = 3
"""Shorter brands are found in too many texts that do not mean them."""

NOT_YET = Problem(rule="describe.missing", message="the row is on its way")

Verdict = Callable[[ImageReference], Verified]


def catalog_rows(recipe: Recipe, matching: Callable[[str], Sequence[str]]) -> Iterator[CatalogRow | None]:
    """Every row that a build would let through so far, in order; None now and then, where none comes for long."""
    passed: list[CatalogRow] = []

    def take(row: CatalogRow) -> tuple[Problem, ...]:
        passed.append(row)
        return (NOT_YET,)

    convert = converter_for(recipe, Tools(warn=_nothing, changed=_nothing, matching=matching, describe=take))
    left = recipe.source.limit
    quiet = 0
    for entry in (entry for shard in open_source(recipe.source).shards() for entry in shard):
        if left == 0:
            return
        quiet += 1
        passed.clear()
        if isinstance(entry, RawRecord) and not _is_skipped(entry, convert) and left is not None:
            left -= 1
        if passed or quiet >= SIGN_OF_LIFE:
            quiet = 0
            yield passed[0] if passed else None


def _is_skipped(entry: RawRecord, convert: Callable[[RawRecord], Any]) -> bool:
    try:
        return any(isinstance(made, Skip) for made in convert(entry))
    except ImageReferenceError:
        return False


def _nothing(_: object) -> None:
    """Warnings and changes are the build's to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownExample:
    """An example of the catalog, and the images that are sent with it."""

    turn: ExampleTurn
    images: tuple[ImageReference, ...]
    infos: tuple[ImageInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What holds for all rows of a recipe. `answers` is the sha256 of the file that people write by hand."""

    config: DescribeConfig
    examples: tuple[KnownExample, ...] = ()
    brands: frozenset[str] = field(default_factory=frozenset)
    answers: str = ""
    settings: CheckSettings = DEFAULT

    def prompt(self, row: CatalogRow, infos: Sequence[ImageInfo]) -> Prompt:
        """A row's prompt. Raises TemplateError."""
        return prompt_of(self.config, row.id, row.values, [info.sha256 for info in infos])

    def key(self, prompt: Prompt) -> str:
        """The key under which the journal keeps the row's answer."""
        return key_of(self.config, prompt, [example.turn for example in self.examples], self.answers)

    def judge(self, rules: Rules = no_rules) -> Judge:
        """What judges answers."""
        return Judge(self.config, Quality(self.config, self.brands, self.settings.wants), rules)


def described_config(recipe: Recipe) -> DescribeConfig:
    """What the recipe says of descriptions. Raises RecipeError where it says nothing."""
    if recipe.describe is None:
        raise RecipeError(f"{recipe.settings.source}: has no `describe:`, so that nobody knows whom to ask")
    return recipe.describe


def basis_of(recipe: Recipe, reader: Reader) -> Basis:
    """Find a recipe's examples and brands; the source is read as far as that takes.

    Raises RecipeError where an example is not there, SourceError where the file of answers is not.
    """
    config = described_config(recipe)
    found: dict[str, KnownExample] = {}
    brands: set[str] = set()
    wanted = config.examples
    missing = set(wanted.ids)
    for row in catalog_rows(recipe, reader.matching) if wanted.rows or wanted.ids or config.brand else ():
        if row is None:
            continue
        if config.brand and isinstance(name := row.values.get(config.brand), str) and len(name) >= SHORTEST_BRAND:
            brands.add(" ".join(name.split()))
        if (row.id in missing or len(found) < wanted.rows) and (example := _example(config, row, reader.verdict)):
            found[row.id] = example
            missing.discard(row.id)
        if not config.brand and not missing and len(found) >= wanted.rows:
            break
    if missing:
        raise _no_example(recipe, missing)
    examples = tuple(found[name] for name in (wanted.ids or found))
    return Basis(
        config=config,
        examples=examples,
        brands=frozenset(brands),
        answers=answers_hash(config),
        settings=recipe.check,
    )


def _no_example(recipe: Recipe, missing: Collection[str]) -> RecipeError:
    """What is said of examples that are not there."""
    message = f"no row with a text and good images has the id {', '.join(map(repr, sorted(missing)))}"
    problem = recipe.settings.problem(("describe", "examples", "ids"), message, rule="recipe.describe")
    return RecipeError(f"{recipe.settings.source}: 1 problem", [problem])


def _example(config: DescribeConfig, row: CatalogRow, verdict: Verdict) -> KnownExample | None:
    """A row as an example, where it has a text and its images are good."""
    text = row.values.get(config.column)
    if not isinstance(text, str):
        return None
    images = row.images[: config.pictures.max] if config.examples.pictures else ()
    infos = tuple(found.image.info for found in map(verdict, images) if found.image is not None)
    try:
        prompt = prompt_of(config, row.id, row.values, [info.sha256 for info in infos])
    except TemplateError:
        return None
    turn = ExampleTurn(prompt=prompt.text, shas=prompt.shas, answer=text.strip())
    return KnownExample(turn=turn, images=images, infos=infos) if len(infos) == len(images) else None


def answers_hash(config: DescribeConfig) -> str:
    """The sha256 of the file of answers; empty for other providers."""
    if config.path is None:
        return ""
    try:
        with config.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{config.path.name}: can't be read: {error.strerror}; describe.path names it") from None


def rules_of_texts(settings: CheckSettings) -> Rules:
    """The rules of texts as a build applies them to answers. A mere warning rejects a written text."""
    looks = checks(settings)
    schema = pa.schema([each for each in arrow_type() if each.name != "images"])

    def problems(texts: Sequence[str]) -> list[list[Problem]]:
        found: list[list[Problem]] = [[] for _ in texts]
        batch = pa.RecordBatch.from_pylist([_record(place, text) for place, text in enumerate(texts)], schema=schema)
        for problem in (problem for look in looks for problem in look(batch)):
            if problem.field.startswith(OF_ANSWERS):
                found[int(problem.id)].append(replace(problem, id=""))
        return found

    return problems


def _record(place: int, text: str) -> Mapping[str, Any]:
    """A text as the answer of a conversation. Half a character, which no file can hold, is none of a provider's."""
    answer = text.encode("utf-8", "replace").decode()
    turns = [_turn("user", "Describe it."), _turn("assistant", answer)]
    return {"id": str(place), "group": "", "messages": turns, "image_info": [], "tags": [], "fields": []}


def _turn(role: str, text: str) -> Mapping[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}
