"""Gemma 3: every image becomes 896 x 896 pixels and 256 tokens, and attention is eager by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlmtrain.errors import ModelError
from vlmtrain.family.general import General, token_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemma3(General):
    """Its authors ask for eager attention in training; `processor.image_token_id` is only the token before an image."""

    name: str = "Gemma 3"
    attention: str | None = "eager"

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """The image tokens, and the tokens that begin and end an image."""
        tokenizer = processor.tokenizer
        frame = (tokenizer.boi_token, tokenizer.eoi_token, tokenizer.image_token)
        return General.image_token_ids(self, processor) | token_ids(processor, *frame)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Refuse: the size is part of the model."""
        if low is not None or high is not None:
            size = dict(processor.image_processor.size)
            shown = f"{size.get('height')} x {size.get('width')}"
            raise ModelError(
                f"budget: Gemma 3 resizes every image to {shown} pixels; leave out max_pixels and min_pixels"
            )


FAMILY = Gemma3()
