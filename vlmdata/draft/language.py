"""The language that a column's texts are in, told offline, and a prompt in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from vlmdata.draft.photos import spread
from vlmdata.draft.words import LANGUAGES

ENGLISH = "en"
PRODUCT, IMAGE, LABEL = "product", "image", "label"
PROMPTS = {
    PRODUCT: {
        "cs": "Popiš tento výrobek.",
        "da": "Beskriv dette produkt.",
        "de": "Beschreibe dieses Produkt.",
        "en": "Describe this product.",
        "es": "Describe este producto.",
        "fi": "Kuvaile tätä tuotetta.",
        "fr": "Décris ce produit.",
        "it": "Descrivi questo prodotto.",
        "nl": "Beschrijf dit product.",
        "pl": "Opisz ten produkt.",
        "pt": "Descreva este produto.",
        "sv": "Beskriv den här produkten.",
    },
    IMAGE: {
        "cs": "Popiš tento obrázek.",
        "da": "Beskriv dette billede.",
        "de": "Beschreibe dieses Bild.",
        "en": "Describe this image.",
        "es": "Describe esta imagen.",
        "fi": "Kuvaile tätä kuvaa.",
        "fr": "Décris cette image.",
        "it": "Descrivi questa immagine.",
        "nl": "Beschrijf deze afbeelding.",
        "pl": "Opisz to zdjęcie.",
        "pt": "Descreva esta imagem.",
        "sv": "Beskriv den här bilden.",
    },
    LABEL: {"en": "What does this show?"},
}
"""What is asked of a row, by what it is and by language."""

TEXTS, CHARACTERS = 60, 200
"""How many texts are looked at together, and how much of each."""

ENOUGH = 400
SURE = 0.98
"""Fewer characters, or an answer of which the detector is less sure, tell no language."""

COMMON = frozenset(("the", "a", "an", "and", "of", "with", "for", "in", "is", "to", "this", "it", "from", "by", "on"))
COMMON_SHARE = 0.08
"""Words that stand in every English text, and the least share of its words that they make up."""


def instruction(kind: str, texts: Sequence[Any]) -> tuple[str, str]:
    """What to ask in the language of the texts, and a note where a person should know or decide of it."""
    english = PROMPTS[kind][ENGLISH]
    sample = "\n".join(text[:CHARACTERS] for text in spread([each for each in texts if isinstance(each, str)], TEXTS))
    if kind == LABEL or len(sample) < ENOUGH or _is_english(sample):
        return english, ""
    found = _told(sample)
    if found == ENGLISH:
        return english, ""
    if found is None:
        return english, "The texts do not look English: where they are not, write the prompt in their language too."
    name = LANGUAGES.get(found, f"to be in the language {found!r}")
    if found in PROMPTS[kind]:
        return PROMPTS[kind][found], f"The texts look {name}, and so the prompt is."
    return english, f"The texts look {name}: write the prompt in it too."


def _is_english(sample: str) -> bool:
    """Whether a text has as many of English's small words as English has."""
    words = re.findall(r"[^\W\d_]+", sample.casefold())
    return sum(word in COMMON for word in words) >= COMMON_SHARE * len(words)


def _told(sample: str) -> str | None:
    """The language's two letters; None where the detector is not installed, or not sure."""
    detector = _detector()
    if detector is None:
        return None
    language, probability = detector.classify(sample)
    return str(language) if probability >= SURE else None


@cache
def _detector() -> Any:
    try:
        langid = import_module("py3langid.langid")
    except ImportError:
        return None
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
