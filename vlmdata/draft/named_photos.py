"""Photos that no column names: files whose names begin with a row's own value, or folders that are called so."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vlmdata.draft import words
from vlmdata.draft.photos import MIN_SHARE, PhotoPattern, Photos, folders_below
from vlmdata.draft.table import FILE_NAME, Column
from vlmdata.draft.yaml_text import path_in_template, printed

SEPARATORS = ".-_ ("
"""What may stand between a value and the rest of a file's name."""

MAX_FILES = 300_000
MAX_WIDTH = 20
DIGITS = re.compile(r"[0-9]+(?![^.\-_ (])")
"""The digits that a name begins with, where a sign or nothing stands behind them."""

AMBIGUOUS = 0.01
"""Where more of the files than this begin with two rows' values, the pattern would mix products up."""


@dataclass(slots=True)
class _Named:
    """The files that begin with values of a column, by what stands behind the value; paths start at the root.

    `width` is the number of digits that the values are filled up to with zeros; 0 where they stand as they are.
    """

    column: Column
    root: Path
    kind: str
    width: int = 0
    files: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    unclear: Counter[str] = field(default_factory=Counter)

    def add(self, sign: str, value: str, name: str) -> None:
        self.files.setdefault(sign, {}).setdefault(value, []).append(name)

    def signs(self) -> list[str]:
        """The separators that are clear and in use, in a fixed order."""
        counts = {sign: sum(map(len, found.values())) for sign, found in self.files.items()}
        return [
            sign
            for sign in (*SEPARATORS, "/")
            if counts.get(sign, 0) > 0.02 * sum(counts.values()) and self.unclear[sign] <= AMBIGUOUS * counts[sign]
        ]

    def of(self, value: str | None) -> list[str]:
        return [name for sign in self.signs() for name in self.files[sign].get(value or "", ())]

    @property
    def rows(self) -> int:
        """Rows that have a photo so."""
        known = {value for sign in self.signs() for value in self.files[sign]}
        return sum(value in known for value in self.column.values)


def find_named_photos(columns: Sequence[Column], starts: Sequence[Path]) -> Photos | None:
    """The column whose values most photos are named after, and how; None where it is none's."""
    folders = list(dict.fromkeys(below for start in starts for below in folders_below(start)))
    listings = _image_files(folders)
    able = [column for column in columns if column.distinct > 1 and column.longest <= 100 and not column.nested]
    found = [named for column in able for named in _all_named(column, listings)]
    found += [named for column in able for named in _all_named_with_zeros(column, listings)]
    ranked = [
        (named.rows, -(words.rank(named.column.name, words.ID) or 0), -place) for place, named in enumerate(found)
    ]
    if not ranked:
        return None
    best = found[-max(ranked)[2]]
    return _photos(best) if best.rows >= MIN_SHARE * best.column.count else None


def _image_files(folders: Sequence[Path]) -> dict[Path, list[str]]:
    """The names of the image files in each folder that has some."""
    found: dict[Path, list[str]] = {}
    count = 0
    for folder in folders:
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
        except OSError:
            continue
        images = sorted(name for name in names if FILE_NAME.search(name) and not name.startswith("."))
        if images:
            found[folder] = images
        count += len(images)
        if count > MAX_FILES:
            break
    return found


def _all_named_with_zeros(column: Column, listings: dict[Path, list[str]]) -> Iterator[_Named]:
    """Photos named after numbers that lost the zeros before them, as `000012` does where Excel takes it for 12."""
    values = [value for value in column.values if value is not None]
    if column.written < 1 or not all(value.isdecimal() and value[:1] != "0" for value in values):
        return
    starts = (DIGITS.match(name) for folder, names in listings.items() for name in (folder.name, *names))
    widths = Counter(len(match[0]) for match in starts if match is not None)
    width = max(widths, key=lambda each: (widths[each], each), default=0)
    if not min(map(len, values)) < width <= MAX_WIDTH or column.longest > width:
        return
    filled = replace(column, values=tuple(value and value.zfill(width) for value in column.values))
    for named in _all_named(filled, listings):
        named.width = width
        yield named


def _all_named(column: Column, listings: dict[Path, list[str]]) -> Iterator[_Named]:
    values = {value for value in column.values if isinstance(value, str)}
    parents = Counter(folder.parent for folder in listings if folder.name in values)
    for parent, _ in parents.most_common(1):
        named = _Named(column, parent, "folder")
        for folder, names in listings.items():
            if folder.parent == parent and folder.name in values:
                for name in names:
                    named.add("/", folder.name, f"{folder.name}/{name}")
        yield named
    hits = {folder: matched for folder, names in listings.items() if (matched := list(_matched(names, values)))}
    if hits:
        root = Path(os.path.commonpath(list(hits)))
        named = _Named(column, root, "glob")
        for folder, found in hits.items():
            start = folder.relative_to(root).as_posix()
            for name, signs in found:
                several = len({owner for owners in signs.values() for owner in owners}) > 1
                for sign, owners in signs.items():
                    named.unclear[sign] += several
                    named.add(sign, owners[-1], name if start == "." else f"{start}/{name}")
        yield named


def _matched(names: Sequence[str], values: set[str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Each file that begins with a value, and the values that it begins with by the sign behind each."""
    for name in names:
        stem = name.rpartition(".")[0]
        signs: dict[str, list[str]] = {}
        for place, sign in enumerate(f"{stem}."):
            if sign in SEPARATORS and stem[:place] in values:
                signs.setdefault(sign, []).append(stem[:place])
        if signs:
            yield name, signs


def _with_zeros(column: Column, width: int) -> str:
    """The template of a value with zeros before it."""
    name = path_in_template(column.path)
    return f"{{{{ ('{'0' * width}' ~ {name})[-{width}:] if {name}|length < {width} else {name} }}}}"


def _photos(named: _Named) -> Photos:
    column, nested = (
        named.column,
        any("/" in name for found in named.files.values() for n in found.values() for name in n),
    )
    value = _with_zeros(column, named.width) if named.width else printed(*column.path)
    texts = [value]
    if named.kind == "glob":
        texts = [f"{'**/' if nested else ''}{value}{sign}*" for sign in named.signs()]
    rows = [named.of(value) for value in column.values]
    places = [
        PhotoPattern(column=column, kind=named.kind, text=text, found=named.rows, total=column.count) for text in texts
    ]
    return Photos(roots=(named.root,), places=tuple(places), rows=rows)
