"""Llama 3.2 Vision (mllama): images enter by cross-attention, one placeholder each, in up to four tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmtrain.errors import ModelError
from vlmtrain.family.general import General

if TYPE_CHECKING:
    from vlmtrain.config import Part

PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.language_model",),
    "vision": ("model.vision_model",),
    "projector": ("model.multi_modal_projector",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mllama(General):
    """A batch that mixes rows with and without images fails in transformers' forward, so it is refused before."""

    name: str = "Llama 3.2 Vision"
    mixes_text_only: bool = False
    expands_placeholders: bool = False
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: PARTS)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the number of tiles. There is no lower bound."""
        if low is not None:
            raise ModelError("budget: Llama 3.2 Vision has no lower bound of pixels; leave out min_pixels")
        if high is None:
            return
        size = dict(processor.image_processor.size)
        tile = size["height"] * size["width"]
        if high < tile:
            raise ModelError(
                f"budget: Llama 3.2 Vision shows an image in tiles of {tile:,} pixels; max_pixels is {high:,}"
            )
        most = processor.image_processor.max_image_tiles
        processor.image_processor.max_image_tiles = min(most, high // tile)


FAMILY = Mllama()
