"""Descriptions by any server that speaks OpenAI's chat completions: vLLM, Ollama, LM Studio, OpenRouter, OpenAI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlmdata.description.encoded import b64encode
from vlmdata.description.provider import (
    IDLE_CONNECTIONS,
    Ask,
    Fault,
    FaultKind,
    Finish,
    Picture,
    ProviderSettings,
    Reply,
    Secret,
    Usage,
)
from vlmdata.description.refusal import Refusal, key_of, retry_after, unreachable
from vlmdata.errors import MissingPackageError

if TYPE_CHECKING:
    import openai

NO_KEY = "none"
"""What is sent to a server of one's own that asks for no key: the SDK insists on one."""

FINISHES: Mapping[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "blocked"}
QUOTAS = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
FILTERS = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})


def open_provider(settings: ProviderSettings) -> OpenAICompatible:
    """The provider `openai_compatible`. Raises MissingPackageError."""
    try:
        import openai
    except ImportError:
        raise MissingPackageError(
            "the provider 'openai_compatible' needs openai: pip install 'vlmdata[openai]'"
        ) from None
    return OpenAICompatible(settings, expected=(openai.OpenAIError, OSError, ValueError, RecursionError))


class OpenAICompatible:
    """Asks through the SDK's asynchronous client, which is told to repeat nothing and to follow no redirect."""

    def __init__(self, settings: ProviderSettings, *, expected: tuple[type[Exception], ...]) -> None:
        self._settings = settings
        self._expected = expected
        self._client = _client(settings)

    async def ask(self, ask: Ask) -> Reply:
        """One request."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                raw = await self._client.chat.completions.with_raw_response.create(**request_of(ask, self._settings))
            body = json.loads(raw.http_response.content)
        except self._expected as error:
            found = _outcome_of(error, self._settings)
        else:
            found = outcome_of(body, self._settings)
        if isinstance(found, Fault):
            raise found  # outside of `except`: what the SDK raised holds the request, and the request holds the key
        return found

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def _client(settings: ProviderSettings) -> openai.AsyncOpenAI:
    import httpx2
    import openai

    return openai.AsyncOpenAI(
        api_key=key_of(settings.key) or NO_KEY,
        base_url=settings.endpoint,
        max_retries=0,
        timeout=settings.timeout,
        http_client=httpx2.AsyncClient(
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
            timeout=None,
        ),
    )


def request_of(ask: Ask, settings: ProviderSettings) -> dict[str, Any]:
    """The arguments of the SDK's call. Compatible servers know `max_tokens`; OpenAI's own newer models refuse it."""
    messages: list[dict[str, Any]] = [] if ask.system is None else [{"role": "system", "content": ask.system}]
    for example in ask.examples:
        messages.append({"role": "user", "content": _parts(example.pictures, example.prompt)})
        messages.append({"role": "assistant", "content": example.answer})
    messages.append({"role": "user", "content": _parts(ask.pictures, ask.prompt)})
    limit = "max_tokens" if settings.endpoint else "max_completion_tokens"
    request = {
        "model": settings.model,
        "messages": messages,
        "temperature": settings.temperature,
        limit: settings.max_output_tokens,
    }
    if ask.schema is not None:
        # OpenAI refuses `strict` for a schema that leaves other keys open.
        strict = ask.schema.get("additionalProperties") is False
        form = {"name": "answer", "schema": dict(ask.schema), "strict": strict}
        request["response_format"] = {"type": "json_schema", "json_schema": form}
    return request


def _parts(pictures: tuple[Picture, ...], prompt: str) -> list[dict[str, Any]]:
    urls = [f"data:{picture.mime};base64,{b64encode(picture.data).decode()}" for picture in pictures]
    return [*({"type": "image_url", "image_url": {"url": url}} for url in urls), {"type": "text", "text": prompt}]


def outcome_of(body: Any, settings: ProviderSettings) -> Reply | Fault:
    """What a chat completion says. A gateway such as OpenRouter may put an error into an answer with status 200."""
    whole = _mapping(body)
    choice = _first(whole.get("choices"))
    error = _mapping(whole.get("error")) or _mapping(choice.get("error"))
    if error:
        code = error.get("code")
        return _refused(code if isinstance(code, int) else 500, error, {}, settings.key)
    if not choice:
        return Fault("server", "the provider answered with something that is no chat completion")
    message = _mapping(choice.get("message"))
    reason = str(choice.get("finish_reason") or "")
    text = message.get("content")
    text = text if isinstance(text, str) else ""
    finish = FINISHES.get(reason, "empty")
    if message.get("refusal"):
        finish, reason = "blocked", "refusal"
    elif finish == "stop" and not text.strip():
        finish = "empty"
    model = str(whole.get("model") or settings.model)
    return Reply(text=text, finish=finish, usage=_usage(_mapping(whole.get("usage"))), model=model, reason=reason)


def _outcome_of(error: Exception, settings: ProviderSettings) -> Reply | Fault:
    """What an exception of the SDK stands for: a fault, or an answer that was blocked."""
    import openai

    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Fault("timeout", "the provider did not answer in time")
    if isinstance(error, openai.APIStatusError):
        said = _mapping(error.body)
        details = _mapping(said.get("error")) or said or {"message": error.message}
        if _is_filtered(details):
            return Reply(text="", finish="blocked", usage=Usage(), model=settings.model, reason=str(details["code"]))
        return _refused(error.status_code, details, error.response.headers, settings.key)
    if isinstance(error, openai.OpenAIError | OSError):
        return unreachable(error, settings.key)
    return Fault("server", "the provider answered with something that is no JSON")


def _is_filtered(error: Mapping[str, Any]) -> bool:
    """Whether a filter of content refused the request; OpenRouter says so with the reasons, as status 403."""
    return error.get("code") in FILTERS or (error.get("code") == 403 and "reasons" in _mapping(error.get("metadata")))


def _refused(status: int, error: Mapping[str, Any], headers: Mapping[str, str], key: Secret) -> Fault:
    code = error.get("code") or error.get("type") or ""
    kind: FaultKind | None = "quota" if {error.get("code"), error.get("type")} & QUOTAS else None
    refusal = Refusal(
        status=status,
        message=str(error.get("message") or ""),
        code="" if str(code) == str(status) else str(code),
        retry_after=retry_after(headers),
        kind=kind,
    )
    return refusal.fault(key)


def _usage(counts: Mapping[str, Any]) -> Usage:
    """The tokens, with those of reasoning beside the output that OpenAI counts them into."""
    thinking = _count(_mapping(counts.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(
        input_tokens=_count(counts.get("prompt_tokens")),
        output_tokens=max(0, _count(counts.get("completion_tokens")) - thinking),
        cached_tokens=_count(_mapping(counts.get("prompt_tokens_details")).get("cached_tokens")),
        thinking_tokens=thinking,
    )


def _count(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(value: Any) -> Mapping[str, Any]:
    return _mapping(value[0]) if isinstance(value, list) and value else {}
