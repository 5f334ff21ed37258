"""How a table is read: the options that its source needs, and a recipe's lines for them with the reasons."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmdata.draft.kinds import Kind, records_key
from vlmdata.draft.photos import folders_below
from vlmdata.draft.writing import Line
from vlmdata.draft.yaml_text import flow_list, quoted, scalar
from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.source import FOLDERS, open_source
from vlmdata.source.captions import TRANSLATION
from vlmdata.source.dialect import find_dialect
from vlmdata.source.several_files import tables_in

MAX_HEADER_ROW = 10
MAX_CAPTIONS = 500
MAX_CAPTION_BYTES = 1_000_000
UNNAMED = re.compile(r"column_\d+")

Options = tuple[dict[str, Any], tuple[Line, ...]]


def options_of(kind: Kind) -> Options:
    """The options that a source of this type needs, and the recipe's lines for them; for a folder its first file's."""
    if kind.type in FOLDERS and kind.path.is_dir():
        kind = replace(kind, path=tables_in(kind.path, kind.type)[0])
    if kind.type == "csv":
        return _csv_options(kind.path)
    if kind.type == "excel":
        return _excel_options(kind.path)
    if kind.type == "json" and (records := records_key(kind.path)) is not None:
        return {"records": records}, ((f"records: {scalar(records)}", "the key under which the rows stand"),)
    captions = str(kind.options.get("captions", ""))
    comment = _left_out(kind.path, captions) if captions else ""
    lines = [(f"{key}: {quoted(value)}", comment) for key, value in kind.options.items()]
    return dict(kind.options), tuple(lines)


def _csv_options(path: Path) -> Options:
    dialect = find_dialect(path)
    lines = [
        (f"encoding: {scalar(dialect.encoding)}", dialect.encoding_reason),
        (f"delimiter: {quoted(dialect.delimiter)}", dialect.delimiter_reason),
    ]
    if dialect.quote == "'":
        lines.append(('quote: "\'"', "cells stand in single quotes"))
    elif not dialect.quote:
        lines.append(('quote: ""', "no cell stands in quotes: they are part of the text"))
    return {"encoding": dialect.encoding, "delimiter": dialect.delimiter, "quote": dialect.quote}, tuple(lines)


def _excel_options(path: Path) -> Options:
    """The row of the columns' names, where titles stand above it: the first of those with the most names."""
    width, named = _names(path, 1)
    if named == width or 2 * named > width:
        return {}, ()
    counts = {row: _names(path, row)[1] for row in range(1, MAX_HEADER_ROW + 1)}
    best = max(counts, key=lambda row: (counts[row], -row))
    if best == 1:
        return {}, ()
    return {"header_row": best}, ((f"header_row: {best}", "the first row as wide as the table; what is above is left"),)


def _names(path: Path, row: int) -> tuple[int, int]:
    """How many columns a sheet has, and how many of them a row names."""
    try:
        columns = open_source(SourceConfig(type="excel", path=path, options={"header_row": row})).columns
    except SourceError:
        if row == 1:  # empty, or no sheet at all: what is wrong is said when it is read
            return 1, 0
        return 0, 0
    return len(columns), sum(not UNNAMED.fullmatch(name) for name in columns)


def _left_out(folder: Path, ending: str) -> str:
    """What the captions' lines of translation are, and how some are kept; nothing where there are none."""
    found: Counter[str] = Counter()
    files = 0
    for each in folders_below(folder):
        for path in sorted(each.glob(f"*{ending}"))[: MAX_CAPTIONS - files]:
            files += 1
            found.update(_languages(path))
    if not found:
        return ""
    few = flow_list([name for name, _ in found.most_common(3)])
    return (
        f"{found.total():,} lines such as `{min(found)}.utf8=…` of {files:,} files are left out, and counted; "
        f"`translations: {few}` makes columns of them (`caption.{min(found)}`), `keep` leaves them in the text"
    )


def _languages(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CAPTION_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return [match[1] for line in text.splitlines() if (match := TRANSLATION.fullmatch(line))]
