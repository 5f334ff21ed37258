"""SmolVLM: as Idefics3, in a smaller size. Its processor needs the package num2words."""

from __future__ import annotations

from dataclasses import dataclass

from vlmtrain.family.idefics3 import Idefics3


@dataclass(frozen=True, slots=True, kw_only=True)
class SmolVLM(Idefics3):
    """The tokens, module names and pixel bounds of Idefics3."""

    name: str = "SmolVLM"


FAMILY = SmolVLM()
