"""OpenAI's chat fine-tuning JSONL: messages of a text, or of parts, images as `data:` addresses.

Source: the vision fine-tuning guide (platform.openai.com/docs/guides/vision-fine-tuning): JPEG, PNG and WebP, in the
user's turns alone, at most 10 images a row of at most 10 MB each; and the API's reference, by which a row has no other
keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.data_uri import data_uri
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Picture, Row
from vlmdata.record import Message

MOST_IMAGES, MOST_BYTES = 10, 10_000_000


@dataclass(slots=True)
class OpenAI(Exporter):
    """One file a split, images in it."""

    folder: Path
    survey: Survey
    options: Options
    holds: ClassVar[Holds] = Holds(reader="OpenAI", image_formats=frozenset({"JPEG", "PNG", "WEBP"}), uploaded=True)

    def losses(self, row: Row) -> Iterator[str]:
        """Rows that the file holds, and that OpenAI passes over."""
        if len(row.images) > MOST_IMAGES or any(len(picture.data) > MOST_BYTES for picture in row.images):
            yield "limits"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """JSON Lines."""
        return write_lines(self.folder / f"{split}.jsonl", map(_entry, rows))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        command = 'client.files.create(file=open("OUT/SPLIT.jsonl", "rb"), purpose="fine-tune")'
        return Opening(text="upload it to OpenAI, or to a trainer that takes its format", command=command)


def _entry(row: Row) -> dict[str, Any]:
    pictures = iter(row.images)
    return {"messages": [_message(message, pictures) for message in row.messages]}


def _message(message: Message, pictures: Iterator[Picture]) -> dict[str, Any]:
    parts = message.content
    if len(parts) == 1 and parts[0].type == "text":
        return {"role": message.role, "content": parts[0].text or ""}
    content = [
        {"type": "image_url", "image_url": {"url": data_uri(next(pictures))}}
        if part.type == "image"
        else {"type": "text", "text": part.text or ""}
        for part in parts
    ]
    return {"role": message.role, "content": content}
