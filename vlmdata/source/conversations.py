"""Files of conversations in others' formats: JSON, JSON Lines, Parquet, Arrow, tar and CSV, and folders of them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmdata.conversation_options import ConversationsOptions, holds_dataset_info, info_entry
from vlmdata.errors import SourceError
from vlmdata.protocols import Shard, Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Problem, RawRecord, Rejection, Skip
from vlmdata.settings import to_dataclass
from vlmdata.source.arrow_folder import SPLITS, ArrowFolderSource, is_saved_dataset
from vlmdata.source.csv_file import CsvOptions, CsvSource
from vlmdata.source.folder_walk import walk
from vlmdata.source.json_file import JsonFileSource, JsonOptions
from vlmdata.source.json_lines import JsonLinesSource, opened
from vlmdata.source.json_stretch import Siblings, Stretch
from vlmdata.source.parquet import ParquetSource
from vlmdata.source.tar_samples import TarSource

JSON = (".json", ".jsonl", ".ndjson")
KINDS = {
    **dict.fromkeys(JSON, "JSON"),
    ".parquet": "Parquet",
    ".tar": "tar",
    **dict.fromkeys((".csv", ".tsv"), "CSV"),
}
"""What a file holds, by the end of its name."""

BESIDE = (
    *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "metadata.json", "config.json"),
    *("export.json", "not_exported.jsonl"),
)
"""Files beside a dataset's data that describe it."""

SPLIT_FILE = re.compile(
    r"(?P<split>.+?)-\d{5,6}(?:-of-\d{5,6})?\.\w+|(?P<usual>train|training|val|valid|validation|dev|test|eval)\.\w+"
)
"""A file as datasets, WebDataset and the Hub name those of a split."""

MOST_SPLITS = 6
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst")
ITEMS, MEDIA_ROOT = "items", "media_root"
TAO = b"tao-vl-reason"
START_BYTES = 65_536


def open_conversations(config: SourceConfig) -> Source:
    """The files of conversations that a recipe names."""
    return ConversationsSource(config.path, to_dataclass(ConversationsOptions, config.options))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file, the source that reads it, its name below the folder, and values that all of its rows have."""

    source: Source
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


class ConversationsSource:
    """A file, a folder of files, or the file that an entry of a dataset_info.json names."""

    def __init__(self, path: Path, options: ConversationsOptions | None = None) -> None:
        self._path = path
        self._options = options or ConversationsOptions()

    @cached_property
    def data_files(self) -> Sequence[DataFile]:
        """The files, in the order of their names. Raises SourceError where there are none that are known."""
        path = self._path
        if holds_dataset_info(path):
            path = info_entry(path, self._options.dataset).file
        if not path.exists():
            raise SourceError(f"{path.name}: there is no such file ({path})")
        if not path.is_dir() or is_saved_dataset(path):
            return (self._opened(path, path.name),)
        return tuple(self._opened(file, file.relative_to(path).as_posix()) for file in data_files_of(path))

    @property
    def files(self) -> Sequence[Path]:
        """All files that rows stand in, and the dataset_info.json that said which."""
        own = [file for each in self.data_files for file in each.source.files]
        if holds_dataset_info(self._path):
            own.append(self._path / "dataset_info.json" if self._path.is_dir() else self._path)
        return tuple(own)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The keys of all files' first rows."""
        names = [name for each in self.data_files for name in (*each.source.columns, *each.values)]
        return tuple(dict.fromkeys(names))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """That rows of several splits are divided anew, held-out ones among them."""
        found = saved_splits(self._path) or splits_named(Path(each.name).name for each in self.data_files)
        if len(found) < 2:
            return ()
        listed = ", ".join(map(repr, found[:MOST_SPLITS]))
        message = f"it holds {len(found)} splits ({listed}), whose rows are taken together and divided anew"
        hint = "held-out rows may come into train: read one split by itself, such as its folder or its file"
        return (Problem(rule="import.splits", message=message, source=self._path.name, hint=hint, severity="warning"),)

    def shards(self) -> Sequence[Shard]:
        """The files' own shards."""
        return [NamedShard(shard, each) for each in self.data_files for shard in each.source.shards()]

    def _opened(self, path: Path, name: str) -> DataFile:
        if path.is_dir():
            return DataFile(source=ArrowFolderSource(path), name="")
        suffix = path.suffix.lower()
        if suffix in COMPRESSED:
            raise SourceError(f"{name}: the file is compressed; decompress it first, rows are read in their place")
        if suffix in JSON:
            return self._json(path, name)
        if suffix == ".parquet":
            return DataFile(source=ParquetSource(path), name=name)
        if suffix == ".tar":
            return DataFile(source=TarSource(path, name), name=name)
        if suffix in (".csv", ".tsv"):
            return DataFile(source=CsvSource(path, CsvOptions(delimiter="\t" if suffix == ".tsv" else ",")), name=name)
        known = ", ".join(KINDS)
        raise SourceError(f"{name}: files that end in {known} are read, or a folder of them, or a saved dataset")

    def _json(self, path: Path, name: str) -> DataFile:
        """A JSON file by what is in it: a list, rows one a line, or an object that holds the list."""
        records = self._options.records
        root = media_root(path) if records is None else None
        if root is not None:
            values = {MEDIA_ROOT: root} if root else {}
            return DataFile(source=JsonFileSource(path, JsonOptions(records=ITEMS)), name=name, values=values)
        if records is None and holds_rows_a_line(path):
            return DataFile(source=JsonLinesSource(path), name=name)
        return DataFile(source=JsonFileSource(path, JsonOptions(records=records)), name=name)


