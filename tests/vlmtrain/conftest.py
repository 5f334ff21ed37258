"""What the tests of training and evaluation share: tiny models, and a small dataset on disk."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hub_fixtures import hub  # noqa: F401  (a fixture)
from tests.vlmtrain.small_data import product_rows, save_dataset

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection to another machine is an error of the test."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            raise AssertionError(f"a connection to {address} was tried")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of a family: `tiny("qwen2_vl")`. Made once."""
    from tests.vlmtrain import tiny_models

    folder = tmp_path_factory.mktemp("models")
    made: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in made:
            made[family] = tiny_models.make(family, folder)
        return made[family]

    return get


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 16 training, 4 validation and 6 test rows, one picture each."""
    rows = product_rows(26)
    splits = {"train": rows[:16], "validation": rows[16:20], "test": rows[20:]}
    return save_dataset(tmp_path_factory.mktemp("data") / "shop", splits)
