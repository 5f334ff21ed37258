"""A table looked at for a draft: read through its source, its columns counted, its photos found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from vlmdata.convert.answer_options import list_or_mapping
from vlmdata.convert.formats.detecting import candidates
from vlmdata.draft.kinds import Kind
from vlmdata.draft.named_photos import find_named_photos
from vlmdata.draft.photos import Photos, find_photos, folders_below
from vlmdata.draft.questions import OPTIONS
from vlmdata.draft.table import JSON_SHARE, Column, Table, first_row_is_data, missing_spellings, profile, with_json_read
from vlmdata.draft.words import IMAGE, named
from vlmdata.draft.writing import Line
from vlmdata.draft.yaml_text import flow_list, scalar
from vlmdata.drafting_options import options_of
from vlmdata.errors import SourceError
from vlmdata.photo_lookup import PhotoLookup, zips_of_photos
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source

MAX_ROWS = 20_000
MAX_CHARACTERS = 50_000_000
MAX_IMAGE_BYTES = 1_000_000_000
KEPT_BYTES = 64
FIRST_ROWS = 2_000
MAX_FIRST_BYTES = 100_000_000
ASKED_AND_ANSWERED: Mapping[str, frozenset[str]] = {
    "query": frozenset(("response", "answer", "output")),
    "instruction": frozenset(("response", "output")),
    "prompt": frozenset(("response", "completion", "output", "chosen")),
}
"""Keys under which formats of conversations have a question, and those of its answer."""

BESIDE = 2_000
HEADED = ("csv", "excel")
"""Types whose columns' names stand in a row of their own, which may be missing."""

QUESTION_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
PHOTO_FOLDERS = (*IMAGE, "shots", "pics", "originals")
"""Words in the names of folders beside the table's own that are looked into."""

