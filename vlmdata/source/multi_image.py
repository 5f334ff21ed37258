"""Tables of questions over several images: Parquet, JSON, JSONL or CSV, and MMIU-Benchmark as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vlmdata.errors import SourceError
from vlmdata.protocols import Shard, Source
from vlmdata.questions import MMIU, MultiImageOptions, benchmark_folder
from vlmdata.recipe import SourceConfig
from vlmdata.record import Problem
from vlmdata.settings import nearest, to_dataclass
from vlmdata.source import open_source

KINDS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
MMIU_TABLE = "all.parquet"


@dataclass(frozen=True)
class QuestionTable:
    """A table whose columns hold the parts of questions. `parts` names the column of each."""

    table: Source
    name: str
    parts: Mapping[str, str]

    @cached_property
    def columns(self) -> Sequence[str]:
        """The table's columns. Raises SourceError for every part of a question whose column is not there."""
        columns = tuple(self.table.columns)
        problems = [
            Problem(
                rule="source.column",
                message=f"there is no column {column!r} to take the {part} from;",
                source=self.name,
                hint=nearest(column, columns) or f"the columns are {', '.join(columns[:20])}",
            )
            for part, column in self.parts.items()
            if column not in columns
        ]
        if problems:
            raise SourceError(f"{self.name}: the questions can't be read", problems)
        return columns

    @property
    def files(self) -> Sequence[Path]:
        """The table's files."""
        return self.table.files

    def shards(self) -> Sequence[Shard]:
        """The table's shards. Raises SourceError where a column is not there."""
        _ = self.columns
        return self.table.shards()


def open_multi_image(config: SourceConfig) -> QuestionTable:
    """The table that a recipe names, by its ending; a folder is one of Parquet files. Raises SourceError."""
    options = to_dataclass(MultiImageOptions, config.options)
    return QuestionTable(_table(config.path), config.path.name, options.columns.named)


def open_mmiu(config: SourceConfig) -> QuestionTable:
    """MMIU-Benchmark: the folder that it was downloaded to, or its Parquet file. Raises SourceError."""
    path = config.path if benchmark_folder(config.path) != config.path else _mmiu_table(config.path)
    return QuestionTable(_table(path), path.name, MMIU.columns.named)


def _mmiu_table(folder: Path) -> Path:
    """The benchmark's table in its folder: `all.parquet`, or the only Parquet file there is."""
    found = sorted(path.name for path in folder.glob("*.parquet"))
    if not folder.is_dir():
        raise SourceError(f"{folder.name}: there is no such folder; give the one that holds {MMIU_TABLE} ({folder})")
    if MMIU_TABLE not in found and len(found) != 1:
        if found:
            message = f"{len(found)} Parquet files, none of them {MMIU_TABLE}; name one in source.path"
        else:
            message = f"there is no {MMIU_TABLE} in this folder; download it next to the zips"
        raise SourceError(f"{folder.name}: {message}")
    return folder / (MMIU_TABLE if MMIU_TABLE in found else found[0])


def _table(path: Path) -> Source:
    """A file as a source of rows."""
    suffix = path.suffix.lower()
    kind = "parquet" if path.is_dir() else KINDS.get(suffix)
    if kind is None:
        raise SourceError(f"{path.name}: questions are read from {', '.join(KINDS)} files, and from folders of Parquet")
    options = {"delimiter": "\t"} if suffix == ".tsv" else {}
    return open_source(SourceConfig(type=kind, path=path, options=options))
