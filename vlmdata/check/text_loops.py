"""Answers whose end says the same few words again and again, as those of generators do that find no end."""

from __future__ import annotations

import re

import numpy as np

from vlmdata.check.text_rule import Columns, Mask, Numbers, Text

LEFT = 4
"""Bytes at an answer's end that need not fit: a full stop, half a word."""
LEAST = 26
"""Bytes before these that do: of eight words of three letters there are 27."""
PERIODS = 64
"""Bytes that the repeated words have at most: about eight words."""
FEW = 8
"""Bytes that are looked at in all texts at once before one is looked at by itself."""
LOOKED_AT = 1_000
LONG = 68
"""Bytes from which on it is a loop, whatever is said: `ha ha ha`, `S M S M`, a table's row."""
CONTINUED = bytes(range(0x80, 0xC0))
GAP = " ,;.:!?/-。，、"
LETTERS = re.compile(r"[^\W\d_]")
UNSPACED = "\u0e00"
"""The first letter of the scripts that write no spaces: Thai, Chinese, Japanese (and Korean, which does)."""
TIMES = (8, 6, 4)
"""How often one word is said in a loop, how often two are, and how often more are."""
TIMES_OF_LONG = 6


def stretch(period: int) -> int:
    """Bytes before the last few that repeat at this distance: four times, less what stands between the words."""
    return max(LEAST, 4 * period - 2 * LEFT)


STRETCHES = np.array([stretch(period) for period in range(PERIODS + 1)])


def loop(text: Text) -> str | None:
    """What an answer says over and over at its end."""
    said = text.text[-LOOKED_AT:].encode()
    span = looped(said)
    if span is None:
        return None
    start, end, period = span
    piece = first_piece(said, start, period)
    bare = piece.strip(GAP)
    count = (end - start + len(piece.encode()) - len(bare.encode())) // period
    listed = text.asked and "," in piece
    often = count >= times_wanted(bare, piece) and not listed
    if not often and not (end - start >= LONG and count >= TIMES_OF_LONG):
        return None
    return f"ends with {bare!r} over and over" if LETTERS.search(bare) and "\n" not in piece else None


def looped(said: bytes) -> tuple[int, int, int] | None:
    """Where a text begins and ends to repeat itself, and at what distance."""
    for period in range(1, PERIODS + 1):
        end = len(said) - LEFT
        start = end - stretch(period)
        if start >= 0 and said[start + period : end] == said[start : end - period]:
            while start and said[start - 1] == said[start - 1 + period]:
                start -= 1
            while end < len(said) and said[end] == said[end - period]:
                end += 1
            return start, end, period
    return None


def first_piece(said: bytes, start: int, period: int) -> str:
    """What is repeated, from the beginning of a letter on, and of a word where there are spaces."""
    repeated = said[start : start + 2 * period].lstrip(CONTINUED)
    word, space, behind = repeated.partition(b" ")
    if start and not said[start - 1 : start].isspace() and space and len(word) < period:
        repeated = behind
    return repeated[:period].decode(errors="ignore")


def times_wanted(bare: str, piece: str) -> float:
    """How often words are said in a loop: one alone more often than several, `ha` and a table's cells never."""
    if " " in piece and not set(piece) & set("|\t"):
        words = [LETTERS.findall(word) for word in bare.split()]
        size = sum(map(bool, words))
        telling = any(len(letters) > 1 and len("".join(letters).encode()) > LEFT - 2 for letters in words)
    else:
        letters = [letter for letter in LETTERS.findall(bare) if letter >= UNSPACED]
        size, telling = (len(letters) + 1) // 2, len(letters) > 1  # a word has two of them
    return TIMES[min(size, len(TIMES)) - 1] if telling else float("inf")


def looping(columns: Columns) -> Mask:
    """Answers whose last bytes are those a few places before them, found on the bytes of all texts at once."""
    places = np.flatnonzero(columns.of("assistant") & (columns.sizes >= LEAST + LEFT))
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    if not len(places):
        return found
    ends = np.cumsum(columns.sizes)[places] - LEFT
    most = np.searchsorted(STRETCHES, columns.sizes[places].max() - LEFT, side="right")  # that the longest has room for
    back = np.arange(1, most + 3)[:, None]
    tails = columns.data.take(ends - back, mode="clip")  # one place of all texts behind the other
    alike = np.flatnonzero((tails[1:-2] == tails[0]) & (tails[2:-1] == tails[1]) & (tails[3:] == tails[2]))
    periods, texts = alike // len(places) + 1, alike % len(places)
    kept = columns.sizes[places[texts]] >= STRETCHES[periods] + LEFT
    for step in range(4, FEW + 1):
        periods, texts = periods[kept], texts[kept]
        last: Numbers = ends[texts] - step
        kept = columns.data[last] == columns.data[last - periods]
    for period, text in zip(periods[kept].tolist(), texts[kept].tolist(), strict=True):
        if not found[places[text]]:
            tail = columns.data[ends[text] - stretch(period) : ends[text]]
            found[places[text]] = (tail[period:] == tail[:-period]).all()
    return found
