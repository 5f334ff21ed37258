"""JSON text to one row's values, strictly: what other readers change or drop without a word is a named fault here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from vlmdata.source.physical_lines import undecoded_words

MAX_DEPTH = 64
"""How deep lists and mappings may stand in each other; a row of a catalog has no use for more."""

MAX_DIGITS = 1_000
"""The most digits of a whole number; Python itself reads 4,300."""

TOO_DEEP = "json.depth"
"""The rule of a value that stands deeper than that."""

SURROGATE = re.compile("[\ud800-\udfff]")
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
OBJECT_HINT = 'a row is an object such as {"sku": "MUG-1", "title": "Red mug"}'
ENCODING_HINT = "save the file as UTF-8"
SYNTAX_HINTS = {
    "Extra data": "one object is expected here, and nothing behind it",
    "Expecting value": "a value is a text in double quotes, a number, true, false, null, a list or an object",
    "Expecting ':' delimiter": "a key is followed by a colon and its value",
    "Expecting ',' delimiter": 'a comma stands between two entries, and a double quote inside a text is written \\"',
    "Expecting property name enclosed in double quotes": "keys stand in double quotes, with no comma behind the last",
    "Illegal trailing comma before end of object": "take the last comma out",
    "Illegal trailing comma before end of array": "take the last comma out",
    "Invalid control character": "a tab inside a text is written \\t, another control character \\u00..",
    "Invalid \\escape": "a backslash inside a text is written \\\\",
    "Unterminated string starting": "close the text with a double quote",
    "A text does not close on its line": "close it with a double quote; a line break inside a text is written \\n",
}


class JsonTextError(ValueError):
    """What is wrong with a JSON text: the rule's name, what was found, and what to do.

    `position` is the character of the text at which it was found, where that is known.
    """

    def __init__(self, rule: str, message: str, hint: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.hint = hint
        self.position = position


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value, and the position behind it."""

    value: Any
    end: int


def decode(text: str, start: int = 0) -> Decoded:
    """The JSON value that starts at a position, white space before it passed over. Raises JsonTextError.

    Bytes that did not decode stand in the text as `physical_lines` marks them.
    """
    start = skip_space(text, start)
    try:
        value, end = DECODER.raw_decode(text, start)
    except JsonTextError:
        raise
    except json.JSONDecodeError as error:
        marked = SURROGATE.search(text, start)
        if marked is not None and marked.start() <= error.pos:
            raise _not_utf8(text, marked.start()) from None
        words = error.msg.removesuffix(" at")
        if words == "Invalid control character" and text[error.pos] in "\r\n":
            words = "A text does not close on its line"
        raise JsonTextError("json.syntax", _lowered(words), SYNTAX_HINTS.get(words, ""), error.pos) from None
    except RecursionError:
        raise _too_deep(start) from None
    return Decoded(value, end)


def value_of(text: str) -> Any:
    """The value that is the whole of a text. Raises JsonTextError."""
    decoded = decode(text)
    end = skip_space(text, decoded.end)
    if end < len(text):
        raise JsonTextError("json.syntax", "there is more text behind the value", SYNTAX_HINTS["Extra data"], end)
    refuse_unusable(text, decoded.value)
    return decoded.value


def row_of(text: str) -> dict[str, Any]:
    """The object that is the whole of a text. Raises JsonTextError."""
    return as_row(value_of(text))


def as_row(value: Any) -> dict[str, Any]:
    """A value that is an object. Raises JsonTextError."""
    if not isinstance(value, dict):
        raise JsonTextError("json.not_an_object", f"found {kind_of_json(value)}, expected an object", OBJECT_HINT)
    return value


def refuse_unusable(text: str, value: Any) -> None:
    """Raise JsonTextError for what the decoder lets through: bytes that are no UTF-8, half a character, nesting."""
    marked = None if text.isascii() else SURROGATE.search(text)
    if marked is not None:
        raise _not_utf8(text, marked.start())
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep(0)
    if SURROGATE_ESCAPE.search(text) and any(SURROGATE.search(each) for each in _texts(value)):
        escape = SURROGATE_ESCAPE.search(text)
        message = "a text holds half of a surrogate pair, which is no character"
        hint = "write the character itself, or both halves"
        raise JsonTextError("json.surrogate", message, hint, escape.start() if escape else None)


def skip_space(text: str, position: int) -> int:
    """The position of the next character that is no white space."""
    found = SPACE.match(text, position)
    return found.end() if found else position


SPACE = re.compile(r"[ \t\r\n]*")


def kind_of_json(value: Any) -> str:
    """A value's kind in words: `a list`, `the text 'a'`."""
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 else f"the text {value[:37]!r}…"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else f"the number {value}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the key {twice!r} stands {names.count(twice)} times in one object"
        raise JsonTextError("json.duplicate_key", message, "keep one of them, or rename one")
    return made


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise JsonTextError("json.number", f"a number has {len(text):,} digits", "write it as a text")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise JsonTextError("json.number", f"the number {text} is too large", "write it as a text")
    return number


def _constant(word: str) -> None:
    """NaN is how pandas writes a missing value; infinity is no value of a product."""
    if word != "NaN":
        raise JsonTextError("json.number", f"{word} is no number in JSON", "write null where the value is missing")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant)


def _not_utf8(text: str, position: int) -> JsonTextError:
    return JsonTextError("json.encoding", f"{undecoded_words(text[position])} is not UTF-8", ENCODING_HINT, position)


def _too_deep(position: int) -> JsonTextError:
    message = f"lists and objects stand in each other more than {MAX_DEPTH} deep"
    return JsonTextError(TOO_DEEP, message, "take what is nested out of the row", position)


def _depth(value: Any) -> int:
    """How deep lists and mappings stand in each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [entry for each in level for entry in (each.values() if isinstance(each, dict) else each)]
    return depth


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]
