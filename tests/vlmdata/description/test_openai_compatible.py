"""Servers that speak OpenAI's chat completions, through the openai SDK."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import replace

import pytest

from tests.vlmdata.description.asking import ASK, FULL, SCHEMA, SETTINGS, fault, replies, reply, settings_for
from tests.vlmdata.description.servers.openai import OpenAIServer
from tests.vlmdata.description.servers.script import Act, Script, burst
from vlmdata.description.openai_compatible import open_provider, outcome_of, request_of
from vlmdata.description.provider import Fault, Reply, Secret, Usage


def test_an_answer_comes_with_its_end_its_tokens_and_its_model() -> None:
    with OpenAIServer() as server:
        found = reply(open_provider, settings_for(server))
    assert found.text.endswith("easy to clean.")
    assert (found.finish, found.reason, found.model) == ("stop", "stop", "llava-test")
    assert found.usage == Usage(input_tokens=server.tokens["input"], output_tokens=server.tokens["output"])


def test_images_examples_system_and_schema_arrive_as_they_are() -> None:
    with OpenAIServer() as server:
        reply(open_provider, settings_for(server), FULL)
    (seen,) = server.seen
    assert seen.pictures == tuple(hashlib.sha256(picture.data).hexdigest() for picture in FULL.pictures)
    assert (seen.system, seen.prompt, seen.schema) == (FULL.system, FULL.prompt, SCHEMA)
    assert seen.earlier == (("user", "Describe the bowl."), ("assistant", "A green bowl for soup."))
    assert (seen.settings["temperature"], seen.settings["max_tokens"]) == (0.25, 400)


@pytest.mark.parametrize(
    ("act", "kind", "wait"),
    [
        ("rate_limit", "rate_limit", None),
        ("rate_limit_after", "rate_limit", 3.0),
        ("rate_limit_detail", "rate_limit", 2.5),
        ("daily_quota", "quota", None),
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
    with OpenAIServer(Script(by_number=burst(1, 9, act))) as server:
        found = fault(open_provider, settings_for(server))
    assert (found.kind, found.retry_after) == (kind, wait)
    assert server.number == 1


@pytest.mark.parametrize(
    ("act", "finish", "reason"),
    [
        ("blocked_prompt", "blocked", "content_policy_violation"),
        ("blocked_answer", "blocked", "content_filter"),
        ("cut", "length", "length"),
        ("empty", "empty", "stop"),
    ],
)
def test_an_answer_that_is_no_whole_text_says_so(act: Act, finish: str, reason: str) -> None:
    with OpenAIServer(Script(by_number={1: act})) as server:
        found = reply(open_provider, settings_for(server))
    assert (found.finish, found.reason) == (finish, reason)


def test_an_answer_that_never_comes_is_a_timeout() -> None:
    with OpenAIServer(Script(by_number={1: "slow"})) as server:
        assert fault(open_provider, settings_for(server, timeout=0.2)).kind == "timeout"


def test_a_server_that_is_not_there_is_a_connection_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        assert fault(open_provider, replace(SETTINGS, endpoint=endpoint)).kind == "connection"


def test_a_key_that_a_server_masks_is_not_quoted_either() -> None:
    with OpenAIServer(Script(by_number={1: "bad_key"})) as server:
        said = str(fault(open_provider, settings_for(server)))
    assert said.startswith("the provider answered 401 invalid_api_key: Incorrect API key provided: ***")
    assert server.key[-4:] not in said


def test_a_server_of_ones_own_needs_no_key() -> None:
    with OpenAIServer(key="") as server:
        assert reply(open_provider, settings_for(server, key=Secret(""))).finish == "stop"
    assert server.headers[0]["authorization"] == "Bearer none"


def test_no_other_key_or_endpoint_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with OpenAIServer() as server:
        reply(open_provider, settings_for(server))
    assert server.headers[0]["authorization"] == f"Bearer {server.key}"


def test_the_same_ask_gets_the_same_answer() -> None:
    with OpenAIServer() as server:
        first, second = replies(open_provider, settings_for(server), FULL, FULL)
    assert first == second


def test_only_openai_itself_is_told_the_limit_of_tokens_in_its_newer_words() -> None:
    assert "max_completion_tokens" in request_of(ASK, SETTINGS)
    assert "max_tokens" in request_of(ASK, replace(SETTINGS, endpoint="http://127.0.0.1/v1"))


def test_a_closed_schema_is_asked_for_strictly() -> None:
    closed = replace(FULL, schema={**SCHEMA, "additionalProperties": False})
    assert request_of(closed, SETTINGS)["response_format"]["json_schema"]["strict"] is True
    assert request_of(FULL, SETTINGS)["response_format"]["json_schema"]["strict"] is False


def test_reasoning_is_counted_beside_the_output() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 50,
        "completion_tokens_details": {"reasoning_tokens": 30},
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    choice = {"message": {"content": "Text."}, "finish_reason": "stop"}
    found = outcome_of({"choices": [choice], "usage": usage}, SETTINGS)
    assert isinstance(found, Reply)
    assert found.usage == Usage(input_tokens=10, output_tokens=20, cached_tokens=4, thinking_tokens=30)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 429, "message": "upstream"}}, "rate_limit"),
        ({"error": {"code": 502, "message": "upstream"}}, "server"),
        ({"choices": [{"error": {"code": 402, "message": "no credits"}}]}, "quota"),
        ({"choices": []}, "server"),
        ([], "server"),
        (None, "server"),
    ],
)
def test_an_error_inside_an_answer_is_a_fault(body: object, kind: str) -> None:
    found = outcome_of(body, SETTINGS)
    assert isinstance(found, Fault)
    assert found.kind == kind


@pytest.mark.parametrize(
    ("choice", "finish"),
    [
        ({"message": {"refusal": "I can't."}, "finish_reason": "stop"}, "blocked"),
        ({"message": {"content": None}, "finish_reason": "stop"}, "empty"),
        ({"message": {"content": "Half"}, "finish_reason": "tool_calls"}, "empty"),
        ({"message": {"content": "Half"}}, "empty"),
    ],
)
def test_only_an_answer_that_is_known_to_be_whole_counts_as_one(choice: object, finish: str) -> None:
    found = outcome_of({"choices": [choice]}, SETTINGS)
    assert isinstance(found, Reply)
    assert found.finish == finish
