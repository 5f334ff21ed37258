"""oumi: JSON Lines of conversations whose messages are items of text and of image paths, and a folder of images.

Source: oumi-ai/oumi, src/oumi/core/types/conversation.py; it passes over keys that it does not know, and opens paths
relative to the folder that it runs in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Picture, Row
from vlmdata.record import Message


@dataclass(slots=True)
class Oumi(Exporter):
    """One file a split."""

    folder: Path
    survey: Survey
    options: Options
    images: ImageFiles = field(init=False)
    holds: ClassVar[Holds] = Holds(reader="oumi", kept=frozenset({"id", "group", "tags", "fields"}), turns_images=False)

    def __post_init__(self) -> None:
        self.images = ImageFiles(self.folder)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """JSON Lines."""
        return write_lines(self.folder / f"{split}.jsonl", map(self._entry, rows))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(
            text="name it as a vl_sft dataset in oumi's YAML, and run oumi in OUT, where the image paths start",
            command="dataset_name: vl_sft, dataset_path: SPLIT.jsonl",
        )

    def _entry(self, row: Row) -> dict[str, Any]:
        pictures = iter(row.images)
        messages = [self._message(message, pictures) for message in row.messages]
        return {"conversation_id": row.id, "messages": messages, **extras(row, self.survey)}

    def _message(self, message: Message, pictures: Iterator[Picture]) -> dict[str, Any]:
        content = [
            {"type": "image_path", "content": self.images.put(next(pictures))}
            if part.type == "image"
            else {"type": "text", "content": part.text or ""}
            for part in message.content
        ]
        return {"role": message.role, "content": content}
