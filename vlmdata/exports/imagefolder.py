"""An image folder of datasets: each split's images and a metadata.jsonl that names them and holds the conversation.

Source: datasets, packaged_modules/folder_based_builder: `images_file_names`, a list of paths below the metadata's own
folder, becomes the column `images`, so that rows open as TRL takes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras, own_extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.part_rows import part_rows
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row

KEPT = frozenset({"id", "group", "tags", "fields"})

FOUND = frozenset({"train", "validation", "test"})
"""Splits that datasets finds by the names of folders. Folders of other names it takes for train's, or passes over where
there is one of these (datasets/data_files.py)."""

DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")
"""What Arrow's reader of JSON takes for a time, where a column holds nothing else."""


@dataclass(slots=True)
class ImageFolder(Exporter):
    """A folder a split, since nothing outside of it may be named."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = Holds(reader="an image folder", kept=KEPT, text_only=False, splits_of_datasets=True)

    def losses(self, row: Row) -> Iterator[str]:
        """Dates, which datasets reads as times."""
        texts = [part.text or "" for message in row.messages for part in message.content if part.type == "text"]
        if any(map(DATE.fullmatch, (row.id, *own_extras(row).values()))) or (texts and all(map(DATE.fullmatch, texts))):
            yield "dates"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """The images, each once, and metadata.jsonl."""
        place = self.folder / split
        place.mkdir()
        images = ImageFiles(place)
        written = write_lines(place / "metadata.jsonl", (self._entry(row, images) for row in rows))
        return Written(rows=written.rows, files=(f"{split}/metadata.jsonl",))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        splits = self.survey.splits
        place = 'data_dir="OUT"'
        if not FOUND.issuperset(splits):
            named = ", ".join(f'"{split}": "OUT/{split}/**"' for split in splits)
            place = f"data_files={{{named}}}"
        return Opening(text="open it with datasets", command=f'load_dataset("imagefolder", {place})')

    def _entry(self, row: Row, images: ImageFiles) -> dict[str, Any]:
        paths = [images.put(picture) for picture in row.images]
        return {
            "images_file_names": paths,
            "id": row.id,
            "messages": part_rows(row.messages),
            **extras(row, self.survey),
        }
