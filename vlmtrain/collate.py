"""Conversations -> input ids, pixels and labels: the only place where labels are masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlmtrain.errors import BudgetError, TemplateError, over_budget
from vlmtrain.family import family_of_processor
from vlmtrain.features import ImageFeatures
from vlmtrain.turns import (
    IGNORED,
    Rendered,
    Replacement,
    Row,
    Template,
    answer_spans,
    asked,
    image_parts,
    refuse_unseen,
    row_name,
    says_no_place,
)

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import BatchFeature, ProcessorMixin

    from vlmtrain.protocols import ModelFamily


class Collator:
    """Rows of the record contract as a batch for training, or for asking.

    Labels cover the assistant's text and the token that ends its turn, in every assistant turn, and nothing else.
    Nothing is cut: a row over `max_length` tokens raises BudgetError. It works as the `data_collator` of a stock
    `trl.SFTTrainer` too.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        *,
        max_length: int | None = None,
        last_turn_only: bool = False,
        family: ModelFamily | None = None,
        features: ImageFeatures | None = None,
    ) -> None:
        """`features`: how images are processed; by default one at a time, with nothing kept."""
        self.processor = processor
        self.max_length = max_length
        self.last_turn_only = last_turn_only
        self.family = family or family_of_processor(processor)
        self.features = features or ImageFeatures(processor=processor, family=self.family)
        self.template = Template(processor, self.family)
        self._image_ids = sorted(self.family.image_token_ids(processor))

    def without_bound(self) -> Collator:
        """The same collator, for rows of any length."""
        return Collator(self.processor, last_turn_only=self.last_turn_only, family=self.family)

    def __call__(self, rows: Sequence[Row]) -> BatchFeature:
        """A right-padded training batch: `input_ids`, `attention_mask`, `labels` [rows, tokens], and the pixels.

        Raises TemplateError or BudgetError, with the rows' ids.
        """
        rendered = [self.template.conversation(row, last_turn_only=self.last_turn_only) for row in rows]
        batch, replacements = self._processed(rows, rendered, padding_side="right")
        self._check_images_seen(rows, rendered, batch)
        self._check_lengths(rendered, batch["attention_mask"])
        batch["labels"] = self._labels(rendered, batch, replacements)
        return batch

    def prompts(self, rows: Sequence[Row]) -> BatchFeature:
        """A left-padded batch that asks for each row's last answer, with the pixels that the prompt shows.

        Raises TemplateError, with the row's id.
        """
        cut = [_asked_row(row) for row in rows]
        batch, _ = self._processed(cut, [self.template.prompt(row) for row in cut], padding_side="left")
        return batch

    def _processed(
        self, rows: Sequence[Row], rendered: Sequence[Rendered], *, padding_side: str
    ) -> tuple[BatchFeature, list[list[Replacement]]]:
        """The processor's batch, and where it expanded the placeholders of each row."""
        images = [self._pictures(row) for row in rows]
        self._check_mixture(rendered, images)
        options = {"sanitize_control_tokens": True} if any(each.marked for each in rendered) else {}
        if self.family.expands_placeholders:
            options["return_text_replacement_offsets"] = True
        try:
            batch: BatchFeature = self.features.reader(sum(map(len, images)))(
                text=[each.text for each in rendered],
                images=images if any(images) else None,
                padding=True,
                padding_side=padding_side,
                add_special_tokens=False,
                images_kwargs={"return_tensors": "pt"},
                **options,
            )
        except ValueError as error:
            raise TemplateError(_refusal(self.processor, rendered, error)) from error
        offsets = batch.pop("text_replacement_offsets", None) or [[] for _ in rendered]
        if self.family.expands_placeholders and [len(row) for row in offsets] != [len(shown) for shown in images]:
            raise says_no_place(self.processor)
        # Now, not in the processor: Idefics3's would make tensors of the offsets too, and fails.
        return batch.convert_to_tensors("pt"), [[_replacement(each) for each in row] for row in offsets]

    def _pictures(self, row: Row) -> list[Image.Image]:
        found = self.features.pictures(row)
        placeholders = image_parts(row["messages"])
        if len(found) != placeholders:
            raise TemplateError(f"{row_name(row)}: {placeholders} image parts in the messages, {len(found)} images")
        return found

    def _check_mixture(self, rendered: Sequence[Rendered], images: Sequence[Sequence[Any]]) -> None:
        if len({self.family.batch_key(len(shown)) for shown in images}) > 1:
            counts = ", ".join(f"{each.id}: {len(shown)}" for each, shown in zip(rendered, images, strict=True))
            raise TemplateError(
                f"{self.family.name} can't take rows with different numbers of images in one batch ({counts}); "
                "batch rows of one `family.batch_key`, or one row at a time"
            )

    def _check_images_seen(self, rows: Sequence[Row], rendered: Sequence[Rendered], batch: BatchFeature) -> None:
        """Raise TemplateError where an image of a row left no token in its ids: the model would not see it."""
        import torch

        known = torch.tensor(self._image_ids, dtype=batch["input_ids"].dtype)
        tokens = torch.isin(batch["input_ids"], known).sum(dim=1).tolist()
        for row, each, found in zip(rows, rendered, tokens, strict=True):
            refuse_unseen(each.id, self.processor, tokens=found, images=image_parts(row["messages"]))

    def _check_lengths(self, rendered: Sequence[Rendered], attention_mask: torch.Tensor) -> None:
        if self.max_length is None:
            return
        lengths = attention_mask.sum(dim=1).tolist()
        problems = [
            over_budget(each.id, length, self.max_length)
            for each, length in zip(rendered, lengths, strict=True)
            if length > self.max_length
        ]
        if problems:
            raise BudgetError(f"{len(problems)} of {len(rendered)} rows of a batch are over the budget", problems)

    def _labels(
        self, rendered: Sequence[Rendered], batch: BatchFeature, replacements: Sequence[Sequence[Replacement]]
    ) -> torch.Tensor:
        import torch

        ids = batch["input_ids"]
        labels = torch.full_like(ids, IGNORED)
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        rows = zip(rendered, replacements, lengths, strict=True)
        for index, (each, replaced, length) in enumerate(rows):
            whole = ids[index, :length].numpy()
            for start, end in answer_spans(each, whole, replaced, self.template.tokenizer):
                labels[index, start:end] = ids[index, start:end]
        shown = torch.isin(labels, torch.tensor(self._image_ids, dtype=ids.dtype))
        return labels.masked_fill_(shown, IGNORED)


def _asked_row(row: Row) -> dict[str, Any]:
    """The row without its last answer, and without the images that only the answer shows."""
    messages = asked(row["messages"])
    return {**row, "messages": messages, "images": list(row["images"] or ())[: image_parts(messages)]}


def _refusal(processor: ProcessorMixin, rendered: Sequence[Rendered], error: ValueError) -> str:
    """Why a processor takes no batch: a control token in a text, which not every one can read as text, or its words."""
    kind = type(processor).__name__
    marked = [each.id for each in rendered if each.marked]
    if marked:
        return f"{kind} can't read the control tokens in the texts of {', '.join(marked)} as plain text: {error}"
    return f"{kind} refuses a row of {', '.join(each.id for each in rendered)}: {error}"


def _replacement(found: Mapping[str, Any]) -> Replacement:
    start, end = found["span"]
    return Replacement(start=start, end=end, text=found["replacement"])
