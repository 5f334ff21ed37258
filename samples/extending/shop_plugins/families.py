"""InternVL with a bound of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlmtrain.family.general import General, tiles_within


@dataclass(frozen=True, slots=True, kw_only=True)
class InternVL(General):
    """Its processor bounds the number of tiles; modules and image tokens are found as the general family finds them."""

    name: str = "InternVL"

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the number of tiles. There is no lower bound."""
        images = processor.image_processor
        size = dict(images.size)
        tiles = tiles_within(self.name, size["height"] * size["width"], low, high)
        if tiles is not None:
            images.max_patches = min(tiles, images.max_patches)


FAMILY = InternVL()
