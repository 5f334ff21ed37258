"""Tiny random models of each family, made in a folder without the Hub. Widths are multiples of 64, for nf4 blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.vlmtrain.tiny import gemma3, idefics3, internvl, llava, mllama, molmo2, pixtral, qwen
from tests.vlmtrain.tiny.pixtral import PIXTRAL_TEMPLATE
from tests.vlmtrain.tiny.qwen import QWEN_TEMPLATE

__all__ = ["GENERAL_MAKERS", "MAKERS", "PIXTRAL_TEMPLATE", "QWEN_TEMPLATE", "make"]

MAKERS: dict[str, Callable[[Path], None]] = {
    "qwen2_vl": qwen.make_qwen2_vl,
    "qwen2_5_vl": qwen.make_qwen2_5_vl,
    "qwen3_vl": qwen.make_qwen3_vl,
    "gemma3": gemma3.make,
    "mllama": mllama.make,
    "pixtral": pixtral.make_pixtral,
    "mistral3": pixtral.make_mistral3,
    "molmo2": molmo2.make,
    "idefics3": idefics3.make_idefics3,
    "smolvlm": idefics3.make_smolvlm,
}
"""The ten families that have a file of their own."""

GENERAL_MAKERS: dict[str, Callable[[Path], None]] = {
    "llava": llava.make_llava,
    "llava_next": llava.make_llava_next,
    "internvl": internvl.make,
}
"""Models of the general family."""


def make(family: str, folder: Path) -> Path:
    """Weights, processor and tokenizer of a tiny random model of the family, in a folder of its name."""
    import torch

    torch.manual_seed(1)
    made = folder / family
    (MAKERS | GENERAL_MAKERS)[family](made)
    return made
