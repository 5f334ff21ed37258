"""A dataset of the Hugging Face Hub, or a local folder in one of its forms. Images are bytes; no image file is opened.

To name this type of source is the permission to reach the Hub for this dataset. No code of a dataset is ever run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.protocols import Source
from vlmdata.recipe import SourceConfig
from vlmdata.record import Origin, Problem, RawRecord, Rejection
from vlmdata.settings import nearest, to_dataclass
from vlmdata.source.arrow_values import ArrowValueError, RowReader
from vlmdata.source.hub_access import explained, loaded, resolved_revision
from vlmdata.source.json_cells import with_json_cells
from vlmdata.source.known_columns import Entry
from vlmdata.templates import TemplateError, compile_expression, known_value

ROWS_AT_ONCE = 32
UNPINNED = (None, "main")
"""Revisions that are another commit tomorrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """Which dataset is read, and how.

    `dataset` is its name on the Hub or a folder; `config`, `split` and `revision` are the Hub's own words; `streaming`
    reads rows over the network as they are needed. `format`, `map`, `drop`, `prompt` and `rebase` are read by the
    converter of conversations; `json` names columns whose cells hold JSON.
    """

    dataset: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    streaming: bool = False
    format: str | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    prompt: str | None = None
    rebase: Mapping[str, str] = field(default_factory=dict)
    json: tuple[str, ...] = ()


def open_hub(config: SourceConfig) -> Source:
    """The dataset that a recipe names."""
    source = HubSource(config)
    return with_json_cells(source, source.options.json, config.nulls)


