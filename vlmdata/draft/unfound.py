"""Why columns that seem to name photos name no file: said in words, since the recipe does without them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vlmdata.draft.table import Column
from vlmdata.draft.words import IMAGE, named


def unfound_photos(columns: Sequence[Column], used: Collection[str]) -> Iterator[str]:
    """A sentence for each column that looks like photos and is not used."""
    for column in columns:
        if column.name in used or not column.count:
            continue
        like_files = column.image_names >= 0.3
        if like_files or (named(column.name, IMAGE) and column.mean_words <= 2 and column.numbers < 0.5):
            yield f"the column {column.name!r} seems to name photos, but {_reason(column)}"


def _reason(column: Column) -> str:
    values = [text for value in column.values for text in _texts(value)]
    if not values:
        return "it holds no path, no address and no bytes of an image"

    def mostly(pattern: str) -> bool:
        return 2 * sum(bool(re.match(pattern, value)) for value in values) > len(values)

    example = f"such as {values[0][:60]!r}"
    if mostly(r"\w+://|//|www\."):
        return f"it holds addresses, {example}, and nothing is downloaded unless `network` names their hosts"
    if mostly(r"\[|\{"):
        return f"it holds lists in brackets that are no JSON, {example}: write JSON, or paths with | between them"
    if mostly(r"/|\\|[A-Za-z]:[/\\]"):
        return f"its paths start at a disk's root, {example}: make them relative to the folder of the photos"
    if mostly(r"(.*/)?\.\./"):
        return f"its paths lead upwards, {example}: make them relative to the folder of the photos"
    advice = "draft from the folder above both, or set images.root"
    return f"its values, {example}, name no image file in the folders near the table: {advice}"


def _texts(value: Any) -> list[str]:
    """The texts that could name images in a value of any kind."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [text for entry in value for text in _texts(entry)]
    if isinstance(value, Mapping):
        return [text for key in ("path", "url", "src") for text in _texts(value.get(key))]
    return []