LOOKUP = PhotoLookup()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A table after a look: how it is read, its columns, and its photos. `lines` explain the options."""

    type: str
    path: Path
    lines: tuple[Line, ...]
    table: Table
    nulls: tuple[str, ...]
    columns: tuple[Column, ...]
    photos: Photos | None
    folders: tuple[Path, ...] = field(default=())

    @property
    def is_plain(self) -> bool:
        """Whether a source that takes no options reads it rightly, by its ending alone."""
        if self.path.is_dir():
            return self.type == "parquet"
        if self.path.suffix.lower() not in QUESTION_ENDINGS:
            return False
        usual = {"encoding: utf-8", 'delimiter: "\\t"' if self.path.suffix.lower() == ".tsv" else 'delimiter: ","'}
        return self.type in {"jsonl", "json", "parquet", "csv"} and {line for line, _ in self.lines} <= usual

    @property
    def named_columns(self) -> tuple[Column, ...]:
        """The columns, and the entries of their mappings, that a recipe can call by name."""
        return tuple(column for column in self.columns if column.has_name)

    @property
    def whole_columns(self) -> tuple[Column, ...]:
        """The columns, without the entries of their mappings."""
        return tuple(column for column in self.columns if len(column.path) == 1)

    @property
    def rows(self) -> int:
        """How many rows were looked at, with those that could not be read."""
        return len(self.table.rows) + sum(self.table.unreadable.values())

    def source_lines(self, path: str) -> tuple[Line, ...]:
        """What stands below `source:`, the path as the recipe sees it."""
        named: tuple[Line, ...] = (
            (f"type: {self.type}", ""),
            (f"path: {scalar(path)}", "relative to this file, as every path here"),
        )
        json = ((f"json: {flow_list(list(self.table.json))}", "cells of lists or mappings"),) if self.table.json else ()
        return (*named, *self.lines, *json)


def look_at(kind: Kind, folders: Sequence[Path]) -> LookedAt:
    """A table, with photos looked for below some folders and near them.

    Raises SourceError where it can't be read, has no rows, or no row of names above them.
    """
    options, lines = options_of(kind)
    tried = " with any delimiter and quote that was tried" if kind.type == "csv" else ""
    source = open_source(SourceConfig(type=kind.type, path=kind.path, options=options))
    table = read_table(source, kind.path.name, tried)
    nulls = missing_spellings(table)
    table = with_json_read(table, nulls)
    columns = profile(table, nulls)
    data = first_row_is_data(table, columns) if kind.type in HEADED else []
    if data:
        shown = ", ".join(repr(cell[:40]) for cell in data[:3])
        message = f"{kind.path.name}: the first row holds data ({shown}), the columns' names were expected"
        raise SourceError(f"{message}; put a line with a name for each column above it")
    named = [column for column in columns if column.has_name]
    of_images = kind.type == "image_folder"
    photos = find_photos(named, [kind.path], LOOKUP) if of_images else _photos(named, folders)
    return LookedAt(
        type=kind.type,
        path=kind.path,
        lines=lines,
        table=table,
        nulls=nulls,
        columns=columns,
        photos=photos,
        folders=tuple(folders),
    )


def with_lists_read(looked: LookedAt) -> LookedAt:
    """A table whose cells of lists as Python writes them are read too, as `multi_image` reads them."""
    table, columns = looked.table, list(zip(*looked.table.rows, strict=True))
    read = {place: lists for place, cells in enumerate(columns) if (lists := _python_lists(cells)) is not None}
    if not read:
        return looked
    by_column = [read.get(place, cells) for place, cells in enumerate(columns)]
    table = replace(table, rows=list(zip(*by_column, strict=True)))
    profiled = profile(table, looked.nulls)
    photos = _photos([column for column in profiled if column.has_name], looked.folders)
    return replace(looked, table=table, columns=profiled, photos=photos)


def _python_lists(cells: Sequence[Any]) -> list[Any] | None:
    """The values of cells of which nearly all are lists; None for a column of another kind."""
    known = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    if not known or sum(cell.lstrip()[0] == "[" for cell in known) < JSON_SHARE * len(known):
        return None
    values = [list_or_mapping(cell.strip()) if isinstance(cell, str) else cell for cell in cells]
    found = sum(isinstance(value, list) for value in values)
    return values if found >= JSON_SHARE * len(known) else None


def read_table(source: Source, name: str, tried: str) -> Table:
    """The first rows of a source. Raises SourceError where it has none, or most of them can't be read.

    `tried` are words for what was tried to read them better, if anything was.
    """
    columns = tuple(source.columns)
    rows: list[tuple[Any, ...]] = []
    unreadable: Counter[str] = Counter()
    first: Rejection | None = None
    characters = image_bytes = 0
    with entries_of(source) as entries:
        for entry in islice(entries, MAX_ROWS):
            if isinstance(entry, RawRecord):
                characters += sum(len(value) for value in entry.values.values() if isinstance(value, str))
                image_bytes += sum(map(bytes_in, entry.values.values()))
                rows.append(tuple(_light(entry.values.get(column)) for column in columns))
            elif isinstance(entry, Rejection):
                unreadable.update(entry.rules[:1])
                first = first or entry
            if characters > MAX_CHARACTERS or image_bytes > MAX_IMAGE_BYTES:
                break
        whole = next(entries, None) is None
    table = Table(columns=columns, rows=rows, unreadable=dict(unreadable), whole=whole)
    _refuse_unreadable(table, name, tried, first)
    return table


@contextmanager
def entries_of(source: Source) -> Iterator[Iterator[RawRecord | Rejection | Skip]]:
    """The rows of all shards, which are closed even where not all of them are read."""

    def entries() -> Generator[RawRecord | Rejection | Skip]:
        for shard in source.shards():
            rows = iter(shard)
            try:
                yield from rows
            finally:
                if isinstance(rows, Generator):
                    rows.close()

    running = entries()
    try:
        yield running
    finally:
        running.close()


def bytes_in(value: Any) -> int:
    """The bytes of images in a value."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(bytes_in, value.values()))
    return sum(map(bytes_in, value)) if isinstance(value, list | tuple) else 0


