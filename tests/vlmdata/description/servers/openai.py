"""A server that speaks OpenAI's chat completions, as vLLM, Ollama, LM Studio and OpenRouter do."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.vlmdata.description.servers.loopback import Answer, Request
from tests.vlmdata.description.servers.model_server import ELSEWHERE, PAGE, ModelServer, Seen, Written, as_json
from tests.vlmdata.description.servers.script import Act

CODES: dict[Act, int] = {
    "rate_limit": 429,
    "rate_limit_after": 429,
    "rate_limit_detail": 429,
    "daily_quota": 429,
    "server_error": 500,
    "unavailable": 503,
    "gateway_timeout": 504,
    "bad_key": 401,
    "echoed_key": 401,
    "forbidden": 403,
    "no_model": 404,
    "bad_image": 400,
    "blocked_prompt": 400,
}
WORDS: dict[Act, str] = {"daily_quota": "insufficient_quota", "bad_key": "invalid_api_key"}
HEADERS: dict[Act, dict[str, str]] = {
    "rate_limit_after": {"retry_after": "3"},
    "rate_limit_detail": {"retry_after_ms": "2500"},
}


class OpenAIServer(ModelServer):
    """`POST /v1/chat/completions`."""

    model = "llava-test"

    @property
    def endpoint(self) -> str:
        return f"{self.url}/v1"

    def respond(self, request: Request) -> Answer:
        """One request."""
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return self._error("bad_key")
        body = json.loads(request.body)
        seen = self._understood(body)
        act = self.noticed(seen, request) if seen.model == self.model else "no_model"
        if act == "not_json":
            return PAGE
        if act == "odd_json":
            return as_json({"choices": "none"})
        if act == "elsewhere":
            return ELSEWHERE
        if act in CODES:
            return self._error(act)
        answer = _answer(self.write(seen, act), seen.model)
        half = len(json.dumps(answer)) // 2
        return as_json(answer, sent=half if act == "reset" else None, late=act == "slow")

    def _understood(self, body: Mapping[str, Any]) -> Seen:
        messages = list(body["messages"])
        system = messages.pop(0)["content"] if messages[0]["role"] == "system" else None
        *earlier, last = messages
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        return Seen(
            model=body["model"],
            system=system,
            prompt=_text(last["content"]),
            pictures=tuple(self.picture(_bytes(part)) for part in last["content"] if part["type"] == "image_url"),
            earlier=tuple((turn["role"], _text(turn["content"])) for turn in earlier),
            schema=schema,
            settings={name: value for name, value in body.items() if name not in {"messages", "model"}},
        )

    def _error(self, act: Act) -> Answer:
        error: dict[str, Any] = {"message": f"The server says {act}.", "type": "error", "code": WORDS.get(act)}
        if act == "bad_key":
            error["message"] = f"Incorrect API key provided: {self.key[:8]}*******{self.key[-4:]}."
        elif act == "echoed_key":
            error["message"] = f"Incorrect API key provided: {self.key}"
        elif act == "blocked_prompt":
            error["code"] = "content_policy_violation"
        return as_json({"error": error}, status=CODES[act], **HEADERS.get(act, {}))


def _answer(written: Written, model: str) -> dict[str, Any]:
    """A chat completion."""
    reason = {"cut": "length", "blocked_answer": "content_filter"}.get(written.act, "stop")
    message = {"role": "assistant", "content": written.text}
    usage = {
        "prompt_tokens": written.input_tokens,
        "completion_tokens": written.output_tokens,
        "total_tokens": written.input_tokens + written.output_tokens,
    }
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": choices, "usage": usage}


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _bytes(part: Mapping[str, Any]) -> bytes:
    head, _, data = part["image_url"]["url"].partition(",")
    assert head.startswith("data:image/")
    assert head.endswith(";base64")
    return base64.b64decode(data)
