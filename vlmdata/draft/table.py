"""A sample of a catalog's rows, column by column: what each holds, counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

MISSING = ("nan", "NaN", "NAN", "NULL", "null", "Null", "N/A", "n/a", "#N/A", "#NV", "None", "-", "--", "–", "—", "\\N")
"""Cell texts that never are a value."""

SOMETIMES_MISSING = ("none", "NA", "na", "nil", "?", "k.A.", "k. A.", "tbd", "TBD")
"""Cell texts that can be a value in a column of words (`pattern: none`), and are none among numbers."""

NUMBER = re.compile(r"[-+]?\d[\d.,' \u00a0]*%?")
FILE_NAME = re.compile(r"\.(?:jpe?g|png|webp|gif|tiff?|bmp|heic|avif)\b", re.IGNORECASE)
OTHER_FILE = re.compile(
    r"(?:https?://|www\.)|[\w/\\-]\.(?:pdf|mp4|mov|webm|avi|glb|docx?|xlsx?|zip|html?|svg)$", re.IGNORECASE
)
DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"II*\0", b"MM\0*", b"BM")
MAX_STEPS, MAX_KEYS, MIN_KEY_SHARE = 4, 40, 0.1
"""How deep mappings are looked into, and how many of their keys, which this share of them must have."""

JSON_SHARE = 0.9
"""A column holds JSON where at least this share of its cells are lists or mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that could be read, as values in the columns' order, and how many could not.

    `json` are columns whose cells are JSON texts; their values are what the texts say.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    unreadable: Mapping[str, int]
    whole: bool
    json: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's values, None where missing, and what was counted of those that are there.

    `path` leads to the values: the column's name, and the keys below it where they stand in mappings. Texts are
    trimmed; numbers, and true and false, stand as text. Of lists, mappings and bytes, which `nested` counts, only the
    images are counted. `written` is the share that the source holds as text. Lengths are in characters, shares between
    0 and 1.
    """

    name: str
    place: int
    path: tuple[str, ...]
    values: tuple[Any, ...]
    written: float
    nested: float
    filled: float
    distinct: int
    most_common: tuple[tuple[str, int], ...]
    mean_length: float
    longest: int
    mean_words: float
    numbers: float
    dates: float
    image_names: float
    other_files: float
    html: float

    @property
    def has_name(self) -> bool:
        """Whether a recipe can call it by its name: an entry's is dotted, so that no key on the way may hold a dot."""
        return len(self.path) == 1 or not any("." in step for step in self.path)

    @property
    def count(self) -> int:
        """How many rows have a value here."""
        return round(self.filled * len(self.values))

    @property
    def unique(self) -> float:
        """Different values, as a share of the rows that have one."""
        return self.distinct / self.count if self.count else 0.0

    @property
    def is_flag(self) -> bool:
        """Whether it holds a yes or a no, each in one word, which may be written with and without capitals."""
        found = {value.casefold() for value, _ in self.most_common}
        return 0 < len(found) <= 2 and self.distinct <= MOST_SPELLINGS and found <= YES | NO


YES = frozenset(
    (
        *("1", "1.0", "true", "yes", "y", "t", "on", "x", "✓", "✔", "ja", "j", "wahr", "oui", "o", "vrai", "si", "sí"),
        *(
            "s",
            "sì",
            "vero",
            "verdadero",
            "verdadeiro",
            "sim",
            "tak",
            "prawda",
            "ano",
            "áno",
            "igen",
            "da",
            "да",
            "так",
        ),
        *("истина", "kyllä", "kyl", "joo", "jah", "jā", "taip", "evet", "doğru", "waar", "sann", "sand", "ναι", "כן"),
        *("نعم", "はい", "有", "是", "예", "네", "有効"),
    )
)
"""How a cell says yes, in the languages that catalogs are written in; small letters."""

NO = frozenset(
    (
        *("0", "0.0", "false", "no", "n", "f", "off", "nein", "falsch", "non", "faux", "falso", "não", "nao", "nie"),
        *("fałsz", "ne", "nem", "nu", "нет", "не", "ні", "ложь", "ei", "nej", "nei", "ikke", "nee", "onwaar", "hayır"),
        *("hayir", "yanlış", "nē", "falskt", "falsk", "όχι", "לא", "لا", "いいえ", "無", "否", "아니요", "無効"),
    )
)
"""How it says no."""

MOST_SPELLINGS = 6


def with_json_read(table: Table, nulls: Sequence[str]) -> Table:
    """A table whose columns of JSON lists and mappings, written as text, are read."""
    missing = {"", *nulls}
    read: dict[int, list[Any]] = {}
    for place in range(len(table.columns)):
        cells = [row[place] for row in table.rows]
        values = _json_values(cells, missing)
        if values is not None:
            read[place] = values
    rows = [
        tuple(read[place][number] if place in read else value for place, value in enumerate(row))
        for number, row in enumerate(table.rows)
    ]
    return replace(table, rows=rows, json=tuple(table.columns[place] for place in sorted(read)))


def _json_values(cells: Sequence[Any], missing: Collection[str]) -> list[Any] | None:
    """The values of cells of which nearly all are JSON lists or mappings; None for a column of another kind."""
    known = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip() not in missing]
    if not known or sum(cell[0] in "[{" for cell in known) < JSON_SHARE * len(known):
        return None
    values = [_json_value(cell, missing) for cell in cells]
    found = sum(isinstance(value, list | dict) for value in values)
    return values if found >= JSON_SHARE * len(known) else None


