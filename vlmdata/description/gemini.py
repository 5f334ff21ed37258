"""Descriptions by Gemini, through google-genai: one request at a time, or a whole job of the Batch API."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from vlmdata.description.gemini_batch import Batch, nameless_file
from vlmdata.description.gemini_messages import contents_of, generation_of, reply_of, safety_of
from vlmdata.description.gemini_pictures import put_in, standing_in
from vlmdata.description.provider import IDLE_CONNECTIONS, Ask, Fault, JobState, ProviderSettings, Reply, Secret
from vlmdata.description.refusal import google_refusal, key_of, unreachable
from vlmdata.errors import MissingPackageError

if TYPE_CHECKING:
    import httpx2
    from google import genai
    from google.genai import types

T = TypeVar("T")
KEY_HEADER = "x-goog-api-key"


def open_provider(settings: ProviderSettings) -> Gemini:
    """The provider `gemini`. Raises MissingPackageError, and ConfigError for words of `safety` that Gemini lacks."""
    try:
        import google.genai  # noqa: F401  (only to say early, and once, what is missing)
    except ImportError:
        raise MissingPackageError("the provider 'gemini' needs google-genai: pip install 'vlmdata[gemini]'") from None
    # It would warn of a second variable with a key, though it is given the one to use.
    logging.getLogger("google_genai").setLevel(logging.ERROR)
    return Gemini(settings)


class Gemini:
    """Asks through the SDK's asynchronous client. The SDK repeats nothing: each request here is one on the bill."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._safety = safety_of(settings.safety)
        self._http = _http_client()
        self._client = _client(settings, self._http)
        self._batch = Batch(client=self._client, settings=settings, safety=self._safety)
        self._expected = _expected_errors()
        self._last_config: tuple[str | None, Mapping[str, Any] | None, types.GenerateContentConfig] | None = None

    async def ask(self, ask: Ask) -> Reply:
        """One request."""
        return reply_of(await self._guarded(self._asked(ask)), self._settings.model)

    async def _asked(self, ask: Ask) -> Any:
        with standing_in(contents_of(ask)) as marked:
            turns: Any = [_kinds().content(turn) for turn in marked]
            answer = await self._sent(turns, self._config_of(ask))
        return json.loads((answer.sdk_http_response and answer.sdk_http_response.body) or "null")

    async def _sent(self, turns: Any, config: types.GenerateContentConfig) -> types.GenerateContentResponse:
        # The SDK's own time-out is for each read, and an answer can come in many.
        async with asyncio.timeout(self._settings.timeout):
            return await self._client.aio.models.generate_content(
                model=self._settings.model, contents=turns, config=config
            )

    def _config_of(self, ask: Ask) -> types.GenerateContentConfig:
        """How to answer. Most asks of a run want the same; the SDK copies it before it changes anything."""
        last = self._last_config
        if last is None or last[0] != ask.system or last[1] is not ask.schema:
            config = _kinds().config.model_validate(
                {
                    **generation_of(ask, self._settings),
                    "safetySettings": self._safety or None,
                    "systemInstruction": ask.system,
                    "shouldReturnHttpResponse": True,
                    # These two would send further requests by themselves.
                    "automaticFunctionCalling": {"disable": True},
                    "automaticContinuation": False,
                }
            )
            self._last_config = last = (ask.system, ask.schema, config)
        return last[2]

    async def submit(self, asks: Sequence[Ask]) -> str:
        """Hand in a job of the Batch API; its name."""
        return await self._guarded(self._batch.submit(asks))

    async def find(self, asks: Sequence[Ask]) -> str | None:
        """The name of a job of exactly these asks that was handed in before and has not failed."""
        return await self._guarded(self._batch.find(asks))

    async def state(self, job: str) -> JobState:
        """How far a job is."""
        return await self._guarded(self._batch.state(job))

    async def results(self, job: str) -> AsyncIterator[tuple[str, Reply | Fault]]:
        """What a job answered, by key, in the order of its file of answers."""
        with nameless_file() as file:
            await self._guarded(self._batch.fetch(job, file))
            for answer in self._batch.answers(file):
                yield answer

    async def cancel(self, job: str) -> None:
        """Stop a job."""
        await self._guarded(self._batch.cancel(job))

    async def close(self) -> None:
        """Let go of connections."""
        self._client.close()
        await self._http.aclose()

    async def _guarded(self, call: Awaitable[T]) -> T:
        """What a call of the SDK gives, or the Fault that its exception stands for."""
        try:
            return await call
        except self._expected as error:
            fault = _fault_of(error, self._settings.key)
        raise fault  # outside of `except`: what the SDK raised holds the request, and the request holds the key


