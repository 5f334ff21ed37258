"""The stand-in of the Hub as a fixture: this process' huggingface_hub takes it for the Hub, with a token."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import TOKEN, Hub, hub_server


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server that huggingface_hub takes for the Hub."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    with hub_server() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def hub_environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    """The environment of another process that takes the stand-in for the Hub."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **more,
    }