class HubSource:
    """One split of a dataset. Raises SourceError where it can't be had: no such name, no access, no network.

    `config.path` is where the dataset would be if it were a folder.
    """

    def __init__(self, config: SourceConfig) -> None:
        self._config = config
        self.options = to_dataclass(HubOptions, config.options)

    @property
    def name(self) -> str:
        """The dataset's name on the Hub, or the folder's name."""
        return self._config.path.resolve().name if self._is_local else self.options.dataset

    @cached_property
    def files(self) -> Sequence[Path]:
        """The folder's files, in order; none where the dataset is on the Hub."""
        if not self._is_local:
            return ()
        folder = self._config.path
        found = [path for path in folder.rglob("*") if path.is_file()]
        visible = [path for path in found if not any(step[0] == "." for step in path.relative_to(folder).parts)]
        return tuple(sorted(visible))

    @cached_property
    def columns(self) -> Sequence[str]:
        """The dataset's columns."""
        features = self._dataset.features
        if features is not None:
            return tuple(features)
        return next((tuple(table.schema.names) for table in self._tables()), ())

    @cached_property
    def revision(self) -> str | None:
        """The commit that is read: the recipe's, else the newest; None where it is not known."""
        if self._is_local:
            return None
        return resolved_revision(self.options.dataset, self.options.revision)

    @property
    def commit(self) -> str | None:
        """The commit that is read, which the manifest keeps; None where only a branch's name is known."""
        return self.revision if re.fullmatch(r"[0-9a-f]{40}", self.revision or "") else None

    @property
    def fingerprint(self) -> str:
        """The commit, so that an interrupted build does not go on with the rows of another one."""
        return self.revision or ""

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """That the recipe pins no commit, with the one that was read."""
        if self._is_local or self.options.revision not in UNPINNED:
            return ()
        asked = "is a branch, which can move" if self.options.revision else "is not set"
        message = f"source.revision {asked}: another commit of the dataset may make another dataset"
        hint = f"write revision: {self.commit}" if self.commit else "name a commit"
        return (Problem(rule="hub.no_revision", message=message, source=self.name, hint=hint, severity="warning"),)

    def shards(self) -> Sequence[HubShard]:
        """The split is one shard."""
        return (HubShard(self),)

    @property
    def total(self) -> int | None:
        """How many rows there are, where that is known."""
        rows: int | None = getattr(self._dataset, "num_rows", None)
        return rows

    def entries(self) -> Iterator[Entry]:
        """Every row in order; where it is streamed, no more rows than the recipe's limit asks for."""
        rows = self._rows()
        yield from self._limited(rows) if self.options.streaming else rows

    def _rows(self) -> Iterator[Entry]:
        row = 0
        reader: RowReader | None = None
        for table in self._tables():
            reader = reader or RowReader(table.schema)
            for values in reader.rows(table):
                row += 1
                yield _entry(values, Origin(source=self.name, row=row, line=row, last_line=row))

    def _limited(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Rows until as many were wanted as the recipe's limit says, so that no more is downloaded."""
        left = self._config.limit
        for entry in entries:
            yield entry
            if left is not None and isinstance(entry, RawRecord) and self._is_wanted(entry):
                left -= 1
                if not left:
                    return

    def _is_wanted(self, raw: RawRecord) -> bool:
        """Whether a row counts against the limit: it meets the recipe's condition, or can't be asked."""
        if self._config.where is None:
            return True
        values = {name: known_value(value, self._config.nulls) for name, value in raw.values.items()}
        try:
            return compile_expression(self._config.where)(values) == "True"
        except TemplateError:
            return True

    def _tables(self) -> Iterator[Any]:
        """Arrow tables of a few rows, in which an image is its bytes and path, not decoded."""
        with explained(self.name, self.options.revision):
            yield from self._dataset.with_format("arrow").iter(batch_size=ROWS_AT_ONCE)

    @cached_property
    def _is_local(self) -> bool:
        name, path = self.options.dataset, self._config.path
        if path.is_dir():
            return True
        if path.exists():
            raise SourceError(f"{path.name}: this is a file; for a file, set source.type to its kind")
        if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
            raise SourceError(f"{name}: there is no such folder ({path})")
        return False

    @cached_property
    def _dataset(self) -> Any:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        options = self.options
        if self._is_local:
            found = loaded(self._config.path, replace(options, revision=None), name=self.name)
        else:
            found = loaded(options.dataset, replace(options, revision=self.revision), name=self.name)
        if not isinstance(found, dict):
            return found
        splits = [str(split) for split in found]
        if options.split is None and len(splits) == 1:
            return found[splits[0]]
        if options.split in found:
            return found[options.split]
        near = nearest(options.split, splits) if options.split else ""
        asked = f"there is no split {options.split!r}" if options.split else "the dataset has several splits"
        hint = near or f"set source.split to one of {', '.join(splits)}"
        raise SourceError(f"{self.name}: {asked}; {hint}")


@dataclass(slots=True)
class HubShard:
    """One split. Each row counts as one line."""

    source: HubSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0

    def __iter__(self) -> Iterator[Entry]:
        self.lines_read, total = 0, self.source.total
        for entry in self.source.entries():
            self.lines_read = entry.origin.row
            self.share_read = entry.origin.row / total if total else 0.0
            yield entry


def _entry(values: dict[str, Any] | ArrowValueError, origin: Origin) -> RawRecord | Rejection:
    if isinstance(values, ArrowValueError):
        problem = _problem(origin, "hub.value", values.column, values.message, "choose another revision")
        return Rejection(origin=origin, problems=(problem,), row=values.row)
    for name, value in values.items():
        path = path_without_bytes(value)
        if path is not None:
            message = f"an image has no bytes, only the path {path!r}, which would be read from this machine"
            hint = "use a dataset that holds its images; for a folder of images, source.type: image_folder"
            return Rejection(
                origin=origin, problems=(_problem(origin, "images.null_bytes", name, message, hint),), row=values
            )
    return RawRecord(origin=origin, values=values)


def path_without_bytes(value: Any) -> str | None:
    """The path of the first image in a value that has no bytes: `datasets` would open that file on this machine."""
    if isinstance(value, Mapping):
        if "bytes" in value and value["bytes"] is None and isinstance(value.get("path"), str):
            return str(value["path"])
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((found for entry in value if (found := path_without_bytes(entry)) is not None), None)
    return None


def _problem(origin: Origin, rule: str, column: str, message: str, hint: str) -> Problem:
    return Problem(rule=rule, message=message, source=origin.source, line=origin.line, field=column, hint=hint)
