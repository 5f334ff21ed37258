"""What the tests of vlmdata share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hub_fixtures import hub  # noqa: F401  (a fixture)
from tests.vlmdata.shop import Shop

settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("steady")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop without products yet."""
    return Shop(tmp_path / "shop")