@dataclass(frozen=True, slots=True)
class Kinds:
    """The SDK's types that a request is written in, which answer it faster."""

    config: type[types.GenerateContentConfig]
    part: type[types.Part]

    def content(self, turn: Mapping[str, Any]) -> types.Content:
        """A turn of the conversation."""
        from google.genai import types

        return types.Content(role=turn["role"], parts=[self.part.model_validate(part) for part in turn["parts"]])


@cache
def _kinds() -> Kinds:
    """The SDK asks of each of some 100 names whether it is `in` a request's parts, which pydantic answers by going
    through all their fields, and then whether they have it as an attribute, which is quick and says the same."""
    from google.genai import types

    class Config(types.GenerateContentConfig):
        def __contains__(self, name: object) -> bool:
            return False

    class Part(types.Part):
        def __contains__(self, name: object) -> bool:
            return False

    return Kinds(Config, Part)


def _client(settings: ProviderSettings, http: httpx2.AsyncClient) -> genai.Client:
    from google import genai
    from google.genai import types

    return genai.Client(
        vertexai=False,
        api_key=key_of(settings.key),
        http_options=types.HttpOptions(
            base_url=settings.endpoint,
            timeout=round(settings.timeout * 1000),
            # Without this, the SDK repeats some lost connections, paid requests among them.
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_async_client=http,
        ),
    )


def _http_client() -> httpx2.AsyncClient:
    """The client that the SDK sends with. Left to itself it would take the key along wherever a redirect leads."""
    import httpx2

    return httpx2.AsyncClient(
        follow_redirects=True,
        event_hooks={"request": [_stay, put_in], "response": [_keep_status]},
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
        timeout=None,
    )


async def _stay(request: httpx2.Request) -> None:
    """Let a file of answers be fetched from another place, without the key; send nothing there."""
    import httpx2

    here = (request.url.scheme, request.url.host, request.url.port)
    if request.extensions.setdefault("vlmdata_home", here) == here:  # httpx2 hands these on to where it is redirected
        return
    if request.method != "GET":
        raise httpx2.TooManyRedirects("", request=request)
    request.headers.pop(KEY_HEADER, None)


async def _keep_status(response: httpx2.Response) -> None:
    """Raise an error whose page is in no encoding of JSON's, before the SDK loses its status over it."""
    import httpx2

    if response.status_code >= 400:
        await response.aread()
        try:
            response.json()
        except json.JSONDecodeError:
            return
        except (ValueError, RecursionError):
            raise httpx2.HTTPStatusError("", request=response.request, response=response) from None


def _expected_errors() -> tuple[type[Exception], ...]:
    """What the SDK, and the client below it, raise. ValueError: an answer that isn't JSON."""
    import httpx2
    from google.genai import errors

    return (
        errors.APIError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
        httpx2.StreamError,
        OSError,
        ValueError,
        KeyError,
        RecursionError,
    )


def _fault_of(error: Exception, key: Secret) -> Fault:
    import httpx2
    from google.genai import errors

    if isinstance(error, errors.APIError):
        headers = getattr(error.response, "headers", None) or {}
        return google_refusal(error.code, error.details, headers).fault(key)
    if isinstance(error, httpx2.HTTPStatusError):
        return google_refusal(error.response.status_code, {}, error.response.headers).fault(key)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return Fault("timeout", "the provider did not answer in time")
    if isinstance(error, httpx2.TooManyRedirects):
        return Fault("model", "the endpoint sends requests on to another place, which is not followed: look at it")
    if isinstance(error, OSError | httpx2.HTTPError | httpx2.StreamError | httpx2.InvalidURL):
        return unreachable(error, key)
    return Fault("server", "the provider answered with something that is no answer of Gemini's")
