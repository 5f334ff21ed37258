"""Gemini's tuning JSONL for Vertex AI: `contents` of parts and a `systemInstruction`.

Source: Google Cloud's guide to preparing supervised tuning data, and google-genai's types Content, Part, Blob and
FileData. Images stand in the rows (`inlineData`), or in a bucket (`fileData`) where a prefix of their addresses is
given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.data_uri import base64_of
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_lines
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Picture, Row
from vlmdata.record import Message

ROLES = {"user": "user", "assistant": "model"}


@dataclass(slots=True)
class Gemini(Exporter):
    """One file a split; the images in it, or in a folder that is to be copied into the bucket."""

    folder: Path
    survey: Survey
    options: Options
    images: ImageFiles = field(init=False)
    holds: ClassVar[Holds] = Holds(
        reader="Gemini", image_formats=frozenset({"JPEG", "PNG", "WEBP", "HEIF"}), uploaded=True
    )

    def __post_init__(self) -> None:
        self.images = ImageFiles(self.folder)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """JSON Lines."""
        return write_lines(self.folder / f"{split}.jsonl", map(self._entry, rows))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        prefix = self.options.image_uri_prefix
        if not prefix:
            return Opening(text="copy it into a bucket, and name it in a tuning job")
        return Opening(
            text="copy the images to where the rows name them, and the rows into a bucket",
            command=f"gcloud storage cp -r OUT/images {prefix}/",
        )

    def _entry(self, row: Row) -> dict[str, Any]:
        pictures = iter(row.images)
        system = {"systemInstruction": {"parts": [{"text": row.system}]}} if row.system else {}
        return {**system, "contents": [self._content(turn, pictures) for turn in row.turns]}

    def _content(self, turn: Message, pictures: Iterator[Picture]) -> dict[str, Any]:
        parts = [
            self._image(next(pictures)) if part.type == "image" else {"text": part.text or ""} for part in turn.content
        ]
        return {"role": ROLES[turn.role], "parts": parts}

    def _image(self, picture: Picture) -> dict[str, Any]:
        prefix = self.options.image_uri_prefix
        if not prefix:
            return {"inlineData": {"mimeType": picture.mime, "data": base64_of(picture)}}
        return {"fileData": {"mimeType": picture.mime, "fileUri": f"{prefix}/{self.images.put(picture)}"}}
