"""A folder of images as rows: with a metadata file, as `datasets` has it; with captions beside them; or by folder.

Every file below the folder becomes a row, a skip or a rejection: none is passed over in silence.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.settings import to_dataclass
from vlmdata.source.captions import Captions, Translations
from vlmdata.source.folder_entries import FolderEntries
from vlmdata.source.folder_metadata import MetadataFile, Named, find_metadata
from vlmdata.source.folder_walk import folders_of, walk

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Folder names that `datasets` takes for a split, and the split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolderOptions:
    """What stands beside the images: a metadata file, or captions with the ending `captions`."""

    metadata: str | None = None
    captions: str | None = None
    translations: Translations = "drop"


def open_image_folder(config: SourceConfig) -> ImageFolderSource:
    """The folder that a recipe names. Raises SourceError where its options contradict each other."""
    options = to_dataclass(ImageFolderOptions, config.options)
    if options.metadata and options.captions:
        raise SourceError(f"{config.path.name}: source.metadata and source.captions can't both be given; take one out")
    if "translations" in config.options and not options.captions:
        raise SourceError(f"{config.path.name}: source.translations is about captions; add source.captions: .txt")
    return ImageFolderSource(config.path, options)


class ImageFolderSource:
    """A folder of images. Raises SourceError where it is no folder, or its metadata can't be used."""

    def __init__(self, root: Path, options: ImageFolderOptions | None = None) -> None:
        self.root = root
        self.options = options or ImageFolderOptions()
        self.name = root.name or "."

    @cached_property
    def metadata(self) -> Sequence[MetadataFile]:
        """The metadata files, in order; none where the rows are the images themselves."""
        if not self.root.is_dir():
            found = "this is a file" if self.root.exists() else "there is no such folder"
            raise SourceError(f"{self.name}: {found}; a folder of images was expected ({self.root})")
        return () if self.options.captions else find_metadata(self.root, self.options.metadata)

    @property
    def files(self) -> Sequence[Path]:
        """The metadata files; the images are not listed."""
        return tuple(file.path for file in self.metadata)

    @property
    def fingerprint(self) -> str:
        """A hash over name, size and time of every file below the folder that the walk sees, and over what it skips."""
        digest = blake2b(digest_size=16)
        for listing in walk(self.root):
            said = "\0".join([listing.path, listing.error, *listing.hidden, "", *listing.links])
            digest.update(f"{said}\n".encode("utf-8", "surrogateescape"))
            folder = os.path.join(self.root, listing.path)  # noqa: PTH118  (a million files: no Path for each)
            for name in listing.files:
                found = os.lstat(f"{folder}/{name}")
                said = f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n"
                digest.update(said.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    @cached_property
    def columns(self) -> Sequence[str]:
        """The metadata's columns, or those that name, place and captions give."""
        split = ("split",) if self.has_splits else ()
        if self.metadata:
            named = (column for file in self.metadata for column in file.columns)
            return tuple(dict.fromkeys([*named, *split]))
        captions = self.captions.names() if self.captions else ()
        return ("file_name", "label", "folder", *split, *captions)

    @cached_property
    def captions(self) -> Captions | None:
        """The captions beside the images, where the options name their ending."""
        ending = self.options.captions
        return Captions(self.root, ending, self.options.translations) if ending else None

    @cached_property
    def has_splits(self) -> bool:
        """Whether the folders of the first level are splits: each is named as one, and there is one."""
        seen = folders_of(self.root)
        return bool(seen) and all(name.lower() in SPLITS for name in seen)

    def shards(self) -> Sequence[FolderShard]:
        """The folder is one shard. Raises SourceError where the metadata names no images."""
        _ = self.columns
        return (FolderShard(self),)

    def place(self, path: str) -> dict[str, Any]:
        """What a path below the root says of an image: `file_name`, `label`, `folder` and `split`."""
        folders = path.split("/")[:-1]
        values: dict[str, Any] = {}
        if self.has_splits:
            values["split"] = SPLITS[folders[0].lower()] if folders else None
            folders = folders[1:]
        label = folders[-1] if folders else None
        return {"file_name": path, "label": label, "folder": "/".join(folders) or None, **values}


@dataclass(slots=True)
class FolderShard:
    """The whole folder. The counts are known once it has been iterated; `changes` counts what was left out of captions.

    Rows of metadata have their file as origin; all else is numbered in the order in which it is found.
    """

    source: ImageFolderSource
    lines_read: int = 0
    lines_of_header: int = 0
    share_read: float = 0.0
    changes: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[RawRecord | Rejection | Skip]:
        self.lines_read = self.lines_of_header = 0
        self.changes = Counter()
        source = self.source
        named: Named = set()
        for file in source.metadata:
            yield from self._metadata_rows(file, named)
        found = FolderEntries(source=source.name, place=source.place, changes=self.changes)
        for listing in walk(source.root):
            yield from found.unread(listing)
            if source.metadata:
                yield from found.not_in_metadata(listing, {file.name for file in source.metadata}, named)
            elif source.captions:
                yield from found.captioned(listing, source.captions)
            else:
                yield from found.images(listing)
        self.lines_read += found.number
        self.share_read = 1.0

    def _metadata_rows(self, file: MetadataFile, named: Named) -> Iterator[RawRecord | Rejection | Skip]:
        for shard in file.table.shards():
            for entry in shard:
                read = file.placed(entry, named)
                if isinstance(read, RawRecord) and self.source.has_splits and "split" not in read.values:
                    split = SPLITS.get(file.first_folder(read.values).lower())
                    read = RawRecord(origin=read.origin, values={**read.values, "split": split})
                yield read
            self.lines_read += shard.lines_read
            self.lines_of_header += shard.lines_of_header
