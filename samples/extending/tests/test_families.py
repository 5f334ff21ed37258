"""The family holds for a processor of the model that it is for."""

from __future__ import annotations

import os

import pytest
from shop_plugins.families import FAMILY

from vlmtrain.testing import conforms_family

MODEL = os.environ.get("INTERNVL", "")


@pytest.mark.skipif(not MODEL, reason="INTERNVL names no folder with a model's processor")
def test_the_family_conforms() -> None:
    from transformers import AutoProcessor

    conforms_family(FAMILY, AutoProcessor.from_pretrained(MODEL))
