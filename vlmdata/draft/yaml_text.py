"""YAML and Jinja written by hand, so that comments can stand in it: every name and value comes back as it was."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence

import yaml

from vlmdata.template_sandbox import METHODS

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ ./-][A-Za-z0-9_]+)*")
COMMENT_COLUMN = 39
RESERVED = frozenset(
    (
        *("row", "range", "true", "false", "none", "not", "and", "or", "in", "is", "if", "else"),
        *("loop", "self", "super", "caller", "varargs", "kwargs"),
    )
)
"""Names that mean something else in a template."""


def scalar(text: str) -> str:
    """A text as a YAML value: plain where that reads back as the same text, else in double quotes."""
    if PLAIN.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    return quoted(text)


def quoted(text: str, mark: str = '"') -> str:
    """A text in double quotes, as YAML reads it; what can't be printed is escaped."""
    return mark + "".join(_escaped(sign, mark) for sign in text) + mark


def literal(text: str) -> str:
    """A text in single quotes, as Jinja reads it."""
    return quoted(text, "'")


def _escaped(sign: str, mark: str) -> str:
    if sign in {mark, "\\"}:
        return "\\" + sign
    if sign in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[sign]
    return sign if sign.isprintable() else printable(sign)


def printable(text: str) -> str:
    """A text for a comment: one line, what can't be printed as an escape."""
    return "".join(sign if sign.isprintable() else _code(ord(sign)) for sign in text)


def _code(number: int) -> str:
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def flow_list(texts: list[str]) -> str:
    """A list on one line."""
    return "[" + ", ".join(scalar(text) for text in texts) + "]"


def commented(line: str, comment: str) -> str:
    """A line with a comment behind it, in the column where the others stand."""
    return f"{line:<{COMMENT_COLUMN - 1}} # {printable(comment)}" if comment else line


def name_in_template(column: str) -> str:
    """How a template calls a column: by its name, or `row['Product title']`."""
    is_name = column.isidentifier() and unicodedata.normalize("NFKC", column) == column
    if is_name and not keyword.iskeyword(column) and column.lower() not in RESERVED:
        return column
    return f"row[{literal(column)}]"


def path_in_template(path: Sequence[str]) -> str:
    """How a template calls a column, or an entry of its mappings: `attributes.brand`, `attributes['net weight']`."""
    name = name_in_template(path[0])
    for key in path[1:]:
        plain = key.isidentifier() and key.isascii() and not keyword.iskeyword(key) and key not in METHODS
        name += f".{key}" if plain else f"[{literal(key)}]"
    return name


def printed(*path: str) -> str:
    """The template that prints a column's value, or an entry's of its mappings."""
    return f"{{{{ {path_in_template(path)} }}}}"


def label(column: str) -> str:
    """A column's name in words, for a line of a prompt: `brand_name` is `Brand name`; no template syntax is left."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    words = re.sub(r"[^\w()/&'+°²³,. -]|_", " ", apart).split()
    text = " ".join(words)[:60].strip()
    return text[:1].upper() + text[1:] if text else "Detail"
