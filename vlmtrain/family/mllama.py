"""Llama 3.2 Vision (mllama): images enter by cross-attention, one placeholder each, in up to four tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmtrain.family.general import General, tiles_within

if TYPE_CHECKING:
    from vlmtrain.config import Part

PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.language_model",),
    "vision": ("model.vision_model",),
    "projector": ("model.multi_modal_projector",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mllama(General):
    """Rows share a batch only where they have equally many images.

    transformers' forward fails on rows with and without images together, and a row's logits change beside one with
    more images.
    """

    name: str = "Llama 3.2 Vision"
    expands_placeholders: bool = False
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: PARTS)

    def batch_key(self, images: int) -> int:
        """The number of images."""
        return images

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the number of tiles. There is no lower bound."""
        size = dict(processor.image_processor.size)
        tiles = tiles_within(self.name, size["height"] * size["width"], low, high)
        if tiles is not None:
            processor.image_processor.max_image_tiles = min(tiles, processor.image_processor.max_image_tiles)


FAMILY = Mllama()
