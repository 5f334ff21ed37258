"""LLaMA-Factory: ShareGPT in JSON, the dataset_info.json that names it, and a folder of images.

Source: hiyouga/LLaMA-Factory, data/README.md and src/llamafactory/data: image paths start at the dataset's folder, and
`<image>`, `<video>` and `<audio>` in a text are places of media, whose numbers must be those of the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.image_files import ImageFiles
from vlmdata.exports.json_files import write_list
from vlmdata.exports.marked_text import marked, text_losses
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row

KEPT = frozenset({"id", "group", "tags", "fields"})
MARKERS = ("<image>", "<video>", "<audio>")
ENTRY = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages", "images": "images"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}


@dataclass(slots=True)
class LlamaFactory(Exporter):
    """One file a split, each an entry of the dataset_info.json under the dataset's name and the split's."""

    folder: Path
    survey: Survey
    options: Options
    images: ImageFiles = field(init=False)
    entries: dict[str, Any] = field(default_factory=dict)
    holds: ClassVar[Holds] = Holds(reader="LLaMA-Factory", kept=KEPT, markers=MARKERS, turns_images=False)

    def __post_init__(self) -> None:
        self.images = ImageFiles(self.folder)

    def losses(self, row: Row) -> Iterator[str]:
        """What becomes of parts in one text."""
        return text_losses(row)

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """A JSON list, and its entry."""
        written = write_list(self.folder / f"{split}.json", map(self._entry, rows))
        self.entries[f"{plain_name(self.survey.name)}_{split}"] = {"file_name": written.files[0], **ENTRY}
        return written

    def finish(self) -> Opening:
        """The dataset_info.json."""
        text = json.dumps(self.entries, indent=2, ensure_ascii=False)
        (self.folder / "dataset_info.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")
        names = ",".join(self.entries)
        return Opening(text="name it in LLaMA-Factory's YAML", command=f"dataset_dir: OUT, dataset: {names}")

    def _entry(self, row: Row) -> dict[str, Any]:
        turns = [{"role": message.role, "content": marked(message)} for message in row.messages]
        paths = [self.images.put(picture) for picture in row.images]
        return {"id": row.id, "messages": turns, "images": paths, **extras(row, self.survey)}


def plain_name(name: str) -> str:
    """A dataset's name as one word, since commas part the names of several."""
    return re.sub(r"[^0-9A-Za-z_.-]+", "_", name) or "dataset"
