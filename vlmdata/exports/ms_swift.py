"""ms-swift: JSON Lines of `messages` and `images`, and a folder of images.

Source: modelscope/ms-swift, docs/source_en/Customization/Custom-dataset.md and swift/template: `<image>` marks the
place of an image, and ROOT_IMAGE_DIR is the folder that relative paths start in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.marked_text import marked, text_losses
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row

KEPT = frozenset({"id", "group", "tags", "fields"})
MARKERS = ("<image>", "<video>", "<audio>", "<bbox>", "<ref-object>", "<img>")


@dataclass(slots=True)
class MsSwift(Exporter):
    """One file a split."""

    folder: Path
    survey: Survey
    options: Options
    images: ImageFiles = field(init=False)
    holds: ClassVar[Holds] = Holds(reader="ms-swift", kept=KEPT, markers=MARKERS, turns_images=False)

    def __post_init__(self) -> None:
        self.images = ImageFiles(self.folder)

    def losses(self, row: Row) -> Iterator[str]:
        """What becomes of parts in one text."""
        return text_losses(row)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """JSON Lines."""
        return write_lines(self.folder / f"{split}.jsonl", map(self._entry, rows))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(
            text="train on it with ms-swift", command="ROOT_IMAGE_DIR=OUT swift sft --dataset OUT/SPLIT.jsonl ..."
        )

    def _entry(self, row: Row) -> dict[str, Any]:
        turns = [{"role": message.role, "content": marked(message)} for message in row.messages]
        paths = [self.images.put(picture) for picture in row.images]
        return {"id": row.id, "messages": turns, "images": paths, **extras(row, self.survey)}
