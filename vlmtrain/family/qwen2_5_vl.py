"""Qwen2.5-VL: as Qwen2-VL, with a tower that attends in windows."""

from __future__ import annotations

from dataclasses import dataclass

from vlmtrain.family.qwen2_vl import Qwen2VL


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen25VL(Qwen2VL):
    """The same tokens, module names and pixel bounds as Qwen2-VL."""

    name: str = "Qwen2.5-VL"


FAMILY = Qwen25VL()
