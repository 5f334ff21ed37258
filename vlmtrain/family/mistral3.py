"""Mistral 3: Pixtral's tower and processor, with two by two patches merged into one token."""

from __future__ import annotations

from dataclasses import dataclass

from vlmtrain.family.pixtral import Pixtral


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistral3(Pixtral):
    """As Pixtral; how many patches make a token stands in its processor."""

    name: str = "Mistral 3"


FAMILY = Mistral3()
