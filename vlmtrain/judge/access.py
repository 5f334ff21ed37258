"""How a judge is reached. The address and the key come from the command line and the environment, never from a file:
a run file of somebody else's can't send photos or a key anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from vlmdata.describe_access import NO_KEY, refuse_no_address
from vlmdata.description.provider import KEY_VARIABLES, Secret
from vlmdata.errors import ConfigError, MissingPackageError
from vlmdata.hub.offline import OFFLINE, is_offline
from vlmtrain.judge.settings import JudgeConfig

KEY_VARIABLE = "VLMTRAIN_JUDGE_KEY"
PACKAGES = {"openai_compatible": ("openai", "openai"), "gemini": ("google.genai", "gemini")}
"""By provider: the package that it is asked through, and the extra that installs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who is asked, where, and with which key. `tell` is told the cost before and after."""

    config: JudgeConfig
    key: Secret
    endpoint: str | None = None
    tell: Callable[[str], None] | None = None


def judge_of(
    config: JudgeConfig | None,
    environ: Mapping[str, str],
    *,
    endpoint: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Judge:
    """The judge of a run, before anything is asked.

    Raises ConfigError where something is missing that it needs, and MissingPackageError.
    """
    if config is None:
        raise ConfigError("--judge: the run file names none; say eval.judge: {provider: ..., model: ...}")
    if is_offline(environ):
        raise ConfigError(f"--judge: {OFFLINE} is set, so that nobody may be asked")
    if config.max_cost is not None and config.prices is None:
        raise ConfigError("eval.judge.max_cost needs eval.judge.prices: without them nobody knows what an answer costs")
    if endpoint is not None:
        refuse_no_address(endpoint, "--judge-endpoint", KEY_VARIABLE)
    package, extra = PACKAGES[config.provider]
    if not _is_installed(package):
        raise MissingPackageError(f"the judge {config.provider!r} needs {package}: pip install 'vlmdata[{extra}]'")
    key = _key(config.provider, endpoint, environ)
    return Judge(config=config, key=key, endpoint=endpoint, tell=tell)


def _key(provider: str, endpoint: str | None, environ: Mapping[str, str]) -> Secret:
    names = (KEY_VARIABLE, *KEY_VARIABLES[provider])
    found = next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")
    if found:
        return Secret(found)
    if endpoint is not None and provider == "openai_compatible":
        return NO_KEY
    raise ConfigError(f"--judge: {' or '.join(names)} is not set: it has to hold your key")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package above it
        return False
