"""How a training differs from the library's, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vlmtrain.config import Part
from vlmtrain.order import RowShapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How this trainer differs from TRL's: the order of rows, learning rates by parameter, what a checkpoint says.

    `part_of` tells a parameter's part by its name; `identity` is what must be the same when training goes on.
    """

    shapes: RowShapes
    validation_shapes: RowShapes | None
    group_by_length: bool
    part_of: Callable[[str], Part | None]
    learning_rates: Mapping[Part, float]
    keep_checkpoints: int
    identity: Mapping[str, Any]
