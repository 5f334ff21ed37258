"""LLaVA: a JSON list of `id`, `image` and `conversations` of human and gpt, with `<image>` in the text.

Source: haotian-liu/LLaVA, docs/Finetune_Custom_Data.md and llava/train/train.py, whose preprocess_multimodal moves each
marker to the beginning of its turn, and which has no role but human and gpt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_list
from vlmdata.exports.marked_text import MARKER, marked, text_losses
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row
from vlmdata.record import Message

ROLES = {"user": "human", "assistant": "gpt"}
KEPT = frozenset({"id", "group", "tags", "fields"})


@dataclass(slots=True)
class Llava(Exporter):
    """One file a split, and a folder of images."""

    folder: Path
    survey: Survey
    options: Options
    images: ImageFiles = field(init=False)
    holds: ClassVar[Holds] = Holds(reader="LLaVA", kept=KEPT, markers=(MARKER,), system=False, turns_images=False)

    def __post_init__(self) -> None:
        self.images = ImageFiles(self.folder)

    def losses(self, row: Row) -> Iterator[str]:
        """Images between texts, more than one of them, and what becomes of parts in one text."""
        yield from text_losses(row, between="\n")
        if any(stands_behind_text(message) for message in row.messages):
            yield "image_positions"
        if len(row.images) > 1:
            yield "several_images"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """A JSON list."""
        return write_list(self.folder / f"{split}.json", map(self._entry, rows))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(text="give it to LLaVA", command="--data_path OUT/SPLIT.json --image_folder OUT")

    def _entry(self, row: Row) -> dict[str, Any]:
        paths = [self.images.put(picture) for picture in row.images]
        named = {"image": paths[0] if len(paths) == 1 else paths} if paths else {}
        turns = [{"from": ROLES[turn.role], "value": marked(turn, between="\n")} for turn in row.turns]
        return {"id": row.id, **named, "conversations": turns, **extras(row, self.survey)}


def stands_behind_text(message: Message) -> bool:
    """Whether an image of a message comes after a text of it."""
    kinds = [part.type for part in message.content]
    return "text" in kinds and "image" in kinds[kinds.index("text") :]
