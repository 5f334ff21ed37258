"""A recipe drafted from a catalog: the file is looked at, and what was found is written down with reasons."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from vlmdata.draft.expectation import Draftable, allowed, expect, no_photo_share, texts_missing
from vlmdata.draft.photos import Lookup, Photos, find_photos, folders_below
from vlmdata.draft.roles import Roles, assign
from vlmdata.draft.table import Column, Table, first_row_is_data, missing_spellings, profile
from vlmdata.draft.unfound import unfound_photos
from vlmdata.draft.writing import Found, recipe_text
from vlmdata.errors import ConfigError, SourceError
from vlmdata.image.folder import ImageFolder, ImageReferenceError
from vlmdata.image.verifying import open_reader
from vlmdata.recipe import ImagesConfig
from vlmdata.record import RawRecord, Rejection
from vlmdata.source.csv_file import CsvOptions, CsvSource
from vlmdata.source.dialect import Dialect, find_dialect, rows_of

SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
MAX_ROWS = 20_000
MAX_CHARACTERS = 50_000_000
MAX_FILES = 20
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp")
IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"II*\0", b"MM\0*", b"BM")


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipe's text, and what a person should know of how it came about."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A catalog after a look: its rows, columns, and photos."""

    path: Path
    dialect: Dialect
    table: Table
    nulls: tuple[str, ...]
    columns: tuple[Column, ...]
    photos: Photos | None


def draft_recipe(source: str | Path, *, recipe_folder: Path | None = None) -> Draft:
    """Draft a recipe for a CSV file, or for the one in a folder; it builds as it is.

    The recipe's paths are relative to `recipe_folder`, by default `source` itself, or the folder of a
    file. Raises SourceError for a file that is no CSV, has no header or no text to learn, ConfigError for a folder
    with no CSV file or several.
    """
    source = Path(source)
    looked, notes = _catalog(source)
    roles = _roles(looked)
    home = recipe_folder or (source if source.is_dir() else source.parent)
    min_images = int(looked.photos is not None and no_photo_share(looked.table, looked.photos) <= 0.1)
    skip_textless = texts_missing([answer.column.filled for answer in roles.answers])
    plan = Draftable(
        table=looked.table, roles=roles, photos=looked.photos, min_images=min_images, skip_textless=skip_textless
    )
    root = looked.photos.root if looked.photos is not None else looked.path.parent
    expected = expect(plan, lookup=_lookup(root), verify=_verifier(root))
    max_rejected, why = allowed(expected)
    notes += _notes(looked, roles, expected.damaged)
    if max_rejected != "10%":
        notes.append(f"max_rejected is {max_rejected}: {why}")
    dialect = looked.dialect
    found = Found(
        name=_dataset_name(looked.path),
        path=_relative(looked.path, home),
        encoding=(dialect.encoding, dialect.encoding_reason),
        delimiter=(dialect.delimiter, dialect.delimiter_reason),
        quote=dialect.quote,
        rows=f"{expected.rows:,} rows{'' if looked.table.whole else ' looked at'}, {len(looked.columns)} columns",
        nulls=looked.nulls,
        roles=roles,
        photos=looked.photos,
        root=_relative(root, home),
        without_photos="No column names image files that are there: the conversations are of text alone.",
        min_images=min_images,
        where=skip_textless,
        max_rejected=(max_rejected, why),
    )
    return Draft(text=recipe_text(found), notes=tuple(notes))


def _catalog(source: Path) -> tuple[_Looked, list[str]]:
    """The catalog that a path means, looked at, and a note where it had to be chosen."""
    if not source.is_dir():
        if not source.exists():
            raise SourceError(f"{source}: there is no such file or folder")
        return _look(source, [source.parent]), []
    files = catalog_files(source)
    if not files:
        raise ConfigError(f"{source}: no CSV file ({', '.join(SUFFIXES)}) in this folder; name the table itself")
    if len(files) == 1:
        return _look(files[0], [files[0].parent, source]), []
    listed = ", ".join(repr(_relative(file, source)) for file in files[:MAX_FILES])
    with_photos = [looked for file in files[:MAX_FILES] if (looked := _look_for_photos(file, source)) is not None]
    if len(with_photos) != 1:
        which = "none of them names photos" if not with_photos else f"{len(with_photos)} of them name photos"
        raise ConfigError(f"{source}: {len(files)} CSV files, and {which}: {listed}; name the one to draft from")
    chosen = with_photos[0]
    note = f"{_relative(chosen.path, source)!r} was taken, the only one of {len(files)} CSV files that names photos"
    return chosen, [note]


def catalog_files(folder: Path) -> list[Path]:
    """The CSV files of a folder, or, where it has none, of the folders below it; in the order of their names."""
    for folders in ([folder], folders_below(folder, depth=3)):
        found = [
            file
            for each in folders
            for file in sorted(each.iterdir() if os.access(each, os.R_OK) else [])
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
        ]
        if found:
            return found
    return []


def _look_for_photos(file: Path, folder: Path) -> _Looked | None:
    """The catalog where it can be read and names photos."""
    try:
        looked = _look(file, [file.parent, folder])
    except SourceError:
        return None
    return looked if looked.photos is not None else None


def _look(path: Path, folders: Sequence[Path]) -> _Looked:
    dialect = find_dialect(path)
    table = read_table(path, dialect)
    nulls = missing_spellings(table)
    columns = profile(table, nulls)
    data = first_row_is_data(table, columns)
    if data:
        shown = ", ".join(repr(cell[:40]) for cell in data[:3])
        message = f"{path.name}: the first row holds data ({shown}), the columns' names were expected"
        raise SourceError(f"{message}; put a line with a name for each column above it")
    photos = _photos(columns, folders)
    return _Looked(path=path, dialect=dialect, table=table, nulls=nulls, columns=columns, photos=photos)


