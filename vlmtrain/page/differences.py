"""An answer beside its reference: which words it has that the reference has not, and which it leaves out."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

from vlmdata.page import text

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Letters of scripts that put no blanks between words, or whose words are short: each is a piece of its own."""

MOST_PIECES = 900
LIKE = 0.4
"""Two texts that share less than this of their pieces have little in common."""


def marked(answer: str, reference: str) -> str:
    """The answer as HTML: what the reference has not is marked, and what is left out stands struck in its place.

    Of texts that have little in common the order counts for nothing, and what is left out is not shown; in very long
    ones nothing is marked.
    """
    mine, theirs = pieces(answer), pieces(reference)
    if len(mine) > MOST_PIECES or len(theirs) > MOST_PIECES:
        return text(answer)
    matcher = SequenceMatcher(None, _folded(theirs), _folded(mine), autojunk=False)
    if matcher.ratio() < LIKE:
        return _foreign(mine, {piece.casefold() for piece in theirs})
    parts = []
    for kind, low, high, start, end in matcher.get_opcodes():
        was, now = "".join(theirs[low:high]), "".join(mine[start:end])
        parts.append(text(now) if kind == "equal" else _gone(was) + _extra(now))
    return "".join(parts)


def _foreign(mine: list[str], theirs: set[str]) -> str:
    """The answer with the words marked that stand nowhere in the reference, whatever their order."""
    return "".join(
        _extra(piece) if piece[0].isalnum() and piece.casefold() not in theirs else text(piece) for piece in mine
    )


def pieces(words: str) -> list[str]:
    """Words, runs of blanks, and signs one by one; an accent or vowel sign stays with its letter."""
    found: list[str] = []
    before = ""
    for character in words:
        kind = _kind(character)
        joined = kind == "mark" or (kind == before and kind in {"word", "blank"})
        if joined and found:
            found[-1] += character
        else:
            found.append(character)
        before = before if kind == "mark" else kind
    return found


def _kind(character: str) -> str:
    if character.isspace():
        return "blank"
    if unicodedata.combining(character) or unicodedata.category(character).startswith("M"):
        return "mark"
    return "word" if character.isalnum() and not UNSPACED.match(character) else "sign"


def _folded(pieces: list[str]) -> list[str]:
    return [" " if piece.isspace() else piece for piece in pieces]


def _extra(words: str) -> str:
    return f'<ins title="not in the reference">{text(words)}</ins>' if words.strip() else text(words)


def _gone(words: str) -> str:
    return f'<del title="in the reference, not in the answer">{text(words.strip())}</del> ' if words.strip() else ""
