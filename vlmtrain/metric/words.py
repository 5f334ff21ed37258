"""The words of a text in any script: what ROUGE, BLEU, length and repetition are counted in.

A tokenizer that knows [a-z0-9] only finds nothing in a Chinese text, and one that splits at blanks finds one word. Here
a word is a run of letters, marks and digits; scripts that put no blanks between words give single characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Literal

ASCII_WORD = re.compile(r"[a-z0-9]+")
JOINERS = "\u200c\u200d"
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # CJK and Kangxi radicals
    (0x3005, 0x3007),  # the ideographic repetition mark and zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # small Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Burmese, extended
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, the later extensions
)


def words(text: str) -> list[str]:
    """Lower-cased words: runs of letters, marks and digits; single characters in scripts that put no blanks.

    `"Die Größe: 3,5 L"` -> `die`, `größe`, `3`, `5`, `l`; `"红色的杯子"` -> five words. A mark belongs to the letter
    before it, also in Thai, where a letter with its vowel signs is one word.
    """
    return list(_words(text))


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    if text.isascii():
        return tuple(ASCII_WORD.findall(text.lower()))
    found: list[str] = []
    inside = False
    for letter in unicodedata.normalize("NFC", text.lower()):
        kind = _kind(letter)
        if inside and kind in {"mark", "joiner"}:
            found[-1] += letter
        elif kind in {"between", "joiner"}:
            inside = False
        elif inside and kind == "letter" and not unspaced(found[-1][0]):
            found[-1] += letter
        else:
            found.append(letter)
            inside = True
    return tuple(found)


@cache
def _kind(letter: str) -> Literal["mark", "joiner", "between", "single", "letter"]:
    """What a character is: on the one before it, between words, a word by itself, or a letter among others."""
    if unicodedata.category(letter)[0] == "M":
        return "mark"
    if letter in JOINERS:
        return "joiner"
    if not letter.isalnum():
        return "between"
    return "single" if unspaced(letter) else "letter"


def ngrams(text: str, order: int) -> list[tuple[str, ...]]:
    """Each run of so many words of a text, in order; nothing of a shorter text."""
    found = words(text)
    return [tuple(found[start : start + order]) for start in range(len(found) - order + 1)]


@cache
def unspaced(letter: str) -> bool:
    """Whether a character belongs to a script that writes no blanks between words."""
    code = ord(letter)
    return any(first <= code <= last for first, last in UNSPACED)
