"""Where a row's images are: in a column of any kind, or in files whose names match the row's values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from vlmdata.convert.name_pattern import NamePatternError, pattern_of_names
from vlmdata.recipe import ImagePlace
from vlmdata.record import ImageReference, InlineImage

REFERENCE_KEYS = ("path", "url", "src")
"""The keys under which a mapping names an image, in order of preference: a file before an address."""

LIST_AS_TEXT = re.compile(r"\[\s*(['\"{]).*\]", re.DOTALL)


class ImageValueError(ValueError):
    """A value that names no image: `rule` is the rule's name, `field` the place, `hint` what to do."""

    def __init__(self, rule: str, field: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.field = field
        self.message = message
        self.hint = hint


def place_name(place: ImagePlace) -> str:
    """A place in words: its column, pattern or folder."""
    return place.column or place.glob or place.folder or ""


def references(
    values: Mapping[str, Any], place: ImagePlace, matching: Callable[[str], Sequence[str]]
) -> tuple[ImageReference, ...]:
    """A row's images in one place, in order. Raises ImageValueError for a value that can't name an image.

    `values` are the row's, None where one is missing; `matching` gives the image files that a glob pattern matches.
    """
    if place.column is not None:
        return tuple(_from_value(values.get(place.column), place))
    try:
        pattern = pattern_of_names(place.glob or f"{place.folder}/*", values)
    except NamePatternError as error:
        raise ImageValueError(error.rule, place_name(place), error.message, error.hint) from None
    if pattern is None:
        return ()
    try:
        return tuple(matching(pattern))
    except ValueError as error:
        rule, hint = getattr(error, "rule", "images.pattern"), getattr(error, "hint", "")
        raise ImageValueError(rule, place_name(place), str(error), hint) from None


def _from_value(value: Any, place: ImagePlace) -> Iterator[ImageReference]:
    """The images of a column's value: texts, bytes, mappings of bytes and path, or a list of these."""
    if isinstance(value, str):
        yield from _from_text(value, place)
    elif isinstance(value, list | tuple):
        for number, entry in enumerate(value):
            yield from _from_entry(entry, f"{place.column}[{number}]")
    else:
        yield from _from_entry(value, place.column or "")


def _from_text(cell: str, place: ImagePlace) -> Iterator[str]:
    if LIST_AS_TEXT.fullmatch(cell.strip()):
        message = f"found a list written as text, {_short(cell)}, expected a path, an address or a list"
        hint = f"name the column in `source.json`: [{place.column}]"
        raise ImageValueError("images.value", place.column or "", message, hint)
    for entry in split(cell, place.separator):
        if entry.strip():
            yield entry.strip()


def split(cell: str, separator: str | None) -> list[str]:
    """A cell's entries. A data: address, which holds `;` and `,` itself, is never taken apart before its data."""
    if not separator:
        return [cell]
    entries: list[str] = []
    for piece in cell.split(separator):
        if entries and is_data_address(entries[-1]) and "," not in entries[-1]:
            entries[-1] += separator + piece
        else:
            entries.append(piece)
    return entries


def is_data_address(text: str) -> bool:
    """Whether a text is a `data:` address, which holds the image itself."""
    return text.lstrip()[:5].lower() == "data:"


def _from_entry(value: Any, field: str) -> Iterator[ImageReference]:
    """The image of one value that is no list; none where it is missing or empty."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, bytes | bytearray | memoryview):
        yield InlineImage(data=bytes(value), name="")
    elif isinstance(value, Mapping):
        yield from _from_mapping(value, field)
    elif value is not None:
        message = f"found {_kind(value)}, expected a path, an address, or bytes"
        raise ImageValueError("images.value", field, message, "name another column, or correct the row")


def _from_mapping(value: Mapping[str, Any], field: str) -> Iterator[ImageReference]:
    data, path = value.get("bytes"), value.get("path")
    if isinstance(data, bytes | bytearray | memoryview):
        name = PurePosixPath(path.replace("\\", "/")).name if isinstance(path, str) else ""
        yield InlineImage(data=bytes(data), name=name)
        return
    if data is None and "bytes" in value:
        if path is None:
            return
        message = f"the image's bytes are missing, and its path {_short(path)} is of the machine that wrote the file"
        hint = "write the dataset with its images embedded, or name the paths in a column of text"
        raise ImageValueError("images.null_bytes", field, message, hint)
    named = next((value[key] for key in REFERENCE_KEYS if isinstance(value.get(key), str)), None)
    if named is None or data is not None:
        message = f"found {_kind(value)}, expected the keys bytes and path, or one of {', '.join(REFERENCE_KEYS)}"
        raise ImageValueError("images.value", field, message, "name another column, or correct the row")
    yield from _from_entry(named, field)


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"the keys {', '.join(map(repr, sorted(map(str, value))[:6]))}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list inside a list"
    if isinstance(value, bool | int | float):
        return f"the number {value!r}" if not isinstance(value, bool) else str(value).lower()
    return f"a {type(value).__name__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
