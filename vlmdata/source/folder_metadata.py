"""Metadata files of a folder of images: which there are, and their rows with file names seen from the image root."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source
from vlmdata.source.folder_walk import walk

NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
ONE = ("file_name", "_file_name")
SEVERAL = ("file_names", "_file_names")

Named = set[bytes]
"""Keys of the image paths that metadata rows have named so far."""


@dataclass(frozen=True)
class MetadataFile:
    """One metadata file: its path, and its name and folder below the image root (`train/metadata.csv`, `train`)."""

    path: Path
    name: str

    @property
    def folder(self) -> str:
        """The folder that its file names start from; empty for the image root itself."""
        return posixpath.dirname(self.name)

    @cached_property
    def table(self) -> Source:
        """The file as a source of rows. Raises SourceError where its kind is not known."""
        kind = KINDS.get(self.path.suffix.lower())
        if kind is None:
            raise SourceError(f"{self.name}: metadata is read from .csv, .tsv, .jsonl and .parquet files")
        options = {"delimiter": "\t"} if self.path.suffix.lower() == ".tsv" else {}
        return open_source(SourceConfig(type=kind, path=self.path, options=options))

    @cached_property
    def columns(self) -> Sequence[str]:
        """Its columns. Raises SourceError where none of them names files."""
        columns = tuple(self.table.columns)
        if not any(_names_files(column) for column in columns):
            raise SourceError(
                f"{self.name}: no column names the images: file_name, or a name that ends in _file_name, "
                f"file_names or _file_names, was expected; its columns are {', '.join(columns[:20])}"
            )
        return columns

    def placed(self, entry: RawRecord | Rejection | Skip, named: Named) -> RawRecord | Rejection | Skip:
        """An entry of the table with this file's name as its origin, its file names seen from the image root.

        The images that it names are added to `named`.
        """
        origin = replace(entry.origin, source=self.name)
        if isinstance(entry, Skip):
            return replace(entry, origin=origin)
        if isinstance(entry, Rejection):
            problems = tuple(replace(problem, source=self.name) for problem in entry.problems)
            return replace(entry, origin=origin, problems=problems)
        values = {key: self._rooted(value) if _names_files(key) else value for key, value in entry.values.items()}
        for key, value in values.items():
            if _names_files(key):
                named.update(path_key(path) for path in (value if isinstance(value, list) else [value]) if path)
        return RawRecord(origin=origin, values=values)

    def first_folder(self, values: Mapping[str, Any]) -> str:
        """The first folder, below the image root, of a row's first file name, else of this file."""
        names = (value for key, value in values.items() if _names_files(key) and isinstance(value, str))
        path = next(names, f"{self.folder}/")
        return posixpath.normpath(path).partition("/")[0]

    def _rooted(self, value: Any) -> Any:
        """A file name, or a list of them, as the image root sees it. What leaves the folder is left to be refused."""
        if isinstance(value, list):
            return [self._rooted(entry) for entry in value]
        if not isinstance(value, str) or not value.strip():
            return value
        if value.startswith("[") and value.endswith("]") and (listed := _json_list(value)) is not None:
            return self._rooted(listed)
        leaves = value.startswith(("/", "\\")) or "://" in value or value[1:2] == ":"
        return value if leaves or not self.folder else f"{self.folder}/{value}"


def path_key(path: Any) -> bytes:
    """A few bytes that stand for an image path, so that millions fit into memory."""
    normal = posixpath.normpath(str(path).strip())
    return blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def find_metadata(root: Path, name: str | None) -> Sequence[MetadataFile]:
    """The metadata files in a folder and below it, in order. Raises SourceError where the one named is not there.

    Two side by side contradict each other, as they do for `datasets`.
    """
    wanted = (name,) if name else NAMES
    found: list[MetadataFile] = []
    for listing in walk(root):
        here = [each for each in wanted if each in listing.files]
        if len(here) > 1:
            raise SourceError(f"{root.name}: {' and '.join(map(listing.below, here))} stand side by side; keep one")
        found += [MetadataFile(root / listing.below(each), listing.below(each)) for each in here]
    for file in found:
        if not file.path.resolve().is_relative_to(root.resolve()):
            raise SourceError(f"{file.name}: leads out of the folder through a symbolic link; copy the file into it")
    if name and not found:
        raise SourceError(f"{root.name}: there is no {name} in the folder, nor below it")
    return tuple(found)


def _names_files(column: str) -> bool:
    return column in {ONE[0], SEVERAL[0]} or column.endswith((ONE[1], SEVERAL[1]))


def _json_list(text: str) -> list[Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None
