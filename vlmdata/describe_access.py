"""How a provider is reached: its key and its address come from the command line and the environment, never from a
recipe, so that a recipe of somebody else's can't send a key somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from vlmdata.describe_settings import DescribeConfig
from vlmdata.description.provider import (
    KEY_VARIABLES,
    Ask,
    BatchProvider,
    Provider,
    ProviderSettings,
    Reply,
    Secret,
    open_provider,
)
from vlmdata.errors import ConfigError
from vlmdata.hub.offline import OFFLINE, is_offline

ENDPOINT = "VLMDATA_DESCRIBE_ENDPOINT"
KEY_VARIABLE = "VLMDATA_DESCRIBE_KEY_VARIABLE"
NO_KEY = Secret("none")
"""What servers of one's own are given, which ask for a key and look at none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where to ask, and the environment that holds the key."""

    endpoint: str | None
    key_variable: str | None
    environ: Mapping[str, str]

    @classmethod
    def of(cls, endpoint: str | None, key_variable: str | None, environ: Mapping[str, str]) -> Access:
        """What the command line says, else the environment. Raises ConfigError for what is no address."""
        endpoint = endpoint or environ.get(ENDPOINT) or None
        if endpoint is not None:
            refuse_no_address(endpoint)
        return cls(endpoint=endpoint, key_variable=key_variable or environ.get(KEY_VARIABLE) or None, environ=environ)

    def key(self, provider: str) -> Secret:
        """The provider's key. Raises ConfigError where its variable is not set."""
        names = (self.key_variable,) if self.key_variable else KEY_VARIABLES[provider]
        found = next((self.environ[name] for name in names if self.environ.get(name, "").strip()), "")
        if found:
            return Secret(found.strip())
        if not names or (provider == "openai_compatible" and self.endpoint is not None and not self.key_variable):
            return NO_KEY
        message = f"{' or '.join(names)} is not set: it has to hold your key for the provider {provider!r}"
        raise ConfigError(f"{message}; another variable is named with --key-variable")


def refuse_no_address(
    endpoint: str, option: str = "--endpoint", key: str = "the environment, see --key-variable"
) -> None:
    """Raise ConfigError for an endpoint that is no address, or that holds a name and a password.

    `option` is where it was written, and `key` says where a key belongs.
    """
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"{option}: an address such as http://localhost:8000/v1 was expected")
    if parts.username or parts.password or parts.query:
        raise ConfigError(f"{option}: holds more than an address; a key belongs into {key}")


def refuse_offline(environ: Mapping[str, str]) -> None:
    """Raise ConfigError where the environment forbids the network. What forbids the Hub alone does not."""
    if is_offline(environ):
        raise ConfigError(f"{OFFLINE} is set, so that nobody may be asked; take it away for vlmdata describe")


class LazyProvider:
    """A provider that is opened with the first ask: a journal that holds everything needs no key and no SDK."""

    def __init__(self, config: DescribeConfig, access: Access) -> None:
        self._config = config
        self._access = access
        self._provider: Provider | None = None

    async def ask(self, ask: Ask) -> Reply:
        """One request. Raises Fault; the first one also what opening raises."""
        return await self.opened().ask(ask)

    def opened(self) -> Provider:
        """The provider itself. Raises MissingPackageError, ConfigError."""
        if self._provider is None:
            if self._config.provider != "file":
                refuse_offline(self._access.environ)
            self._provider = open_provider(self._config.provider, settings_of(self._config, self._access))
        return self._provider

    def batches(self) -> BatchProvider:
        """The provider as one of jobs, which the recipe's has been found to be."""
        found: object = self.opened()
        assert hasattr(found, "submit")
        return found  # type: ignore[return-value]

    @property
    def notice(self) -> str:
        """What a person is to know of a provider that was opened, if anything."""
        return str(getattr(self._provider, "notice", ""))

    async def close(self) -> None:
        """Let go of connections, where there are any."""
        if self._provider is not None:
            await self._provider.close()


def settings_of(config: DescribeConfig, access: Access) -> ProviderSettings:
    """What a provider is made with. Raises ConfigError where the key is missing."""
    return ProviderSettings(
        model=config.model,
        key=access.key(config.provider),
        endpoint=access.endpoint,
        timeout=config.limits.timeout,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        thinking_budget=config.thinking_budget,
        safety=config.safety,
        path=config.path,
    )
