"""Idefics3: an image is shown whole and in tiles, each tile with a token that names its row and column."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmtrain.family.general import General, tiles_within, token_ids

if TYPE_CHECKING:
    from vlmtrain.config import Part

PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.text_model",),
    "vision": ("model.vision_model",),
    "projector": ("model.connector",),
}
FRAME_TOKENS = ("<fake_token_around_image>", "<global-img>")
TILE_TOKEN = re.compile(r"<row_\d+_col_\d+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Idefics3(General):
    """Its processor bounds the longest side, which becomes a whole number of tiles."""

    name: str = "Idefics3"
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: PARTS)

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """The image tokens, those around an image, and those that name a tile."""
        tiles = (token for token in processor.tokenizer.get_vocab() if TILE_TOKEN.fullmatch(token))
        return General.image_token_ids(self, processor) | token_ids(processor, *FRAME_TOKENS, *tiles)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the longest side, by the tiles of a square. There is no lower bound."""
        images = processor.image_processor
        side = dict(images.max_image_size)["longest_edge"]
        tiles = tiles_within(self.name, side * side, low, high)
        if tiles is not None:
            longest = dict(images.size)["longest_edge"]
            images.size = {"longest_edge": min(longest, math.isqrt(tiles) * side)}


FAMILY = Idefics3()
