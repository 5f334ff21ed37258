"""What a provider of descriptions must be able to do, and the values that pass between it and the runner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from vlmdata.errors import VlmError

Finish = Literal["stop", "length", "blocked", "empty"]
FaultKind = Literal["rate_limit", "server", "timeout", "connection", "invalid", "key", "model", "quota"]
JobState = Literal["running", "done", "failed", "expired", "cancelled"]

IDLE_CONNECTIONS = 8
"""Connections kept that nothing is sent over: each is looked at before each request. Those in use have no limit."""


class Secret:
    """A text that is shown nowhere: it prints as stars, and doesn't pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as it is sent."""

    data: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A turn that shows what is wanted: what was asked of a row, and what a person had written for it."""

    prompt: str
    pictures: tuple[Picture, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `key` names it in the journal; `schema` is the JSON Schema that the answer has to follow.

    `id` is the row's, for people who write by hand; it is sent to nobody.
    """

    key: str
    system: str | None
    prompt: str
    pictures: tuple[Picture, ...]
    examples: tuple[Example, ...] = ()
    schema: Mapping[str, Any] | None = None
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens that a provider counted. `cached_tokens` are part of the input; thinking stands beside the output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    thinking_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and how it ended. `reason` is the provider's own word for it (`SAFETY`, `RECITATION`)."""

    text: str
    finish: Finish
    usage: Usage
    model: str
    reason: str = ""


class Fault(VlmError):  # noqa: N818  (a fault is what happened to a request; the run decides whether it is an error)
    """A request that was not answered: the only exception that a provider lets out. It never holds the key.

    `retry_after` is how many seconds the provider asked to wait, where it did.
    """

    def __init__(self, kind: FaultKind, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.retry_after = retry_after


class Provider(Protocol):
    """One way to ask for a description."""

    async def ask(self, ask: Ask) -> Reply:
        """Send one request, without retries of the SDK's own, within the time-out. Raises Fault and nothing else."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class BatchProvider(Protocol):
    """A provider that also takes many requests as one job, answered later and for less."""

    async def submit(self, asks: Sequence[Ask]) -> str:
        """Hand in a job; its name."""
        ...

    async def find(self, asks: Sequence[Ask]) -> str | None:
        """The job in which these asks were handed in before, where a kill came before its name was put down."""
        ...

    async def state(self, job: str) -> JobState:
        """How far a job is."""
        ...

    def results(self, job: str) -> AsyncIterator[tuple[str, Reply | Fault]]:
        """What a job answered, by the asks' keys, in any order. Asks that are missing were not answered."""
        ...

    async def cancel(self, job: str) -> None:
        """Stop a job."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What a provider is made with. `endpoint` and `key` never come from a recipe.

    `path` is the file of answers that a recipe names for the provider `file`.
    """

    model: str
    key: Secret
    endpoint: str | None
    timeout: float
    temperature: float
    max_output_tokens: int
    thinking_budget: int | None
    safety: Mapping[str, str]
    path: Path | None = None


BUILT_IN = {
    "gemini": "vlmdata.description.gemini:open_provider",
    "gemini_legacy": "vlmdata.description.gemini_legacy:open_provider",
    "openai_compatible": "vlmdata.description.openai_compatible:open_provider",
    "file": "vlmdata.description.answer_file:open_provider",
}
"""The providers, each made as `open_provider(settings)`."""

KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "gemini_legacy": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai_compatible": ("OPENAI_API_KEY",),
    "file": (),
}
"""The environment variables that may hold each provider's key; the first that is set is taken."""


def open_provider(name: str, settings: ProviderSettings) -> Provider:
    """A provider by its name in a recipe. Raises MissingPackageError where its SDK is not installed."""
    module, _, function = BUILT_IN[name].partition(":")
    factory: Callable[[ProviderSettings], Provider] = getattr(import_module(module), function)
    return factory(settings)
