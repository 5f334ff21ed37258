"""The length and the learned tokens of every row, known before any training, with no pixel of the dataset decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.record import Problem
from vlmtrain.errors import TemplateError
from vlmtrain.turns import (
    IGNORED,
    Rendered,
    Replacement,
    Row,
    answer_spans,
    encode,
    expanded,
    image_parts,
    refuse_unseen,
    row_name,
    says_no_place,
)

if TYPE_CHECKING:
    from vlmtrain.collate import Collator

Size = tuple[int, int]
"""Height and width, as the processors count."""

CHANNELS = {1, 3}
"""Sides that transformers takes for the colour channels where it counts tokens; Pixtral's count is wrong for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLength:
    """A row's tokens: all of them, those that stand for images, and those that are learned."""

    id: str
    tokens: int
    image_tokens: int
    learned: int
    images: int


class Measure:
    """Rows to lengths, under one collator: its processor's own counts, and no picture of the dataset."""

    def __init__(self, collator: Collator) -> None:
        self.collator = collator
        self.placeholders = Placeholders(collator)
        self._image_ids = sorted(collator.family.image_token_ids(collator.processor))

    def row(self, row: Row, sizes: Sequence[Size] | None = None) -> RowLength:
        """A row's lengths; `sizes` in place of those of its images. Raises TemplateError."""
        collator = self.collator
        rendered = collator.template.conversation(row, last_turn_only=collator.last_turn_only)
        sizes, parts = image_sizes(row) if sizes is None else sizes, image_parts(row["messages"])
        if len(sizes) != parts:
            raise TemplateError(f"{rendered.id}: {parts} image parts in the messages, {len(sizes)} images")
        try:
            if rendered.marked:
                return self._whole(row, sizes)
            return self._counted(rendered, sizes)
        except ValueError as error:
            kind, shown = type(collator.processor).__name__, ", ".join(f"{width} x {height}" for height, width in sizes)
            raise TemplateError(f"{rendered.id}: {kind} takes no images of {shown} pixels: {error}") from error

    def _counted(self, rendered: Rendered, sizes: Sequence[Size]) -> RowLength:
        import numpy as np

        tokenizer = self.collator.template.tokenizer
        replacements = self.placeholders.of(rendered.text, sizes)
        ids = encode([expanded(rendered.text, replacements)], tokenizer, marked=False)[0]
        spans = answer_spans(rendered, ids, replacements, tokenizer)
        image_tokens = int(np.isin(ids, self._image_ids).sum())
        refuse_unseen(rendered.id, self.collator.processor, tokens=image_tokens, images=len(sizes))
        return RowLength(
            id=rendered.id,
            tokens=len(ids),
            image_tokens=image_tokens,
            learned=sum(end - start for start, end in spans),
            images=len(sizes),
        )

    def _whole(self, row: Row, sizes: Sequence[Size]) -> RowLength:
        """As training will see it, on blank images: for the rare row whose text holds a control token.

        Not every processor can read such a text, which must be known before training.
        """
        import torch
        from PIL import Image

        unbounded = self.collator.without_bound()
        batch = unbounded([{**row, "images": [Image.new("RGB", (width, height)) for height, width in sizes]}])
        return RowLength(
            id=row_name(row),
            tokens=int(batch["attention_mask"].sum()),
            image_tokens=int(torch.isin(batch["input_ids"], torch.tensor(self._image_ids)).sum()),
            learned=int((batch["labels"] != IGNORED).sum()),
            images=len(sizes),
        )


def measured(row: Row, measure: Measure) -> RowLength | Problem:
    """A row's lengths, or why its template or processor refuses it."""
    try:
        return measure.row(row)
    except TemplateError as error:
        name = str(row.get("id", ""))
        return Problem(rule="template", message=error.message.removeprefix(f"{name}: "), source=name, id=name)


def image_sizes(row: Row) -> list[Size]:
    """The sizes of a row's images, as its image_info says."""
    return [(info["height"], info["width"]) for info in row["image_info"] or ()]


class Placeholders:
    """What the processor makes of an image's placeholder, by the image's size.

    Sizes with equally many tokens share one expansion, counted by the processor itself where it can count
    (`_get_num_multimodal_tokens`); else, and once for each count, its image processor is shown a blank image.
    """

    def __init__(self, collator: Collator) -> None:
        self._collator = collator
        self._processor: Any = collator.processor
        self._counts: dict[Size, int | Size] = {}
        self._texts: dict[int | Size, str] = {}

    def of(self, text: str, sizes: Sequence[Size]) -> list[Replacement]:
        """The expansions of a rendered text whose images have these sizes."""
        if not self._collator.family.expands_placeholders or not sizes:
            return []
        token = self._processor.image_token
        found, place = [], 0
        for size in sizes:
            start = text.find(token, place)
            if start < 0:
                raise TemplateError(f"the rendered text has fewer than {len(sizes)} image placeholders")
            place = start + len(token)
            found.append(Replacement(start=start, end=place, text=self._text(size)))
        return found

    def tokens(self, size: Size) -> int:
        """How many tokens an image of this size takes, but for what is the same at any size. Raises ValueError."""
        if not self._collator.family.expands_placeholders:
            return 1
        count = self._counted(size)
        if isinstance(count, int):
            return count
        return len(encode([self._text(size)], self._collator.template.tokenizer, marked=False)[0])

    def _text(self, size: Size) -> str:
        count = self._counted(size)
        if count not in self._texts:
            self._texts[count] = self._expansion(size)
        return self._texts[count]

    def _counted(self, size: Size) -> int | Size:
        if size not in self._counts:
            self._counts[size] = self._count(size)
        return self._counts[size]

    def _count(self, size: Size) -> int | Size:
        """How many tokens an image of this size takes, or the size itself where the processor can't say."""
        if not hasattr(self._processor, "_get_num_multimodal_tokens") or CHANNELS & set(size):
            return size
        return int(self._processor._get_num_multimodal_tokens(image_sizes=[list(size)])["num_image_tokens"][0])

    def _expansion(self, size: Size) -> str:
        from PIL import Image

        height, width = size
        made = self._processor(
            text=[self._processor.image_token],
            images=[[Image.new("RGB", (width, height))]],
            add_special_tokens=False,
            return_text_replacement_offsets=True,
            return_tensors="pt",
        )
        offsets = made.get("text_replacement_offsets")
        if not offsets or not offsets[0]:
            raise says_no_place(self._processor)
        return str(offsets[0][0]["replacement"])
