"""Gemini through google-generativeai, whose support has ended."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from dataclasses import replace

import pytest

from tests.vlmdata.description.asking import ASK, FULL, SETTINGS, fault, replies, reply, settings_for
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.script import Act, Script, burst
from vlmdata.description.gemini import open_provider as open_newer
from vlmdata.description.gemini_legacy import open_provider, schema_of
from vlmdata.description.provider import Secret, Usage
from vlmdata.errors import ConfigError


def test_it_asks_what_the_newer_sdk_asks_and_is_answered_the_same() -> None:
    ask = replace(FULL, schema=None)
    with GeminiServer() as server:
        found = reply(open_provider, settings_for(server, thinking_budget=None, safety={"harassment": "none"}), ask)
        newer = reply(open_newer, settings_for(server, thinking_budget=None, safety={"harassment": "none"}), ask)
    older, other = server.seen
    numbered = [{"category": 7, "threshold": 4}]  # the numbers of HARASSMENT and BLOCK_NONE
    assert older == replace(other, settings={**other.settings, "safety": numbered})
    assert found == replace(newer, model=server.model)


def test_images_and_tokens_are_counted() -> None:
    with GeminiServer() as server:
        found = reply(open_provider, settings_for(server), FULL)
    assert server.seen[0].pictures == tuple(hashlib.sha256(picture.data).hexdigest() for picture in FULL.pictures)
    assert found.usage == Usage(input_tokens=server.tokens["input"], output_tokens=server.tokens["output"])


def test_a_schema_is_sent_as_far_as_the_sdk_knows_it() -> None:
    part = {"type": ["string", "null"], "minLength": 3, "title": "Text"}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {"text": part, "marks": {"type": "array", "items": part}},
        "required": ["text"],
    }
    nullable = {"type": "string", "nullable": True}
    known = {"text": nullable, "marks": {"type": "array", "items": nullable}}
    assert schema_of(schema) == {"type": "object", "properties": known, "required": ["text"]}
    with GeminiServer() as server:
        reply(open_provider, settings_for(server), replace(FULL, schema=schema))
    sent = server.seen[0].schema
    assert sent is not None
    assert set(sent["properties"]) == {"text", "marks"}
    assert server.seen[0].settings["responseMimeType"] == "application/json"


@pytest.mark.parametrize(
    ("act", "kind", "wait"),
    [
        ("rate_limit", "rate_limit", None),
        ("rate_limit_after", "rate_limit", 3.0),
        ("rate_limit_detail", "rate_limit", 2.5),
        ("daily_quota", "quota", 36.0),
        ("server_error", "server", None),
        ("unavailable", "server", None),
        ("gateway_timeout", "timeout", None),
        ("reset", "connection", None),
        ("not_json", "server", None),
        ("odd_json", "server", None),
        ("bad_key", "key", None),
        ("echoed_key", "key", None),
        ("forbidden", "key", None),
        ("no_model", "model", None),
        ("bad_image", "invalid", None),
        ("elsewhere", "model", None),
    ],
)
def test_each_failure_becomes_a_fault_and_is_sent_once(act: Act, kind: str, wait: float | None) -> None:
    with GeminiServer(Script(by_number=burst(1, 9, act))) as server:
        found = fault(open_provider, settings_for(server))
    assert (found.kind, found.retry_after) == (kind, wait)
    assert server.number == 1


def test_a_key_that_the_server_repeats_is_not_quoted() -> None:
    with GeminiServer(Script(by_number=burst(1, 9, "echoed_key"))) as server:
        assert "***" in str(fault(open_provider, settings_for(server)))


@pytest.mark.parametrize(
    ("act", "finish", "reason"),
    [
        ("blocked_prompt", "blocked", "PROHIBITED_CONTENT"),
        ("blocked_answer", "blocked", "SAFETY"),
        ("cut", "length", "MAX_TOKENS"),
        ("empty", "empty", "STOP"),
    ],
)
def test_an_answer_that_is_no_whole_text_says_so(act: Act, finish: str, reason: str) -> None:
    with GeminiServer(Script(by_number={1: act})) as server:
        found = reply(open_provider, settings_for(server))
    assert (found.finish, found.reason) == (finish, reason)


def test_an_answer_that_never_comes_is_a_timeout() -> None:
    with GeminiServer(Script(by_number={1: "slow"})) as server:
        assert fault(open_provider, settings_for(server, timeout=0.2)).kind == "timeout"


def test_a_server_that_is_not_there_is_a_connection_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert fault(open_provider, replace(SETTINGS, endpoint=endpoint)).kind == "connection"


def test_a_wrong_key_is_named_as_such() -> None:
    with GeminiServer() as server:
        assert fault(open_provider, settings_for(server, key=Secret("AIzaAnotherKey"))).kind == "key"


@pytest.mark.parametrize("safety", [{"harassment": "off"}, {"civic_integrity": "none"}])
def test_words_of_safety_that_the_sdk_does_not_know_are_refused_before_anything_is_sent(safety: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is not known to this provider"):
        open_provider(replace(SETTINGS, safety=safety))


def test_nothing_is_printed_or_warned_of_by_the_sdk(capfd: pytest.CaptureFixture[str]) -> None:
    async def run(server: GeminiServer) -> int:
        provider = open_provider(settings_for(server))
        asks = [replace(ASK, prompt=f"Describe mug {number}.") for number in range(40)]
        found = await asyncio.gather(*(provider.ask(ask) for ask in asks))
        await provider.close()
        return len({answer.text for answer in found})

    with GeminiServer() as server:
        assert asyncio.run(run(server)) == 40
    assert capfd.readouterr() == ("", "")


def test_the_same_ask_gets_the_same_answer() -> None:
    with GeminiServer() as server:
        first, second = replies(open_provider, settings_for(server), ASK, ASK)
    assert first == second
