"""A folder of tables of one kind, such as the monthly exports of a shop, read as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.protocols import Shard, Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Problem
from vlmdata.settings import nearest
from vlmdata.source.known_columns import Entry, with_columns

ENDINGS: Mapping[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".tab", ".psv"),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
}
"""Types of source whose `path` may be a folder, and how the names of its files end."""

MADE_HERE = frozenset({"rejected.jsonl", "descriptions.jsonl", "dataset_info.json"})
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")
SHARED = 5


def open_several(config: SourceConfig, open_one: Callable[[SourceConfig], Source]) -> Source:
    """The tables of a folder, in the order of their names. Raises SourceError where there is none."""
    files = tables_in(config.path, config.type)
    if not files:
        endings = ", ".join(f"*{ending}" for ending in ENDINGS[config.type])
        raise SourceError(f"{config.path.name}: this folder holds no file {endings}; name the file, or another type")
    parts = tuple(open_one(replace(config, path=file)) for file in files)
    passed = passed_over(config.path, config.type)
    if len(parts) == 1 and not passed:
        return parts[0]
    return SeveralFiles(config.path.name, parts, strict=config.type == "csv", passed=tuple(passed))


def tables_in(folder: Path, kind: str) -> list[Path]:
    """The folder's own files of a type, apart from hidden ones and what vlmdata itself writes beside tables."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"{folder.name}: can't be read: {error.strerror}") from None
    return [
        entry
        for entry in entries
        if entry.suffix.lower() in ENDINGS[kind]
        and not entry.name.startswith((".", "~", "_"))
        and entry.name not in MADE_HERE
        and entry.is_file()
        and not _leads_out(entry, folder)
    ]


def _leads_out(entry: Path, folder: Path) -> bool:
    """Whether a link leads out of the folder: whose file that is could not be known."""
    return entry.is_symlink() and not entry.resolve().is_relative_to(folder.resolve())


def passed_over(folder: Path, kind: str) -> list[str]:
    """What looks like a table of the folder and is not read: those in its own folders, packed ones, `_old.csv`, files
    that are called as those that vlmdata writes, and links that lead out of it."""
    endings = ENDINGS[kind]
    return [
        name
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if not entry.name.startswith((".", "~"))
        for name in (_tables_inside(entry, endings) if entry.is_dir() else [entry.name])
        if entry.is_dir() or _is_odd(entry, endings) or (name.endswith(endings) and _leads_out(entry, folder))
    ]


def _tables_inside(folder: Path, endings: tuple[str, ...]) -> list[str]:
    try:
        found = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in endings)
    except OSError:
        return []
    return [f"{folder.name}/{name}" for name in found if not name.startswith((".", "~"))]


def _is_odd(entry: Path, endings: tuple[str, ...]) -> bool:
    name = entry.name.lower()
    if name in MADE_HERE:
        return name.endswith(endings)
    return name.endswith(tuple(f"{end}{packed}" for end in endings for packed in PACKED)) or (
        name.startswith("_") and name.endswith(endings)
    )


@dataclass(frozen=True)
class SeveralFiles:
    """Sources one after the other, each row with the columns of all. `strict`: all must have the same columns.

    `passed` are names of tables that are not among them.
    """

    name: str
    parts: tuple[Source, ...]
    strict: bool
    passed: tuple[str, ...] = ()

    @property
    def files(self) -> Sequence[Path]:
        """The files of all."""
        return tuple(file for part in self.parts for file in part.files)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What any of them warns of, and that there are tables which are not read."""
        said = tuple(problem for part in self.parts for problem in getattr(part, "warnings", ()))
        return (*said, _passed(self.name, self.passed)) if self.passed else said

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns of all, in the order of their first appearance. Raises SourceError with every odd file."""
        found: dict[str, None] = {}
        problems: list[Problem] = []
        first: Source | None = None
        for part in self.parts:
            try:
                columns = part.columns
            except SourceError as error:
                problems += error.problems or [_problem(part, str(error).removeprefix(f"{part.files[0].name}: "), "")]
                continue
            first = first or part
            if self.strict and part is not first and set(columns) != set(found):
                problems.append(_other_columns(part, columns, list(found), first))
                continue
            found.update(dict.fromkeys(columns))
        if problems:
            raise SourceError(f"{self.name}: {len(problems)} of {len(self.parts)} files can't be used", problems)
        return tuple(found)

    def shards(self) -> Sequence[Shard]:
        """The shards of all."""
        return tuple(PartShard(shard, self.columns) for part in self.parts for shard in part.shards())


class PartShard:
    """A shard of one of the files: its rows have all columns, and all else is its own."""

    def __init__(self, shard: Shard, columns: Sequence[str]) -> None:
        self._shard = shard
        self._columns = columns

    @property
    def lines_read(self) -> int:
        """The shard's own."""
        return self._shard.lines_read

    @property
    def lines_of_header(self) -> int:
        """The shard's own."""
        return self._shard.lines_of_header

    @property
    def share_read(self) -> float:
        """The shard's own."""
        return self._shard.share_read

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what is asked before there is a shard, when one is copied
            raise AttributeError(name)
        return getattr(self._shard, name)

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._shard:
            yield with_columns(entry, self._columns)


def _other_columns(part: Source, columns: Sequence[str], wanted: Sequence[str], first: Source) -> Problem:
    lacks = [name for name in wanted if name not in columns]
    more = [name for name in columns if name not in wanted]
    said = [f"lacks {_listed(lacks)}"] if lacks else []
    said += [f"has {_listed(more)} more"] if more else []
    near = next((hint for name in more if (hint := nearest(name, lacks))), "")
    message = f"its columns are not those of {first.files[0].name}: it {' and '.join(said)}"
    return _problem(part, message, near or "give all files one header, or name one file in source.path")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHARED])
    return f"{shown} and {len(names) - SHARED} others" if len(names) > SHARED else shown


def _passed(name: str, passed: Sequence[str]) -> Problem:
    message = f"tables in this folder are not read: {_listed(passed)}"
    hint = "put them beside the others, unpacked; or take them away"
    return Problem(rule="source.passed_over", message=message, source=name, hint=hint, severity="warning")


def _problem(part: Source, message: str, hint: str) -> Problem:
    return Problem(rule="source.columns", message=message, source=part.files[0].name, hint=hint)
