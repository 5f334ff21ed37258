"""What the tests of plug-ins share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extending.outside import EXAMPLE, imported_from


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python imports from."""
    folder = tmp_path / "outside"
    folder.mkdir()
    with imported_from(folder, monkeypatch):
        yield folder


@pytest.fixture
def shop_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example package of samples/extending, as if it were installed."""
    with imported_from(EXAMPLE, monkeypatch):
        yield EXAMPLE
