"""How the tests of the providers ask: one request, or one that fails, through the real SDK."""

from __future__ import annotations

import asyncio
import io
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from tests.vlmdata.description.servers.model_server import KEY
from vlmdata.description.provider import Ask, Example, Fault, Picture, Provider, ProviderSettings, Reply, Secret


def drawn(colour: str) -> Picture:
    """A small image of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(file, "PNG")
    return Picture(data=file.getvalue(), mime="image/png")


RED, BLUE, GREEN = drawn("red"), drawn("blue"), drawn("green")
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ASK = Ask(key="k1", system=None, prompt="Describe the red mug.", pictures=(RED,))
FULL = Ask(
    key="full",
    system="You write for a shop.",
    prompt="Describe the vase.",
    pictures=(RED, BLUE),
    examples=(Example(prompt="Describe the bowl.", pictures=(GREEN,), answer="A green bowl for soup."),),
    schema=SCHEMA,
)
SETTINGS = ProviderSettings(
    model="gemini-test",
    key=Secret(KEY),
    endpoint=None,
    timeout=5.0,
    temperature=0.25,
    max_output_tokens=400,
    thinking_budget=0,
    safety={},
)
Opener = Callable[[ProviderSettings], Provider]


def settings_for(server: Any, **changes: Any) -> ProviderSettings:
    """Settings for a server under way."""
    endpoint = getattr(server, "endpoint", server.url)
    return replace(SETTINGS, endpoint=endpoint, model=server.model, **changes)


def replies(open_provider: Opener, settings: ProviderSettings, *asks: Ask) -> list[Reply]:
    """The answers to some asks, one after the other."""

    async def run() -> list[Reply]:
        provider = open_provider(settings)
        try:
            return [await provider.ask(ask) for ask in asks]
        finally:
            await provider.close()

    return asyncio.run(run())


def reply(open_provider: Opener, settings: ProviderSettings, ask: Ask = ASK) -> Reply:
    """The answer to one ask."""
    return replies(open_provider, settings, ask)[0]


def fault(open_provider: Opener, settings: ProviderSettings, ask: Ask = ASK) -> Fault:
    """The fault of an ask that fails, once it is certain that no traceback of it tells the key."""
    with pytest.raises(Fault) as caught:
        reply(open_provider, settings, ask)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert settings.key.reveal() not in "".join(told.format()) + repr(vars(caught.value))
    return caught.value