def read_table(path: Path, dialect: Dialect) -> Table:
    """The first rows of a CSV file. Raises SourceError where it has none, or most of them can't be read."""
    options = CsvOptions(encoding=dialect.encoding, delimiter=dialect.delimiter, quote=dialect.quote)
    source = CsvSource(path, options)
    columns = tuple(source.columns)
    rows: list[tuple[str, ...]] = []
    unreadable: Counter[str] = Counter()
    first: Rejection | None = None
    characters = 0
    with rows_of(source) as entries:
        for entry in islice(entries, MAX_ROWS):
            if isinstance(entry, RawRecord):
                rows.append(tuple(str(value) for value in entry.values.values()))
                characters += sum(map(len, rows[-1]))
            elif isinstance(entry, Rejection):
                unreadable.update(entry.rules[:1])
                first = first or entry
            if characters > MAX_CHARACTERS:
                break
        whole = next(entries, None) is None
    _refuse_unreadable(path, len(rows), unreadable, first)
    return Table(columns=columns, rows=rows, unreadable=dict(unreadable), whole=whole)


def _refuse_unreadable(path: Path, rows: int, unreadable: Counter[str], first: Rejection | None) -> None:
    if not rows and first is None:
        raise SourceError(f"{path.name}: a header and no row; rows were expected below it")
    bad = unreadable.total()
    if first is not None and bad >= rows:
        message = (
            f"{path.name}: {bad:,} of {rows + bad:,} rows can't be read with any delimiter and quote that was tried"
        )
        raise SourceError(f"{message}; the first of them:", first.problems)


def _photos(columns: Sequence[Column], folders: Sequence[Path]) -> Photos | None:
    """Photos below the catalog's folders, else near them."""
    starts = list(dict.fromkeys(folder.resolve() for folder in folders))
    near = list(dict.fromkeys(below for start in starts for below in folders_below(start)))
    found = find_photos(columns, near, _lookup)
    if found is not None:
        return found
    above = starts[0].parent
    places = [place for place in (above, above.parent) if place != place.parent]
    near = list(dict.fromkeys(below for place in places for below in folders_below(place, depth=3, most=500)))
    return find_photos(columns, near, _lookup)


def _lookup(root: Path) -> Lookup:
    """Sizes of the image files that references name below a folder, by the rules that a build resolves them with."""
    folder = ImageFolder(root, ImagesConfig().byte_limit)

    @cache
    def size(reference: str) -> int | None:
        if not os.path.isfile(root / reference):  # noqa: PTH113 - a name that no file can have is False, not an error
            return None
        try:
            path = folder.resolve(reference)
            return path.stat().st_size if _is_image(path) else None
        except (ImageReferenceError, OSError):
            return None

    return size


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(8).startswith(IMAGE_STARTS)


def _verifier(root: Path) -> Callable[[str], bool]:
    reader = open_reader(ImagesConfig(roots=(root,)))
    return lambda reference: reader.verdict(reference).image is not None


def _roles(looked: _Looked) -> Roles:
    """What the columns are for. Raises SourceError where none holds text to learn."""
    photos = looked.photos
    taken = {column.column.name for column in photos.columns} if photos is not None else set()
    taken |= {name for name, _ in photos.left_out} if photos is not None else set()
    rest = [column for column in looked.columns if column.name not in taken]
    roles = assign(rest, has_photos=photos is not None)
    if not roles.answers:
        names = ", ".join(repr(column.name) for column in looked.columns[:12])
        message = f"{looked.path.name}: no column holds texts to learn, such as a description"
        raise SourceError(f"{message}; found {names}; add such a column, or write a recipe by hand")
    return roles


def _notes(looked: _Looked, roles: Roles, damaged: int) -> list[str]:
    """What a person should know and the recipe's comments do not say."""
    photos = looked.photos
    used = {column.column.name for column in photos.columns} if photos is not None else set()
    used |= {name for name, _ in photos.left_out} if photos is not None else set()
    notes = list(unfound_photos(looked.columns, used))
    if photos is None:
        notes.append("no image column was found: the draft is of text alone")
    elif not photos.root.is_relative_to(looked.path.parent.resolve()):
        notes.append(
            f"the photos are outside the table's folder: {_relative(photos.root, looked.path.parent)!r} from it"
        )
    if damaged:
        notes.append(f"photos that are damaged, of those tried, and whose rows are rejected: {damaged:,}")
    if looked.table.unreadable:
        counts = ", ".join(f"{rule} {count:,}" for rule, count in sorted(looked.table.unreadable.items()))
        notes.append(f"rows that can't be read and will be rejected: {counts}")
    notes += [
        f"the texts of {answer.column.name!r} hold HTML tags, which the model would learn"
        for answer in roles.answers
        if answer.column.html > 0.1
    ]
    if photos is not None and roles.group is None and (shared := _shared_photos(photos)):
        notes.append(f"photos that stand in several rows, which no column groups, and may reach two splits: {shared:,}")
    return notes


def _shared_photos(photos: Photos) -> int:
    rows = range(len(photos.columns[0].column.values))
    counted = Counter(name for row in rows for name in dict.fromkeys(photos.references(row)))
    return sum(count > 1 for count in counted.values())


def _dataset_name(path: Path) -> str:
    return re.sub(r"[^\w]+", "-", path.stem).strip("-_").lower() or "dataset"


def _relative(path: Path, home: Path) -> str:
    """A path from a folder, with forward slashes. Only the folder's links are followed, not the file's own."""
    whole = Path(os.path.realpath(path.parent)) / path.name if path.is_file() else Path(os.path.realpath(path))
    return Path(os.path.relpath(whole, os.path.realpath(home))).as_posix()
