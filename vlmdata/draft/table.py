"""A sample of a catalog's rows, column by column: what each holds, counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that could be read, as cells in the columns' order, and how many could not."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    unreadable: Mapping[str, int]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's values, trimmed, None where missing, and what was counted of those that are there.

    Lengths are in characters, shares between 0 and 1.
    """

    name: str
    place: int
    values: tuple[str | None, ...]
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
    def count(self) -> int:
        """How many rows have a value here."""
        return round(self.filled * len(self.values))

    @property
    def unique(self) -> float:
        """Different values, as a share of the rows that have one."""
        return self.distinct / self.count if self.count else 0.0

    @property
    def is_flag(self) -> bool:
        """Whether it holds a yes or a no."""
        return 0 < self.distinct <= 2 and all(value.casefold() in YES_AND_NO for value, _ in self.most_common)


YES_AND_NO = frozenset(
    (
        *("0", "1", "true", "false", "yes", "no", "y", "n", "t", "f", "on", "off", "x"),
        *("ja", "nein", "oui", "non", "si", "sí", "wahr", "falsch", "vrai", "faux"),
    )
)


def missing_spellings(table: Table) -> tuple[str, ...]:
    """The cell texts of a table that stand for a missing value, in a fixed order; the empty one is not among them."""
    cells = [Counter(cell.strip() for cell in column) for column in zip(*table.rows, strict=True)]
    found = [text for text in MISSING if any(text in counted for counted in cells)]
    for text in SOMETIMES_MISSING:
        holding = [counted for counted in cells if text in counted]
        if len(holding) > 1 or any(_mostly_numbers(counted, text) for counted in holding):
            found.append(text)
    return tuple(found)


def _mostly_numbers(counted: Counter[str], apart_from: str) -> bool:
    others = {text: count for text, count in counted.items() if text not in ("", apart_from)}
    numbers = sum(count for text, count in others.items() if NUMBER.fullmatch(text))
    return bool(others) and 2 * numbers > sum(others.values())


def profile(table: Table, nulls: Sequence[str]) -> tuple[Column, ...]:
    """Every column of a table, counted."""
    missing = {"", *nulls}
    columns = []
    for place, name in enumerate(table.columns):
        trimmed = (row[place].strip() for row in table.rows)
        columns.append(_column(name, place, tuple(None if value in missing else value for value in trimmed)))
    return tuple(columns)


def _column(name: str, place: int, values: tuple[str | None, ...]) -> Column:
    known = [value for value in values if value is not None]
    counted = Counter(known)
    return Column(
        name=name,
        place=place,
        values=values,
        filled=len(known) / len(values) if values else 0.0,
        distinct=len(counted),
        most_common=tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:30]),
        mean_length=_share(sum(map(len, known)), known),
        longest=max(map(len, known), default=0),
        mean_words=_share(sum(len(value.split()) for value in known), known),
        numbers=_share(sum(bool(NUMBER.fullmatch(value)) for value in known), known),
        dates=_share(sum(bool(DATE.match(value)) for value in known), known),
        image_names=_share(sum(bool(FILE_NAME.search(value)) for value in known), known),
        other_files=_share(sum(bool(OTHER_FILE.search(value)) for value in known), known),
        html=_share(sum(bool(TAG.search(value)) for value in known), known),
    )


def _share(total: float, of: Sequence[str]) -> float:
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
