"""An image folder of datasets: each split's images and a metadata.jsonl that names them and holds the conversation.

Source: datasets, packaged_modules/folder_based_builder: `images_file_names`, a list of paths below the metadata's own
folder, becomes the column `images`, so that rows open as TRL takes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.part_rows import part_rows
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row

KEPT = frozenset({"id", "group", "tags", "fields"})


@dataclass(slots=True)
class ImageFolder(Exporter):
    """A folder a split, since nothing outside of it may be named."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = Holds(reader="an image folder", kept=KEPT, text_only=False)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """The images, each once, and metadata.jsonl."""
        place = self.folder / split
        place.mkdir()
        images = ImageFiles(place)
        written = write_lines(place / "metadata.jsonl", (self._entry(row, images) for row in rows))
        return Written(rows=written.rows, files=(f"{split}/metadata.jsonl",))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(text="open it with datasets", command='load_dataset("imagefolder", data_dir="OUT")')

    def _entry(self, row: Row, images: ImageFiles) -> dict[str, Any]:
        paths = [images.put(picture) for picture in row.images]
        return {
            "images_file_names": paths,
            "id": row.id,
            "messages": part_rows(row.messages),
            **extras(row, self.survey),
        }