def _light(value: Any) -> Any:
    """A value with no more of an image's bytes than tell what they are, and a digest that tells them apart."""
    if isinstance(value, bytes):
        return value if len(value) <= KEPT_BYTES else value[:KEPT_BYTES] + blake2b(value, digest_size=16).digest()
    if isinstance(value, Mapping):
        return {key: _light(entry) for key, entry in value.items()}
    return [_light(entry) for entry in value] if isinstance(value, list | tuple) else value


def _refuse_unreadable(table: Table, name: str, tried: str, first: Rejection | None) -> None:
    """Raise SourceError for a table without rows, or with as many that can't be read; `tried` is how they were."""
    rows, unreadable = len(table.rows), Counter(table.unreadable)
    if not rows and first is None:
        raise SourceError(
            f"{name}: {'a header and no row; rows were expected below it' if tried else 'there is no row in it'}"
        )
    bad = unreadable.total()
    if first is not None and bad >= rows:
        message = f"{name}: {bad:,} of {rows + bad:,} rows can't be read{tried}"
        raise SourceError(f"{message}; the first of them:", first.problems)


def _photos(columns: Sequence[Column], folders: Sequence[Path]) -> Photos | None:
    """Photos below the table's folders, else in folders of images beside them; named by columns, else after them."""
    starts = list(dict.fromkeys(folder.resolve() for folder in folders))
    near = list(dict.fromkeys(below for start in starts for below in folders_below(start)))
    found = find_photos(columns, [*near, *zips_of_photos(near)], LOOKUP)
    if found is not None:
        return found
    return find_photos(columns, photo_folders_beside(starts[0]), LOOKUP) or find_named_photos(columns, starts)


def photo_folders_beside(folder: Path) -> list[Path]:
    """The folders beside a folder whose names say that they hold images, and those below them.

    No other is looked into, nor anything further up: whose photos these are could not be known.
    """
    if folder.parent == folder.parent.parent:  # beside the disk's own folders, as `/media` is
        return []
    beside = folders_below(folder.parent, depth=1, most=BESIDE)[1:]
    chosen = [each for each in beside if each != folder and named(each.name, PHOTO_FOLDERS)]
    return [below for each in chosen[:10] for below in folders_below(each, depth=3, most=200)]


def is_of_conversations(kind: Kind) -> bool:
    """Whether a file's first rows are conversations in a format that is known."""
    if kind.type == "conversations":
        return True
    if kind.type not in {"json", "jsonl", "parquet"}:
        return False
    try:
        options, _ = options_of(kind)
        rows = _first_rows(SourceConfig(type=kind.type, path=kind.path, options=options))
    except SourceError:
        return False
    return bool(rows) and 2 * sum(bool(_is_conversation(row) and candidates(row)) for row in rows) > len(rows)


def format_of(kind: Kind) -> str:
    """The one format that all of the first rows could be of, the likeliest of the first row's; empty for none."""
    rows = _first_rows(SourceConfig(type="conversations", path=kind.path, options=dict(kind.options)))
    found = [could_be for row in rows if (could_be := candidates(row))]
    return next((name for name in found[0] if all(name in each for each in found)), "") if found else ""


def _first_rows(config: SourceConfig) -> list[Mapping[str, Any]]:
    """The first rows, each without what is missing in it."""
    rows: list[Mapping[str, Any]] = []
    size = 0
    with entries_of(open_source(config)) as entries:
        for entry in islice(entries, FIRST_ROWS):
            if isinstance(entry, RawRecord):
                size += sum(map(bytes_in, entry.values.values()))
                rows.append({key: _light(value) for key, value in entry.values.items() if value is not None})
            if size > MAX_FIRST_BYTES:
                break
    return rows


def _is_conversation(row: Mapping[str, Any]) -> bool:
    """Whether a row holds a list of mappings, as most conversations do, or a question and answer called as in no table
    of products; options beside them make it a question of a benchmark."""
    keys = {key.lower() for key in row}
    if any(asked in keys and keys & answers for asked, answers in ASKED_AND_ANSWERED.items()):
        return not any(named(key, OPTIONS) for key in keys)
    lists = (value for value in row.values() if isinstance(value, list | tuple))
    return any(value and isinstance(value[0], Mapping) for value in lists)
