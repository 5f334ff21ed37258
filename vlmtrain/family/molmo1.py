"""Molmo 1, which is refused: its code is not part of transformers, and not made for version 5."""

from __future__ import annotations

import re

MODEL_TYPE = "molmo"
NAME = re.compile(r"(.*/)?molmo(e)?-(1|7|72)b(-[do])?(-0924)?", re.IGNORECASE)
"""Molmo-7B-D-0924, Molmo-7B-O-0924, Molmo-72B-0924 and MolmoE-1B-0924, with or without an owner."""

REASON = (
    "this is Molmo 1: its code comes with the model, and is reported to fail on transformers 5 "
    "(open-compass/VLMEvalKit#1297);"
)
WAY = (
    "take Molmo 2, which transformers has itself: `extends: molmo2-8b`, or `model.base: allenai/Molmo2-8B`. "
    "Molmo 1 is reported to work with transformers 4.46.1 to 4.53, for which vlmtrain is not made"
)


def is_molmo1(name: str) -> bool:
    """Whether a model's name, or a run file's, means Molmo 1."""
    return NAME.fullmatch(name) is not None