@dataclass(slots=True)
class NamedShard:
    """A file's shard, its rows under the file's name below the folder, with what the whole file says of them."""

    shard: Shard
    file: DataFile
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        for entry in self.shard:
            self.share_read = self.shard.share_read
            yield self._named(entry)
        self.lines_read, self.lines_of_header = self.shard.lines_read, self.shard.lines_of_header
        self.share_read = 1.0

    def _named(self, entry: RawRecord | Rejection | Skip) -> RawRecord | Rejection | Skip:
        name = self.file.name
        if name and entry.origin.source != name:
            old = entry.origin.source
            entry = replace(entry, origin=replace(entry.origin, source=name))
            if isinstance(entry, Rejection):
                problems = (
                    replace(each, source=name if each.source == old else each.source) for each in entry.problems
                )
                entry = replace(entry, problems=tuple(problems))
        if self.file.values and isinstance(entry, RawRecord):
            return replace(entry, values={**entry.values, **self.file.values})
        return entry


def data_files_of(folder: Path) -> Sequence[Path]:
    """The data files of a folder, or, where it has none itself, of the folders in it. Raises SourceError.

    Hidden folders are not looked into, nor is what builds have put there.
    """
    found = [entry for entry in sorted(folder.iterdir()) if _is_data(entry)]
    if not found:
        below = (folder / listing.below(name) for listing in walk(folder) for name in listing.files)
        found = sorted(entry for entry in below if _is_data(entry))
    kinds = {KINDS[entry.suffix.lower()]: entry for entry in found}
    if len(kinds) > 1:
        shown = ", ".join(f"{kind} ({entry.name})" for kind, entry in sorted(kinds.items()))
        raise SourceError(f"{folder.name}: holds files of several kinds: {shown}; name the file to read")
    if not found:
        compressed = next((entry.name for entry in sorted(folder.iterdir()) if entry.suffix in COMPRESSED), None)
        hint = f"; {compressed} is compressed: decompress it first" if compressed else ""
        raise SourceError(f"{folder.name}: holds no file that ends in {', '.join(KINDS)}{hint}")
    return found


def _is_data(entry: Path) -> bool:
    hidden = entry.name.startswith((".", "_"))
    return entry.suffix.lower() in KINDS and entry.name not in BESIDE and not hidden and entry.is_file()


def saved_splits(path: Path) -> list[str]:
    """The splits of a folder that datasets saved, where it has any; in their order."""
    try:
        said = json.loads((path / SPLITS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    splits = said.get("splits") if isinstance(said, dict) else None
    return [str(name) for name in splits] if isinstance(splits, list) else []


def splits_named(files: Iterable[str]) -> list[str]:
    """The splits that files are called after, in their order."""
    named = map(SPLIT_FILE.fullmatch, files)
    return list(dict.fromkeys(match["split"] or match["usual"] for match in named if match is not None))


def holds_rows_a_line(path: Path) -> bool:
    """Whether a file's first line is an object, or the beginning of one that is too long or broken."""
    with opened(path) as file:
        start = file.read(START_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    first, _, rest = start.partition(b"\n")
    first = first.strip()
    if not first.startswith(b"{"):
        return not start.startswith(b"[") and path.suffix.lower() != ".json"
    return first != b"{" and (first.endswith(b"}") or rest.lstrip().startswith(b"{") or not rest)


def media_root(path: Path) -> str | None:
    """The `media_root` of a file of TAO's items, empty where it says none; None where the file is none of these."""
    with opened(path) as file:
        start = file.read(START_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
        file.seek(max(file.seek(0, io.SEEK_END) - START_BYTES, 0))
        if not start.startswith(b"{") or TAO not in start + file.read(START_BYTES):
            return None
        file.seek(0)
        found, root = set(), ""
        for key, stretch in _keys_of(Stretch(file)):
            found.add(key)
            if key == MEDIA_ROOT:
                value = stretch.take(Siblings()).value
                root = value if isinstance(value, str) else ""
    return root if ITEMS in found else None


def _keys_of(stretch: Stretch) -> Iterator[tuple[str, Stretch]]:
    """The keys of the object at hand; a value that is not taken in between is passed over."""
    stretch.peek()
    stretch.step()
    while stretch.peek() == '"':
        key = stretch.take(Siblings())
        if key.fault is not None or stretch.peek() != ":":
            return
        stretch.step()
        stretch.peek()
        yield str(key.value), stretch
        stretch.skip_value()
        if stretch.peek() == ",":
            stretch.step()
