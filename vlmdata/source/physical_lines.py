"""A text file as physical lines: bytes that do not decode are kept and marked, and lines can be given back."""

from __future__ import annotations

import codecs
from collections import deque
from dataclasses import dataclass
from typing import TextIO

BYTE_ORDER_MARK = "\ufeff"
MARK_FIRST, MARK_LAST = "\udc00", "\udcff"
"""A byte that does not decode stands in the text as U+DC00 plus its value, in any encoding."""

SURROGATE_FIRST, SURROGATE_LAST = "\ud800", "\udfff"
"""No text holds these; a few encodings, such as UTF-7, let the other halves of surrogate pairs through."""

MAX_LINE = 16_000_000
"""The longest physical line that is read as one, in characters; what follows counts as a line of its own."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("vlmdata-mark", _mark)


def undecoded(text: str) -> bool:
    """Whether a text holds bytes that did not decode."""
    if text.isascii():
        return False
    return any(SURROGATE_FIRST <= character <= SURROGATE_LAST for character in text)


def undecoded_words(text: str) -> str:
    """The first thing in a text that did not decode: `byte 0xf6`, or a half of a surrogate pair."""
    character = next(c for c in text if SURROGATE_FIRST <= c <= SURROGATE_LAST)
    if MARK_FIRST <= character <= MARK_LAST:
        return f"byte 0x{ord(character) - 0xDC00:02x}"
    return f"half of a surrogate pair (U+{ord(character):04X})"


def original_bytes(text: str, encoding: str) -> bytes:
    """The bytes that a marked text was read from."""
    name = _without_bom(encoding)
    return b"".join(_original(character, name) for character in text)


def _original(character: str, encoding: str) -> bytes:
    if MARK_FIRST <= character <= MARK_LAST:
        return bytes([ord(character) - 0xDC00])
    try:
        return character.encode(encoding, errors="surrogatepass")
    except UnicodeError:  # an encoding with shift states, in which a character depends on those before it
        return character.encode("utf-8", errors="surrogatepass")


def _without_bom(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(name, name)


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its end, and its number in the file, from 1."""

    number: int
    text: str


class PhysicalLines:
    """The lines of an open file, one by one. `count` is how many the file has given so far."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[Line] = deque()
        self.count = 0

    def next(self) -> Line | None:
        """The next line, or None at the end."""
        if self._again:
            return self._again.popleft()
        text = self._file.readline(MAX_LINE)
        if not text:
            return None
        self.count += 1
        return Line(self.count, text.removeprefix(BYTE_ORDER_MARK) if self.count == 1 else text)

    @property
    def waiting(self) -> int:
        """How many lines were given back and not read again."""
        return len(self._again)

    def give_back(self, lines: list[Line]) -> None:
        """Lines that will be read again, next first."""
        self._again.extendleft(reversed(lines))
