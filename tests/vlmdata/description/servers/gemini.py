"""A server that speaks the Gemini REST API to both of Google's SDKs, the Batch API and its files too."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.vlmdata.description.servers.gemini_jobs import BatchPlan, Jobs
from tests.vlmdata.description.servers.loopback import Answer, Request
from tests.vlmdata.description.servers.model_server import ELSEWHERE, KEY, PAGE, ModelServer, Seen, Written, as_json
from tests.vlmdata.description.servers.script import Act, Script

GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"
REASON = "type.googleapis.com/google.rpc.ErrorInfo"
CODES: dict[Act, int] = {
    "rate_limit": 429,
    "rate_limit_after": 429,
    "rate_limit_detail": 429,
    "daily_quota": 429,
    "server_error": 500,
    "unavailable": 503,
    "gateway_timeout": 504,
    "bad_key": 400,
    "echoed_key": 401,
    "forbidden": 403,
    "no_model": 404,
    "bad_image": 400,
}


class GeminiServer(ModelServer):
    """`POST /{version}/models/{model}:generateContent`, and what the Batch API needs (see gemini_jobs.py)."""

    model = "gemini-test"

    def __init__(
        self, script: Script | None = None, *, key: str = KEY, keep: bool = True, batch: BatchPlan | None = None
    ) -> None:
        super().__init__(script, key=key, keep=keep)
        self.jobs = Jobs(batch or BatchPlan(), self._batch_line)
        self.open_files: Mapping[str, bytes] = {}
        """Files that are given to everybody, without a key."""

    def respond(self, request: Request) -> Answer:
        """One request of any kind."""
        if self.open_files:
            self.headers.append(request.headers)
            return Answer(body=self.open_files[f"files/{request.path.rpartition('/')[2].partition(':')[0]}"])
        if request.headers.get("x-goog-api-key") != self.key and "/upload/" not in request.path:
            return self._error("bad_key")
        name = request.path.rpartition("/")[2]
        if name.endswith(":generateContent"):
            return self._generated(request, name.partition(":")[0])
        return self.jobs.respond(request, self.url)

    def _generated(self, request: Request, model: str) -> Answer:
        seen = self.understood(model, json.loads(request.body))
        act = self.noticed(seen, request) if model == self.model else "no_model"
        if act == "not_json":
            return PAGE
        if act == "odd_json":
            return as_json(["no", "answer"])
        if act == "elsewhere":
            return ELSEWHERE
        if act in CODES:
            return self._error(act)
        written = self.write(seen, act)
        body = _answer(written, self.model)
        half = len(json.dumps(body)) // 2
        return as_json(body, sent=half if act == "reset" else None, late=act == "slow")

    def understood(self, model: str, body: Mapping[str, Any]) -> Seen:
        """A request's meaning, whichever SDK wrote it."""
        system = "".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", [])) or None
        *earlier, last = body["contents"]
        settings = _camel(body.get("generationConfig", {}))
        schema = settings.pop("responseJsonSchema", None) or settings.pop("responseSchema", None)
        return Seen(
            model=model,
            system=system,
            prompt=_text(last),
            pictures=tuple(
                self.picture(_bytes(part["inlineData"]["data"])) for part in last["parts"] if "inlineData" in part
            ),
            earlier=tuple((turn["role"], _text(turn)) for turn in earlier),
            schema=schema,
            settings=settings | {"safety": body.get("safetySettings", [])},
        )

    def _error(self, act: Act) -> Answer:
        code = CODES[act]
        headers = {"Retry-After": "3"} if act == "rate_limit_after" else {}
        return as_json({"error": self._words(act)}, status=code, **headers)

    def _words(self, act: Act) -> dict[str, Any]:
        code = CODES[act]
        error: dict[str, Any] = {"code": code, "message": f"The server says {act}.", "status": STATUS[code]}
        if act == "rate_limit_detail":
            error["details"] = [{"@type": RETRY, "retryDelay": "2.5s"}]
        elif act == "daily_quota":
            violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
            error["details"] = [{"@type": QUOTA, "violations": [violation]}, {"@type": RETRY, "retryDelay": "36s"}]
        elif act == "bad_key":
            error["message"] = "API key not valid. Please pass a valid API key."
            error["details"] = [{"@type": REASON, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
        elif act == "echoed_key":
            error["message"] = f"Request had invalid credentials: {self.key}"
        return error

    def _batch_line(self, model: str, line: Mapping[str, Any], request: Request) -> dict[str, Any]:
        """A line of a job's answer, in the form of the Batch API's results file."""
        seen = self.understood(model, line["request"])
        act = self.noticed(seen, request)
        if act in CODES:
            words = self._words(act)
            return {"key": line["key"], "error": words | {"code": GRPC[words["code"]]}}
        return {"key": line["key"], "response": _answer(self.write(seen, act), self.model)}


def _answer(written: Written, model: str) -> dict[str, Any]:
    """A GenerateContentResponse."""
    usage = {
        "promptTokenCount": written.input_tokens,
        "candidatesTokenCount": written.output_tokens,
        "totalTokenCount": written.input_tokens + written.output_tokens,
    }
    whole = {"usageMetadata": usage, "modelVersion": f"{model}-001"}
    if written.act == "blocked_prompt":
        return whole | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if written.act == "empty":
        return whole | {"candidates": [{"finishReason": "STOP", "index": 0}]}
    if written.act == "blocked_answer":
        return whole | {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    reason = "MAX_TOKENS" if written.act == "cut" else "STOP"
    content = {"role": "model", "parts": [{"text": written.text}]}
    return whole | {"candidates": [{"content": content, "finishReason": reason, "index": 0}]}


def _text(turn: Mapping[str, Any]) -> str:
    return "".join(part.get("text", "") for part in turn["parts"])


def _camel(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the names in camel case, as protobuf reads both ways of writing them; a schema stays as it is."""
    named = {re.sub("_([a-z])", lambda found: found[1].upper(), name): value for name, value in settings.items()}
    return {name: _camel(value) if name == "thinkingConfig" else value for name, value in named.items()}


def _bytes(text: str) -> bytes:
    """Bytes of JSON, in either alphabet of base64, as protobuf reads them."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"))
