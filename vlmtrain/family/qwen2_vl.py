"""Qwen2-VL: one placeholder per 28 x 28 pixels, any number of images, pixels bounded by area."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmtrain.family.general import General, token_ids

if TYPE_CHECKING:
    from vlmtrain.config import Part

PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.language_model",),
    "vision": ("model.visual",),
    "projector": ("model.visual.merger",),
}
IMAGE_TOKENS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen2VL(General):
    """Its image processor keeps the area in `size`: `shortest_edge` is the fewest pixels, `longest_edge` the most."""

    name: str = "Qwen2-VL"
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: PARTS)

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """The placeholders of images and videos, and the tokens around them."""
        return General.image_token_ids(self, processor) | token_ids(processor, *IMAGE_TOKENS)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Put the bounds into the image processor's `size`."""
        size = dict(processor.image_processor.size)
        fewest = size["shortest_edge"] if low is None else low
        most = size["longest_edge"] if high is None else high
        processor.image_processor.size = {"shortest_edge": min(fewest, most), "longest_edge": most}


FAMILY = Qwen2VL()
