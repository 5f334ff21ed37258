"""Pixtral: a Llava model with Pixtral's tower; a row of image tokens per 16 pixels of height."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vlmtrain.errors import ModelError
from vlmtrain.family.general import General


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixtral(General):
    """Its processor bounds the longest side, so a bound of the area becomes the side of a square of that area."""

    name: str = "Pixtral"

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Bound the longest side. There is no lower bound."""
        size = dict(processor.image_processor.size)
        if low is not None:
            raise ModelError(f"budget: {self.name} has no lower bound of pixels; leave out min_pixels")
        if high is None:
            return
        if "longest_edge" not in size:
            raise ModelError(f"budget: {type(processor).__name__} resizes every image to {size}; leave out max_pixels")
        processor.image_processor.size = {"longest_edge": min(size["longest_edge"], math.isqrt(high))}


FAMILY = Pixtral()
