"""Any model that has no file of its own: Llava's module names, and the image tokens that its processor names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vlmtrain.errors import ModelError

if TYPE_CHECKING:
    from vlmtrain.config import Part

LLAVA_PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.language_model",),
    "vision": ("model.vision_tower",),
    "projector": ("model.multi_modal_projector",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """Defaults that a family overrides where it differs."""

    name: str = "general"
    attention: str | None = None
    expands_placeholders: bool = True
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: LLAVA_PARTS)

    def batch_key(self, images: int) -> int:  # noqa: ARG002
        """One key for all: any rows may share a batch."""
        return 0

    def opening(self, processor: Any) -> str:  # noqa: ARG002
        """Nothing: the template writes the whole text."""
        return ""

    def closing(self, processor: Any) -> str:  # noqa: ARG002
        """Nothing: the template ends every answer."""
        return ""

    def chat_template(self, processor: Any) -> str | None:  # noqa: ARG002
        """The processor's own."""
        return None

    def image_token_ids(self, processor: Any) -> frozenset[int]:
        """What the processor says of itself: `image_token_ids`, and `image_token_id`."""
        named = [*(getattr(processor, "image_token_ids", None) or ()), getattr(processor, "image_token_id", None)]
        return frozenset(int(token) for token in named if token is not None)

    def set_pixels(self, processor: Any, low: int | None, high: int | None) -> None:
        """Refuse: how this processor bounds pixels is not known."""
        if low is not None or high is not None:
            kind = type(processor).__name__
            raise ModelError(
                f"budget: how {kind} bounds an image's pixels is not known; leave out max_pixels and min_pixels"
            )


def token_ids(processor: Any, *names: str) -> frozenset[int]:
    """The ids of these tokens, of those that the tokenizer has."""
    known = processor.tokenizer.get_vocab()
    return frozenset(known[name] for name in names if name in known)


def tiles_within(name: str, tile: int, low: int | None, high: int | None) -> int | None:
    """How many tiles of `tile` pixels `high` pixels hold; None where there is no bound.

    Raises ModelError for a bound that a family which shows images in tiles can't keep.
    """
    if low is not None:
        raise ModelError(f"budget: {name} has no lower bound of pixels; leave out min_pixels")
    if high is None:
        return None
    if high < tile:
        raise ModelError(f"budget: {name} shows an image in tiles of {tile:,} pixels; max_pixels is {high:,}")
    return high // tile


FAMILY = General()
