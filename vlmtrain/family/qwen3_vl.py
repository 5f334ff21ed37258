"""Qwen3-VL: one placeholder per 32 x 32 pixels; features of the tower enter the language model at several depths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmtrain.family.qwen2_vl import Qwen2VL

if TYPE_CHECKING:
    from vlmtrain.config import Part

PARTS: Mapping[Part, tuple[str, ...]] = {
    "language": ("model.language_model",),
    "vision": ("model.visual",),
    "projector": ("model.visual.merger", "model.visual.deepstack_merger_list"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen3VL(Qwen2VL):
    """The tokens and pixel bounds of Qwen2-VL, and more than one projector.

    Its tower needs non-reentrant gradient checkpointing, else its adapter gets no gradient; training always takes that.
    """

    name: str = "Qwen3-VL"
    parts: Mapping[Part, tuple[str, ...]] = field(default_factory=lambda: PARTS)


FAMILY = Qwen3VL()
