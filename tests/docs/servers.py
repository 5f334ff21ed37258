"""Servers on this machine that stand in for those a page's commands ask: the commands run as they are written there."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.hub_server import TOKEN, hub_server
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.openai import OpenAIServer

KEY = "..."
"""The pages' own word for a key."""

HOUSE = "http://gpu-box:8000/v1"


def serve(kind: str, page: ExitStack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Start a server for the rest of a page. Addresses of the page that are another one here."""
    if kind == "hub":
        _hub(page, monkeypatch)
        return {}
    if kind == "gemini":
        gemini = page.enter_context(GeminiServer(key=KEY))
        gemini.model = "gemini-2.5-flash"
        monkeypatch.setenv("VLMDATA_DESCRIBE_ENDPOINT", gemini.url)
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        return {}
    assert kind == "openai", f"a server: hub, gemini or openai; found {kind!r}"
    openai = page.enter_context(OpenAIServer(key=""))
    monkeypatch.delenv("VLMDATA_OFFLINE", raising=False)  # as the page says
    openai.model = "Qwen/Qwen2.5-VL-7B-Instruct"
    return {HOUSE: openai.endpoint}


def _hub(page: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    server = page.enter_context(hub_server())
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
