"""Molmo 2: an image is shown whole and in overlapping crops; the processor begins every text itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlmtrain.family.general import General, tiles_within, token_ids

IMAGE_TOKENS = ("<|image|>", "<|video|>")
BLANK = "%} {# assistant #}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Molmo2(General):
    """Eight tokens make up an image; none of them is among those that the model can answer with."""

    name: str = "Molmo 2"

    def opening(self, processor: Any) -> str:
        """The token that the processor puts before a text which does not begin with it."""
        tokenizer = processor.tokenizer
        return str(tokenizer.bos_token or tokenizer.eos_token)

    def closing(self, processor: Any) -> str:
        """The published template ends an answer only where a question follows."""
        return str(processor.tokenizer.eos_token)

    def chat_template(self, processor: Any) -> str | None:
        """The published template puts a blank before an answer's turn that is not in the prompt which asks for it."""
        written = str(processor.chat_template or "")
        return written.replace(BLANK, BLANK.replace("} {", "}{")) if BLANK in written else None

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """The tokens that the processor names, and the placeholders that it replaces."""
        return General.image_token_ids(self, processor) | token_ids(processor, *IMAGE_TOKENS)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the number of crops. There is no lower bound."""
        size = dict(processor.image_processor.size)
        crops = tiles_within(self.name, size["height"] * size["width"], low, high)
        if crops is not None:
            processor.image_processor.max_crops = min(crops, processor.image_processor.max_crops)


FAMILY = Molmo2()
