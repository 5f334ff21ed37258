"""A JSON file a stretch at a time: the next value where it is well formed, and where it ends where it is not.

A file of any size is read with as much memory as its longest row takes. Lines and columns are counted on the way.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from vlmdata.source.json_text import MAX_DEPTH, TOO_DEEP, Decoded, JsonTextError, decode, refuse_unusable, skip_space
from vlmdata.source.physical_lines import BYTE_ORDER_MARK

CHUNK_BYTES = 1 << 20
MAX_RECORD = 64_000_000
"""The longest row that is read, in characters."""

TOKEN = re.compile(r'"(?:[^"\\\r\n]|\\[^\r\n])*+"|["\[\]{},]')
"""A text that closes on its line, a quote that does not, or a sign of the structure."""

MOST_FAILURES = 20
"""How many objects are tried in vain before those that are too deep to be rows are sorted out."""

LONGEST_WORD = 10
"""`-Infinity` and escapes, which the end of what is in memory may cut."""

UNTERMINATED = "unterminated string starting"
OPEN = "the row that begins here does not end before the next one begins"
CLOSERS = {"]": "[", "}": "{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in the file: its line and column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A stretch of the file that should be one value: where it starts, its text, and its value or what is wrong.

    `found_at` is where the fault was found. `rest` says that the stretch goes on to the end of the file.
    """

    start: Spot
    text: str
    value: Any = None
    fault: JsonTextError | None = None
    found_at: Spot | None = None
    rest: bool = False


class Stretch:
    """The part of a file that is in memory, and the place in it where reading goes on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("vlmdata-mark")
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 1
        self._ended = False
        self.bytes_read = 0
        self._fill()
        if self._text.startswith(BYTE_ORDER_MARK):
            self._at = 1

    @property
    def spot(self) -> Spot:
        """Where reading goes on."""
        return Spot(line=self._line, column=self._column)

    def peek(self) -> str:
        """The next character that is no white space, or nothing at the end of the file."""
        while True:
            self._advance_to(skip_space(self._text, self._at))
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def step(self) -> None:
        """Pass over one character."""
        self._advance_to(self._at + 1)

    def take(self, siblings: Siblings) -> Taken:
        """The next value, or the stretch up to the next row where there is none that can be read."""
        while True:
            start = self.spot
            try:
                decoded = decode(self._text, self._at)
            except JsonTextError as fault:
                end = self._end_of_value()
                full = self._ended or len(self._text) - self._at >= MAX_RECORD
                if end is not None or full or self._is_followed(fault, siblings):
                    return self._take_broken(start, fault, end, siblings)
            else:
                if decoded.end < len(self._text) or self._ended:
                    return self._take_whole(start, decoded)
            self._fill()

    def rest(self, most: int) -> str:
        """All that is left of the file, of which so many characters are kept."""
        kept = ""
        while True:
            kept += self._text[self._at : self._at + most - len(kept)]
            self._advance_to(len(self._text))
            if not self._fill():
                return kept

    def skip_value(self) -> None:
        """Pass over a value of any size, which need not be well formed. Stops before the comma or bracket behind it."""
        depth = 0
        while True:
            found = TOKEN.search(self._text, self._at)
            sign = found.group()[0] if found else ""
            if found is None or (found.group() == '"' and not self._line_ends_after(found.end())):
                self._advance_to(found.start() if found else len(self._text))
                if not self._fill():
                    self._advance_to(len(self._text))
                    return
                continue
            if not depth and sign in {",", "]", "}"}:
                self._advance_to(found.start())
                return
            depth += (sign in {"[", "{"}) - (sign in CLOSERS)
            self._advance_to(found.end())

    def starts_with_rows_a_line(self) -> bool:
        """Whether the first line is an object by itself and the next line begins with another."""
        first, _, second = self._text[self._at :].lstrip().partition("\n")
        try:
            return isinstance(decode(first).value, dict) and second.lstrip()[:1] == "{"
        except JsonTextError:
            return False

    def _fill(self) -> bool:
        """Read more, at least as much as is in memory already, and let go of what has been read."""
        if self._ended:
            return False
        data = self._file.read(max(CHUNK_BYTES, len(self._text) - self._at))
        self.bytes_read += len(data)
        self._ended = not data
        self._text = self._text[self._at :] + self._decoder.decode(data, final=not data)
        self._at = 0
        return True

    def _advance_to(self, position: int) -> None:
        spot = self._spot_of(position)
        self._line, self._column, self._at = spot.line, spot.column, position

    def _spot_of(self, position: int) -> Spot:
        """The line and column of a position that is not before the one where reading goes on."""
        lines = self._text.count("\n", self._at, position)
        if not lines:
            return Spot(line=self._line, column=self._column + position - self._at)
        return Spot(line=self._line + lines, column=position - self._text.rfind("\n", self._at, position))

    def _line_ends_after(self, position: int) -> bool:
        return self._ended or self._text.find("\n", position) >= 0

    def _end_of_value(self) -> int | None:
        """Where the value at hand ends: before a comma or bracket that belongs to what it stands in.

        None where it does not end in the part that is in memory, or its brackets do not match. A text that does not
        close on its line is taken to end with the line.
        """
        open_brackets: list[str] = []
        position = self._at
        while (found := TOKEN.search(self._text, position)) is not None:
            sign, position = found.group()[0], found.end()
            if found.group() == '"':
                line_end = self._text.find("\n", position)
                if line_end < 0:
                    return None
                position = line_end
            elif sign in {"[", "{"}:
                open_brackets.append(sign)
            elif not open_brackets and sign in {",", "]", "}"} and found.start() > self._at:
                return found.start()
            elif sign in CLOSERS and open_brackets and open_brackets.pop() != CLOSERS[sign]:
                return None
        return None

    def _is_followed(self, fault: JsonTextError, siblings: Siblings) -> bool:
        """Whether a value is broken for certain, not just cut by the end of what is in memory, and a row follows it."""
        if fault.position is None or fault.position >= len(self._text) - LONGEST_WORD or fault.message == UNTERMINATED:
            return False
        return siblings.find(self._text, self._at, len(self._text)) is not None

    def _take_whole(self, start: Spot, decoded: Decoded) -> Taken:
        text = self._text[self._at : decoded.end]
        try:
            refuse_unusable(text, decoded.value)
        except JsonTextError as fault:
            found_at = self._spot_of(self._at + (fault.position or 0))
            self._advance_to(decoded.end)
            return Taken(start=start, text=text, fault=fault, found_at=found_at)
        self._advance_to(decoded.end)
        return Taken(start=start, text=text, value=decoded.value)

    def _take_broken(self, start: Spot, fault: JsonTextError, end: int | None, siblings: Siblings) -> Taken:
        """The stretch of a value that can't be read: to where a row begins inside it, else to its end."""
        whole = end is not None and fault.rule == TOO_DEEP
        sibling = None if whole else siblings.find(self._text, self._at, len(self._text) if end is None else end)
        stop = sibling if sibling is not None else end
        if stop is not None and fault.position is not None and fault.position >= stop:
            fault = JsonTextError("json.syntax", OPEN, "close its texts and brackets", self._at)
        found_at = self._spot_of(max(fault.position, self._at)) if fault.position is not None else start
        rest = stop is None
        if stop is not None:
            text = self._text[self._at : stop]
            self._advance_to(stop)
        else:
            text = self._text[self._at : self._at + MAX_RECORD]
            self._pass_unclosed()
        return Taken(start=start, text=text.rstrip(" \t\r\n,"), fault=fault, found_at=found_at, rest=rest)

    def _pass_unclosed(self) -> None:
        """Pass over a value that does not close in the part in memory: one that is too long, else all that is left."""
        if self._ended:
            self._advance_to(len(self._text))
        else:
            self.skip_value()


