"""Descriptions by Gemini, through google-generativeai: for who depends on that SDK. Its support ended in November 2025.

It speaks REST from threads, knows neither thinking budgets nor JSON Schema in full, and has no Batch API.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from vlmdata.description.gemini_messages import HARMS, THRESHOLDS, contents_of, reply_of, safety_of
from vlmdata.description.provider import Ask, Fault, ProviderSettings, Reply, Secret
from vlmdata.description.refusal import google_refusal, key_of, unreachable
from vlmdata.errors import MissingPackageError

NOTICE = (
    "google-generativeai is no longer supported by Google (since November 2025), and can't switch thinking off: "
    "`provider: gemini` speaks to the same models, for half the price in a batch"
)
THREADS = 64
"""More than any concurrency that a key is given; they are started as they are needed."""

SCHEMA_KEYS = frozenset({"type", "format", "description", "nullable", "enum", "properties", "required", "items"})
"""What the SDK's own schema type holds, out of JSON Schema. The answer is checked against the whole schema anyway."""


def open_provider(settings: ProviderSettings) -> GeminiLegacy:
    """The provider `gemini_legacy`. Raises MissingPackageError, and ConfigError for unknown words of `safety`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that support has ended is said by NOTICE
        try:
            import google.generativeai  # noqa: F401  (only to say early, and once, what is missing)
        except ImportError:
            raise MissingPackageError(
                "the provider 'gemini_legacy' needs google-generativeai: pip install 'vlmdata[gemini-legacy]'"
            ) from None
    return GeminiLegacy(settings)


class GeminiLegacy:
    """Asks through the SDK's REST transport, a thread for each request under way."""

    notice = NOTICE

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        safety = safety_of(settings.safety, harms=HARMS[:4], thresholds=THRESHOLDS[1:])  # the SDK knows no others
        self._safety = {part["category"]: part["threshold"] for part in safety}
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="gemini-legacy")
        self._expected = _expected_errors()
        _configure(settings)

    async def ask(self, ask: Ask) -> Reply:
        """One request."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                body = await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, ask)
            return reply_of(body, self._settings.model)
        except self._expected as error:
            fault = _fault_of(error, self._settings.key)
        raise fault  # outside of `except`: what the SDK raised holds the request, and the request holds the key

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, ask: Ask) -> dict[str, Any]:
        """One request in this thread; its answer in the form of the REST API."""
        from google.generativeai.generative_models import GenerativeModel
        from google.generativeai.types import RequestOptions

        safety: Any = self._safety
        config: Any = _generation_of(ask, self._settings)
        model = GenerativeModel(self._settings.model, safety_settings=safety, system_instruction=ask.system)
        answer = model.generate_content(
            [_turn(turn) for turn in contents_of(ask)],
            generation_config=config,
            request_options=RequestOptions(retry=None, timeout=self._settings.timeout),
        )
        return _as_rest(answer)


def _configure(settings: ProviderSettings) -> None:
    """Tell the SDK, which keeps this for the whole process, whom to ask; and that it must ask nobody else."""
    from google.generativeai.client import configure, get_default_generative_client
    from requests.adapters import HTTPAdapter

    configure(
        api_key=key_of(settings.key),
        transport="rest",
        client_options={"api_endpoint": settings.endpoint} if settings.endpoint else None,
    )
    transport: Any = get_default_generative_client().transport
    session = transport._session
    session.max_redirects = 0  # it would take the key along
    session.hooks["response"].append(_refuse)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))


def _refuse(answer: Any, *_: Any, **__: Any) -> None:
    """Raise what is an error at once: the SDK would send a refused key a second time, and fall over odd bodies."""
    import requests

    if answer.status_code >= 400:
        raise requests.HTTPError(response=answer)


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn in the SDK's words."""
    parts = [
        {"inline_data": {"mime_type": part["inlineData"]["mimeType"], "data": part["inlineData"]["data"]}}
        if "inlineData" in part
        else part
        for part in turn["parts"]
    ]
    return {"role": turn["role"], "parts": parts}


def _generation_of(ask: Ask, settings: ProviderSettings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temperature": settings.temperature,
        "max_output_tokens": settings.max_output_tokens,
        "candidate_count": 1,
    }
    if ask.schema is not None:
        config |= {"response_mime_type": "application/json", "response_schema": schema_of(ask.schema)}
    return config


def schema_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that the SDK knows."""
    known: dict[str, Any] = {name: value for name, value in schema.items() if name in SCHEMA_KEYS}
    if isinstance(known.get("type"), list):
        types = [name for name in known["type"] if name != "null"]
        known |= {"type": types[0] if types else "string", "nullable": "null" in known["type"]}
    if isinstance(known.get("items"), Mapping):
        known["items"] = schema_of(known["items"])
    if "properties" in known:
        known["properties"] = {name: schema_of(part) for name, part in known["properties"].items()}
    return known


def _as_rest(answer: Any) -> dict[str, Any]:
    """The SDK's answer as the REST API had written it. What it knows no name for, such as thinking, is in the total."""
    usage = answer.usage_metadata
    thinking = usage.total_token_count - usage.prompt_token_count - usage.candidates_token_count
    feedback = answer.prompt_feedback.block_reason
    if not (answer.candidates or feedback or usage.total_token_count):
        return {}
    return {
        "candidates": [
            {
                "content": {"parts": [{"text": part.text} for part in candidate.content.parts]},
                "finishReason": candidate.finish_reason.name,
            }
            for candidate in answer.candidates
        ],
        "promptFeedback": {"blockReason": feedback.name} if feedback else {},
        "usageMetadata": {
            "promptTokenCount": usage.prompt_token_count,
            "candidatesTokenCount": usage.candidates_token_count,
            "cachedContentTokenCount": usage.cached_content_token_count,
            "thoughtsTokenCount": max(0, thinking),
        },
    }


def _expected_errors() -> tuple[type[Exception], ...]:
    """What the SDK, and the client below it, raise. ParseError and RecursionError: an answer that isn't JSON."""
    from google.auth.exceptions import GoogleAuthError

    unread = import_module("google.protobuf.json_format").ParseError  # protobuf comes without types
    return (GoogleAuthError, unread, OSError, ValueError, RecursionError)


def _fault_of(error: Exception, key: Secret) -> Fault:
    import requests
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return google_refusal(error.response.status_code, _body_of(error.response), error.response.headers).fault(key)
    if isinstance(error, TimeoutError | requests.Timeout):
        return Fault("timeout", "the provider did not answer in time")
    if isinstance(error, requests.TooManyRedirects):
        return Fault("model", "the endpoint sends requests on to another place, which is not followed: look at it")
    if isinstance(error, OSError | GoogleAuthError):
        return unreachable(error, key)
    return Fault("server", "the provider answered with something that is no answer of Gemini's")


def _body_of(answer: Any) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return {"error": {"message": answer.text}}