def _json_value(cell: Any, missing: Collection[str]) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return None if cell.strip() in missing else json.loads(cell)
    except (ValueError, RecursionError):
        return None


def missing_spellings(table: Table) -> tuple[str, ...]:
    """The cell texts of a table that stand for a missing value, in a fixed order; the empty one is not among them."""
    cells = [Counter(cell.strip() for cell in column if isinstance(cell, str)) for column in _by_column(table)]
    found = [text for text in MISSING if any(text in counted for counted in cells)]
    for text in SOMETIMES_MISSING:
        holding = [counted for counted in cells if text in counted]
        if len(holding) > 1 or any(_mostly_numbers(counted, text) for counted in holding):
            found.append(text)
    return tuple(found)


def _by_column(table: Table) -> list[tuple[Any, ...]]:
    return [tuple(row[place] for row in table.rows) for place in range(len(table.columns))]


def _mostly_numbers(counted: Counter[str], apart_from: str) -> bool:
    others = {text: count for text, count in counted.items() if text not in ("", apart_from)}
    numbers = sum(count for text, count in others.items() if NUMBER.fullmatch(text))
    return bool(others) and 2 * numbers > sum(others.values())


def profile(table: Table, nulls: Sequence[str]) -> tuple[Column, ...]:
    """Every column of a table, counted, and behind them the entries of mappings as columns of their own."""
    missing = {"", *nulls}
    columns = [
        _column((name,), place, values, missing)
        for place, (name, values) in enumerate(zip(table.columns, _by_column(table), strict=True))
    ]
    for column in columns:  # it grows meanwhile, so that mappings inside mappings are looked into
        for key in _keys(column) if len(column.path) < MAX_STEPS else ():
            if ".".join((*column.path, key)) not in table.columns:
                cells = [value.get(key) if isinstance(value, Mapping) else None for value in column.values]
                columns.append(_column((*column.path, key), len(columns), cells, missing))
    return tuple(columns)


def _keys(column: Column) -> list[str]:
    """The keys of a column's mappings, in the order in which they come; none of those that hold an image."""
    mappings = [value for value in column.values if isinstance(value, Mapping)]
    if 2 * len(mappings) < column.count or column.image_names >= 0.3:
        return []
    counted = Counter(key for value in mappings for key in value)
    return [key for key, count in counted.items() if count >= MIN_KEY_SHARE * len(mappings)][:MAX_KEYS]


def _column(path: tuple[str, ...], place: int, cells: Sequence[Any], missing: Collection[str]) -> Column:
    values = tuple(_known(cell, missing) for cell in cells)
    there = [(cell, value) for cell, value in zip(cells, values, strict=True) if value is not None]
    known = [value for _, value in there if isinstance(value, str)]
    nested = [value for _, value in there if not isinstance(value, str)]
    counted = Counter(known)
    return Column(
        name=".".join(path),
        place=place,
        path=path,
        values=values,
        written=_share(sum(isinstance(cell, str) for cell, _ in there), there),
        nested=_share(len(nested), there),
        filled=len(there) / len(values) if values else 0.0,
        distinct=len(counted),
        most_common=tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:30]),
        mean_length=_share(sum(map(len, known)), known),
        longest=max(map(len, known), default=0),
        mean_words=_share(sum(len(value.split()) for value in known), known),
        numbers=_share(sum(bool(NUMBER.fullmatch(value)) for value in known), known),
        dates=_share(sum(bool(DATE.match(value)) for value in known), known),
        image_names=_share(sum(holds_images(value) for _, value in there), there),
        other_files=_share(sum(bool(OTHER_FILE.search(value)) for value in known), known),
        html=_share(sum(bool(TAG.search(value)) for value in known), known),
    )


def _known(cell: Any, missing: Collection[str]) -> Any:
    """A cell's value: its text, trimmed; a list, a mapping or bytes as they are; None where it is missing."""
    if isinstance(cell, str):
        text = cell.strip()
        return None if text in missing else text
    if cell is None or (isinstance(cell, float) and isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, list | tuple | Mapping | bytes) else str(cell)


def holds_images(value: Any) -> bool:
    """Whether a list, a mapping or bytes hold something like an image: bytes, or the name of a file."""
    if isinstance(value, str):
        return bool(FILE_NAME.search(value)) or value[:11].lower() == "data:image/"
    if isinstance(value, list | tuple):
        return any(map(holds_images, value))
    if isinstance(value, Mapping):
        return any(holds_images(value.get(key)) for key in ("bytes", "path", "url", "src"))
    return isinstance(value, bytes) and value.startswith(IMAGE_STARTS)


def _share(total: float, of: Sequence[Any]) -> float:
    return total / len(of) if of else 0.0


def first_row_is_data(table: Table, columns: Sequence[Column]) -> list[str]:
    """The header's cells that look like values of their columns: file names, numbers, long texts. Empty for names."""
    suspects = []
    for column in columns:
        numeric = bool(NUMBER.fullmatch(column.name)) and column.numbers > 0.8
        file_name = bool(FILE_NAME.search(column.name)) and column.image_names > 0.5
        if numeric or file_name or len(column.name) > 120:
            suspects.append(column.name)
    files = any(FILE_NAME.search(name) for name in suspects)
    return suspects if files or 2 * len(suspects) > len(table.columns) else []
