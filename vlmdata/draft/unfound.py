"""Why columns that seem to name photos name no file: said in words, since the recipe does without them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

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
    values = [value for value in column.values if value is not None]

    def mostly(pattern: str) -> bool:
        return 2 * sum(bool(re.match(pattern, value)) for value in values) > len(values)

    example = f"such as {values[0][:60]!r}"
    if mostly(r"\w+://|//|www\."):
        return f"it holds addresses, {example}, and nothing is downloaded: fetch them, and give paths"
    if mostly(r"\[|\{"):
        return f"it holds lists in brackets, {example}, which are not supported yet: write paths with | between them"
    if mostly(r"/|\\|[A-Za-z]:[/\\]"):
        return f"its paths start at a disk's root, {example}: make them relative to the folder of the photos"
    if mostly(r".*\\"):
        return f"its paths have backslashes, {example}: write / between folders"
    if mostly(r"(.*/)?\.\./"):
        return f"its paths lead upwards, {example}: make them relative to the folder of the photos"
    return f"its values, {example}, name no image file in the folders near the table"
