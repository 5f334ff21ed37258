"""Gemini through google-genai: what is sent, what is understood, and what each failure becomes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from tests.vlmdata.description.asking import ASK, FULL, SCHEMA, SETTINGS, fault, replies, reply, settings_for
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.model_server import KEY
from tests.vlmdata.description.servers.script import Act, Script, burst
from vlmdata.description.gemini import open_provider
from vlmdata.description.gemini_messages import contents_of, reply_of
from vlmdata.description.gemini_pictures import WAITING, put_in, standing_in
from vlmdata.description.provider import Fault, Secret, Usage
from vlmdata.errors import ConfigError


def test_an_answer_comes_with_its_end_its_tokens_and_its_model() -> None:
    with GeminiServer() as server:
        found = reply(open_provider, settings_for(server))
    assert found.text.endswith("easy to clean.")
    assert (found.finish, found.reason, found.model) == ("stop", "STOP", "gemini-test-001")
    assert found.usage == Usage(input_tokens=server.tokens["input"], output_tokens=server.tokens["output"])


def test_images_examples_system_and_schema_arrive_as_they_are() -> None:
    with GeminiServer() as server:
        reply(open_provider, settings_for(server, safety={"harassment": "none"}), FULL)
    (seen,) = server.seen
    assert seen.pictures == tuple(hashlib.sha256(picture.data).hexdigest() for picture in FULL.pictures)
    assert (seen.system, seen.prompt, seen.schema) == (FULL.system, FULL.prompt, SCHEMA)
    assert seen.earlier == (("user", "Describe the bowl."), ("model", "A green bowl for soup."))
    assert seen.settings == {
        "temperature": 0.25,
        "maxOutputTokens": 400,
        "candidateCount": 1,
        "thinkingConfig": {"thinkingBudget": 0},
        "responseMimeType": "application/json",
        "safety": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }


def test_a_thinking_budget_that_is_not_given_is_not_sent() -> None:
    with GeminiServer() as server:
        reply(open_provider, settings_for(server, thinking_budget=None))
    assert "thinkingConfig" not in server.seen[0].settings


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
    assert found.usage.input_tokens > 0


def test_an_answer_that_never_comes_is_a_timeout() -> None:
    with GeminiServer(Script(by_number={1: "slow"})) as server:
        assert fault(open_provider, settings_for(server, timeout=0.2)).kind == "timeout"


def test_a_server_that_is_not_there_is_a_connection_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert fault(open_provider, replace(SETTINGS, endpoint=endpoint)).kind == "connection"


def test_the_words_of_a_server_are_quoted_without_the_key() -> None:
    with GeminiServer(Script(by_number={1: "echoed_key"})) as server:
        said = str(fault(open_provider, settings_for(server)))
    assert said.startswith("the provider answered 401 UNAUTHENTICATED: Request had invalid credentials: ***; look")


def test_a_wrong_key_is_named_as_such() -> None:
    with GeminiServer() as server:
        found = fault(open_provider, settings_for(server, key=Secret("AIzaAnotherKey")))
    assert found.kind == "key"
    assert not server.seen


@pytest.mark.parametrize("key", ["two words", "two\nlines", "“quoted”"])
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_sent(key: str) -> None:
    with pytest.raises(ConfigError, match="copy it again") as caught:
        open_provider(replace(SETTINGS, key=Secret(key)))
    assert key not in str(caught.value)


def test_no_other_key_or_endpoint_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "AIzaFromTheEnvironment")
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaFromTheEnvironment")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    with GeminiServer() as server:
        reply(open_provider, settings_for(server))
    assert server.headers[0]["x-goog-api-key"] == KEY


def test_nothing_is_logged_for_a_person_to_see(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "AIzaFromTheEnvironment")
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaFromTheEnvironment")
    with GeminiServer(Script(by_number={2: "server_error"})) as server:
        reply(open_provider, settings_for(server))
        fault(open_provider, settings_for(server))
    assert capfd.readouterr() == ("", "")


def test_many_requests_share_connections_without_a_limit_of_the_sdk() -> None:
    async def run(server: GeminiServer) -> list[str]:
        provider = open_provider(settings_for(server))
        asks = [replace(ASK, prompt=f"Describe mug {number}.") for number in range(200)]
        found = await asyncio.gather(*(provider.ask(ask) for ask in asks))
        await provider.close()
        return [answer.text for answer in found]

    with GeminiServer() as server:
        assert len(set(asyncio.run(run(server)))) == 200
    assert server.paid_twice == 0


def test_the_same_ask_gets_the_same_answer() -> None:
    with GeminiServer() as server:
        first, second = replies(open_provider, settings_for(server), FULL, FULL)
    assert first == second
    assert server.paid_twice == 1


@pytest.mark.parametrize("safety", [{"rudeness": "none"}, {"harassment": "sometimes"}])
def test_unknown_words_of_safety_are_refused_with_the_known_ones(safety: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        open_provider(replace(SETTINGS, safety=safety))


@pytest.mark.parametrize("body", [None, [], "text", {}, {"error": {}}])
def test_a_body_that_is_no_answer_is_a_fault(body: object) -> None:
    with pytest.raises(Fault, match="no answer of Gemini's"):
        reply_of(body, "m")


@pytest.mark.parametrize(
    ("candidate", "finish"),
    [
        ({"content": {"parts": [{"text": "Oh.", "thought": True}, {"text": "A"}]}, "finishReason": "STOP"}, "stop"),
        ({"content": {"parts": [{"text": "   "}]}, "finishReason": "STOP"}, "empty"),
        ({"content": {"parts": [{"text": "Half a"}]}}, "empty"),
        ({"content": {"parts": "odd"}, "finishReason": "STOP"}, "empty"),
        ({"content": {"parts": [{"text": "Half a"}]}, "finishReason": "SOMETHING_NEW"}, "empty"),
        ({"content": {"parts": [{"text": "Copied."}]}, "finishReason": "RECITATION"}, "blocked"),
    ],
)  # fmt: skip
def test_only_an_answer_that_is_known_to_be_whole_counts_as_one(candidate: object, finish: str) -> None:
    found = reply_of({"candidates": [candidate], "usageMetadata": {"thoughtsTokenCount": 7}}, "m")
    assert found.finish == finish
    assert "Thought." not in found.text
    assert found.usage.thinking_tokens == 7


async def body_of(request: httpx2.Request) -> list[Any]:
    """What a request sends, once its pictures are in it."""
    await put_in(request)
    body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
    assert request.headers["Content-Length"] == str(len(body))
    found: list[Any] = json.loads(body)
    return found


def asked(*words: str) -> httpx2.Request:
    return httpx2.Request("POST", "http://localhost/", json=words)


def shown(turns: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The pictures of turns, or the marks that stand for them."""
    return [part["inlineData"]["data"] for turn in turns for part in turn["parts"] if "inlineData" in part]


def test_pictures_go_past_the_sdk_and_what_a_prompt_says_forges_none() -> None:
    turns = contents_of(replace(FULL, examples=(replace(FULL.examples[0], pictures=FULL.pictures),)))
    with standing_in(turns) as marked:
        marks = [b64encode(mark, b"-_").decode() for mark in shown(marked)]
        words = ["x" * len(marks[0]), f"say {marks[0]}"]
        sent = asyncio.run(body_of(asked(*marks, *words)))
    assert [b64decode(text) for text in sent[: len(marks)]] == shown(turns) == [p.data for p in FULL.pictures] * 2
    assert sent[len(marks) :] == words
    assert WAITING.get() is None


def test_a_mark_is_never_sent_for_a_picture() -> None:
    with pytest.raises(RuntimeError, match="in another way"), standing_in(contents_of(FULL)):
        asyncio.run(body_of(asked("no mark")))
    with pytest.raises(RuntimeError, match="did not let a picture"), standing_in(contents_of(FULL)):
        pass