class Siblings:
    """What rows of this file look like, to find where the next one begins behind one that is broken."""

    def __init__(self) -> None:
        self._first_key: str | None = None
        self._keys: frozenset[str] = frozenset()

    def learn(self, value: Any) -> None:
        """Note the keys of a row that could be read."""
        if isinstance(value, dict) and value:
            self._first_key, self._keys = next(iter(value)), frozenset(value)

    def find(self, text: str, start: int, end: int) -> int | None:
        """Where, behind the start of a broken row, the next object begins that can be read and looks like a row."""
        failures, deep = 0, frozenset[int]()
        for found in self._begins(text, start, end).finditer(text, start + 1, end):
            if found.start() in deep:
                continue
            if not self._is_row(text, found.start()):
                failures += 1
                deep = _deep(text, start, end) if failures == MOST_FAILURES else deep
            elif self._keys or _laid_out_alike(text, start, found):
                return found.start()
        return None

    def _begins(self, text: str, start: int, end: int) -> re.Pattern[str]:
        """How a row begins: with the first key of this one, or of the last that could be read; else with any key."""
        own = KEY.search(text, start, end)
        keys = {own.group(1)} if own else set()
        if self._first_key is not None:
            keys.add(_as_written(self._first_key))
        named = "|".join(re.escape(key) for key in sorted(keys))
        others = "" if self._keys else f"|{ANY_KEY}"
        return re.compile(rf'\{{\s*"(?:(?P<known>{named}){others})"\s*:')

    def _is_row(self, text: str, position: int) -> bool:
        try:
            decoded = decode(text, position)
        except JsonTextError:
            return False
        behind = skip_space(text, decoded.end)
        alike = len(self._keys & decoded.value.keys()) * 2 >= len(decoded.value)
        return text[behind : behind + 1] in {",", "]", ""} and (alike or not self._keys)


def _deep(text: str, start: int, end: int) -> frozenset[int]:
    """Where brackets open that hold more than MAX_DEPTH others in each other, which no row does.

    Found in one pass, where trying to read each of them would read what is inside again and again.
    """
    found: list[int] = []
    opened: list[tuple[int, int]] = []

    def close() -> None:
        position, depth = opened.pop()
        if depth > MAX_DEPTH:
            found.append(position)
        if opened:
            opened[-1] = opened[-1][0], max(opened[-1][1], depth + 1)

    for token in TOKEN.finditer(text, start, end):
        sign = token.group()[0]
        if sign in {"[", "{"}:
            opened.append((token.start(), 1))
        elif sign in CLOSERS and opened:
            close()
    while opened:
        close()
    return frozenset(found)


ANY_KEY = r'(?:[^"\\\r\n]|\\[^\r\n])*+'
KEY = re.compile(rf'"({ANY_KEY})"\s*:')


def _as_written(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')


def _laid_out_alike(text: str, row: int, other: re.Match[str]) -> bool:
    """Whether an object stands in the file as the first row does: as far from its line's start, or beside it with the
    same first key."""
    indent = _indent(text, row)
    if indent is not None and indent == _indent(text, other.start()):
        return True
    return other.group("known") is not None and text[row + 1 : row + 3].strip() != ""


def _indent(text: str, position: int) -> int | None:
    """How far a position is from its line's start, where only white space stands before it; else None."""
    line = text.rfind("\n", 0, position) + 1
    return position - line if not text[line:position].strip() else None
