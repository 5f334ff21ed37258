"""What all providers have in common: opened by name, missing with their install command, firm against odd answers."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.vlmdata.description.asking import ASK, SETTINGS, Opener, fault, reply, settings_for
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.loopback import Answer, Request
from tests.vlmdata.description.servers.model_server import ModelServer
from tests.vlmdata.description.servers.openai import OpenAIServer
from vlmdata.description import gemini, gemini_legacy, openai_compatible
from vlmdata.description.provider import BUILT_IN, Fault, Provider, ProviderSettings, open_provider
from vlmdata.errors import MissingPackageError

PROVIDERS = [
    (gemini.open_provider, GeminiServer),
    (gemini_legacy.open_provider, GeminiServer),
    (openai_compatible.open_provider, OpenAIServer),
]
BODIES = [
    b"",
    b"null",
    b"{}",
    b"[]",
    b'"text"',
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"candidates": 5, "choices": 5}',
    b'{"candidates": [5], "choices": [5]}',
    b'{"candidates": [{"content": {"parts": [5, null]}}], "choices": [{"message": 5}]}',
]


@pytest.mark.parametrize(
    ("name", "module", "command"),
    [
        ("gemini", "google.genai", "pip install 'vlmdata[gemini]'"),
        ("gemini_legacy", "google.generativeai", "pip install 'vlmdata[gemini-legacy]'"),
        ("openai_compatible", "openai", "pip install 'vlmdata[openai]'"),
    ],
)
def test_a_missing_sdk_is_named_with_the_command_that_installs_it(
    name: str, module: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError) as caught:
        open_provider(name, SETTINGS)
    assert str(caught.value).endswith(command)
    assert "\n" not in str(caught.value)


def test_every_provider_of_the_list_opens_by_its_name(tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "a", "text": "Text."}\n', encoding="utf-8")
    for name in BUILT_IN:
        assert callable(open_provider(name, replace(SETTINGS, path=path)).ask)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize(("opener", "kind"), PROVIDERS, ids=["gemini", "gemini_legacy", "openai_compatible"])
def test_an_answer_of_any_shape_is_a_reply_or_a_fault_and_no_other_exception(
    opener: Opener, kind: type[ModelServer], body: bytes
) -> None:
    class Odd(kind):  # type: ignore[misc,valid-type]
        def respond(self, _: Request) -> Answer:
            return Answer(body=body, headers={"content-type": "application/json"})

    with Odd() as server:
        assert ended(opener, settings_for(server)) in {"server", "invalid", "empty"}


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize(("opener", "kind"), PROVIDERS, ids=["gemini", "gemini_legacy", "openai_compatible"])
def test_a_refusal_of_any_shape_keeps_the_meaning_of_its_status(
    opener: Opener, kind: type[ModelServer], body: bytes, status: int
) -> None:
    class Odd(kind):  # type: ignore[misc,valid-type]
        def respond(self, _: Request) -> Answer:
            return Answer(status=status, body=body, headers={"content-type": "application/json"})

    with Odd() as server:
        found = fault(opener, settings_for(server))
    assert found.kind == {400: "invalid", 429: "rate_limit", 500: "server"}[status]


def ended(opener: Opener, settings: ProviderSettings) -> str:
    """How an ask ends."""
    try:
        return reply(opener, settings, ASK).finish
    except Fault as found:
        return found.kind


def test_a_provider_is_what_the_runner_expects() -> None:
    provider: Provider = gemini.open_provider(SETTINGS)
    for name in ("ask", "close", "submit", "find", "state", "results", "cancel"):
        assert callable(getattr(provider, name))
