"""What a written text must be before it stands for a description: of the row's language and brand, and no prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from typing import Any

from vlmdata.check_settings import DEFAULT
from vlmdata.describe_settings import DescribeConfig
from vlmdata.errors import ConfigError, MissingPackageError
from vlmdata.record import Problem
from vlmdata.settings import nearest

LEAK_WORDS = 8
"""So many words of the prompt in a row are no accident."""

LONGEST_BRAND = 5
"""Brands of more words are not looked for."""

TOLD_CHARACTERS = 40
SURE = 0.9
"""Shorter texts, and those of which the detector is less sure, are given the benefit of the doubt."""

WORD = re.compile(r"[^\W_]+(?:['’&.-][^\W_]+)*")
TEMPLATE_PIECE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True)
class Quality:
    """The checks of written texts by a recipe. `brands` are all that its catalog names, `wants` says which rules are
    looked for."""

    config: DescribeConfig
    brands: frozenset[str] = field(default_factory=frozenset)
    wants: Callable[[str], bool] = DEFAULT.wants

    def __post_init__(self) -> None:
        if self.config.language is not None:
            require_language(self.config.language)

    def problems(self, text: str, values: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with a text that was written for a row."""
        return (problem for problem in self._found(text, values) if self.wants(problem.rule))

    def _found(self, text: str, values: Mapping[str, Any]) -> Iterator[Problem]:
        if len(text) < self.config.min_characters:
            message = f"the text has {len(text)} characters, at least {self.config.min_characters} were expected"
            yield _problem("describe.too_short", message, "ask for more in the prompt, or set describe.min_characters")
        yield from self._language_problems(text)
        if leaked := self._leaked(text):
            message = f"the text repeats the prompt: {leaked!r}"
            yield _problem("describe.prompt_leak", message, "ask again with --redo describe.prompt_leak")
        if other := self._other_brand(text, values):
            message = f"the text names {other!r}, which is another row's brand"
            yield _problem("describe.other_brand", message, "look at the photo, or ask again")

    def _language_problems(self, text: str) -> Iterator[Problem]:
        wanted = self.config.language
        if wanted is None or len(text) < TOLD_CHARACTERS:
            return
        found, sure = _detector().classify(text)
        if found != wanted and sure >= SURE:
            message = f"the text looks like {found!r} ({sure:.0%} sure), {wanted!r} was expected"
            yield _problem("describe.wrong_language", message, "name the language in the prompt")

    def _leaked(self, text: str) -> str:
        """Words of the prompt's own text that stand in a text; those of the row's values are no leak."""
        words = _words(text)
        for start in range(len(words) - LEAK_WORDS + 1):
            run = tuple(words[start : start + LEAK_WORDS])
            if run in self._prompt_runs:
                return " ".join(run)
        return ""

    @cached_property
    def _prompt_runs(self) -> frozenset[tuple[str, ...]]:
        found = set()
        for template in (self.config.prompt, self.config.system or ""):
            for piece in TEMPLATE_PIECE.split(template):
                words = _words(piece)
                found |= {tuple(words[at : at + LEAK_WORDS]) for at in range(len(words) - LEAK_WORDS + 1)}
        return frozenset(found)

    def _other_brand(self, text: str, values: Mapping[str, Any]) -> str:
        """A brand of the catalog that stands in a text, and in no value of the row."""
        if not self.brands:
            return ""
        own = " ".join(f" {_plain(value)} " for value in values.values() if isinstance(value, str))
        for name, opens_sentence in _names(text):
            if name in self.brands and not opens_sentence and f" {name.casefold()} " not in own:
                return name
        return ""


def _plain(value: str) -> str:
    """A value's words between single spaces, in small letters."""
    return " ".join(WORD.findall(value)).casefold()


def _words(text: str) -> list[str]:
    return [word.casefold() for word in WORD.findall(text)]


def _names(text: str) -> Iterator[tuple[str, bool]]:
    """Every run of words that could be a brand, and whether it is one word that opens a sentence.

    Such a word has a capital anyway, so that it tells nothing: `Next to the bed ...`.
    """
    found = list(WORD.finditer(text))
    for first in range(len(found)):
        before = text[: found[first].start()].rstrip(" \t\"'“„»(*-")
        opens = not before or before[-1] in ".!?:;\n…"
        for last in range(first, min(first + LONGEST_BRAND, len(found))):
            between = text[found[first].start() : found[last].end()]
            if "\n" in between:
                break
            yield " ".join(between.split()), opens and first == last


def _problem(rule: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, hint=hint)


@cache
def _detector() -> Any:
    try:
        langid = import_module("py3langid.langid")
    except ImportError:
        raise MissingPackageError("describe.language needs py3langid: pip install 'vlmdata[language]'") from None
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)


def require_language(language: str) -> None:
    """Raise MissingPackageError without the detector, ConfigError for a language that it does not know."""
    known = sorted(map(str, _detector().labels))
    if language not in known:
        hint = nearest(language, known) or f"it knows {', '.join(known)}"
        raise ConfigError(f"describe.language: the detector does not know {language!r}; {hint}")
