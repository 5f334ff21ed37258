"""From a row to what is asked, and the key under which the journal keeps the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from vlmdata.describe_settings import DescribeConfig
from vlmdata.description.provider import Ask, Example, Picture
from vlmdata.templates import compile_template

KEY_VERSION = 1
"""Raised when the same recipe would be asked in other words, since what was answered before does not count then."""

CHARACTERS_PER_TOKEN = 4
"""Google's rule of thumb for text ("Understand and count tokens", ai.google.dev)."""

TILE_TOKENS, SMALL_SIDE = 258, 384
"""A picture of at most 384 pixels each way is 258 tokens of Gemini's; a larger one 258 for each tile."""

MESSAGE_TOKENS = 16
"""What the form of a turn may add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedPicture:
    """A picture as it is sent, and how large it is."""

    picture: Picture
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleTurn:
    """An example of the catalog: what would be asked of its row, the sha256 of its images, and its text."""

    prompt: str
    shas: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a row is asked, without its pictures. `shas` are the sha256 of those that are sent, in order."""

    id: str
    system: str | None
    text: str
    shas: tuple[str, ...]


def prompt_of(config: DescribeConfig, id: str, values: Mapping[str, Any], shas: Sequence[str]) -> Prompt:
    """A row's prompt. Raises TemplateError."""
    system = compile_template(config.system)(values) if config.system is not None else None
    text = compile_template(config.prompt)(values)
    return Prompt(id=id, system=system or None, text=text, shas=tuple(shas[: config.pictures.max]))


def key_of(config: DescribeConfig, prompt: Prompt, examples: Sequence[ExampleTurn], answers: str = "") -> str:
    """The journal's key: everything that the answer depends on. What it costs, and how fast it was asked, does not.

    `answers` is the sha256 of the file that people write by hand: with another file all are asked again.
    """
    asked: list[Any] = [KEY_VERSION, config.provider, config.model, answers]
    if config.provider == "file":
        return _digest([*asked, prompt.id, prompt.shas])
    asked += [prompt.system, prompt.text, prompt.shas, [config.pictures.max_pixels, config.pictures.location]]
    asked += [[turn.prompt, turn.shas, turn.answer] for turn in examples]
    asked += [config.schema, config.max_output_tokens, config.temperature, config.thinking_budget, config.safety]
    return _digest(asked)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def ask_of(
    config: DescribeConfig, key: str, prompt: Prompt, pictures: Sequence[Picture], examples: Sequence[Example]
) -> Ask:
    """The request itself."""
    return Ask(
        key=key,
        system=prompt.system,
        prompt=prompt.text,
        pictures=tuple(pictures),
        examples=tuple(examples),
        schema=config.schema,
        id=prompt.id,
    )


def repair_of(ask: Ask, answer: str, problem: str) -> Ask:
    """The one request that follows an answer that is no JSON, or another than the schema wants."""
    words = f"Your last answer was:\n{answer}\n\nIt can't be used: {problem}. Answer with JSON that follows the schema."
    return Ask(
        key=ask.key,
        system=ask.system,
        prompt=f"{ask.prompt}\n\n{words}",
        pictures=ask.pictures,
        examples=ask.examples,
        schema=ask.schema,
        id=ask.id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Input tokens of a request: about how many, and how many at most."""

    about: int
    at_most: int


def tokens_of(ask: Ask, sizes: Sequence[tuple[int, int]]) -> Tokens:
    """The tokens of a request whose pictures, those of examples among them, have some sizes.

    A token holds at least one byte of text, so that its bytes are the most.
    """
    texts = [ask.system or "", ask.prompt, *(text for each in ask.examples for text in (each.prompt, each.answer))]
    if ask.schema is not None:
        texts.append(json.dumps(ask.schema))
    form = MESSAGE_TOKENS * (2 + 2 * len(ask.examples))
    about = sum(map(len, texts)) // CHARACTERS_PER_TOKEN + sum(gemini_tokens(*size) for size in sizes)
    most = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) + sum(most_tokens(*size) for size in sizes)
    return Tokens(about=about + form // 2, at_most=most + form)


def gemini_tokens(width: int, height: int) -> int:
    """A picture's tokens by Google's formula: tiles of two thirds of its shorter side, 256 to 768 pixels."""
    if max(width, height) <= SMALL_SIDE:
        return TILE_TOKENS
    side = min(max(int(min(width, height) / 1.5), 256), 768)
    return ceil(width / side) * ceil(height / side) * TILE_TOKENS


def most_tokens(width: int, height: int) -> int:
    """The most of what models make of a picture: Gemini's tiles, GPT-4o's tiles of 512, Qwen-VL's patches of 28."""
    tiles = 85 + 170 * ceil(width / 512) * ceil(height / 512)
    return max(gemini_tokens(width, height), tiles, ceil(width / 28) * ceil(height / 28) + 2)
