"""What the Hub and its libraries raise while something is pushed, each as one line that says what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from vlmdata.errors import VlmError
from vlmdata.hub.offline import forbidding, is_offline

TOKENS = "https://huggingface.co/settings/tokens"
FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
AGAIN = "run the same command again: what the Hub has is not sent again"


class HubError(VlmError):
    """A push that the Hub refuses, or that can't reach it."""


def refuse_without_access() -> None:
    """Raise HubError where the Hub is not to be asked, or no token is at hand. Asks no network."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode() or is_offline(os.environ):
        raise HubError(f"{forbidding()} forbids to reach the Hub: unset it, or look at the plan with --dry-run")
    if get_token() is None:
        raise HubError(f"there is no token: set HF_TOKEN to one that may write ({TOKENS}), or run `hf auth login`")


@contextmanager
def explained(to: str) -> Iterator[None]:
    """Turn what the Hub's libraries raise into a HubError that says what to do."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(f"{to}: {_refusal(error)}") from None
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise HubError(f"{to}: {_unreachable(error)}") from None
    except (ValueError, RuntimeError, OSError) as error:
        raise HubError(f"{to}: {_wrapped(error)}") from error


def _wrapped(error: BaseException) -> str:
    """The libraries wrap what went wrong with one file."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    cause = error.__cause__
    if isinstance(error, OSError) and error.errno in FULL:
        return (
            f"{_short(error)}; one file at a time needs room there: set TMPDIR to a folder that has more, then {AGAIN}"
        )
    if isinstance(cause, HfHubHTTPError):
        return _refusal(cause)
    if isinstance(cause, HTTPError | ConnectionError | TimeoutError):
        return _unreachable(cause)
    return f"{_short(error)}; {AGAIN}"


def _refusal(error: BaseException) -> str:
    """Why the Hub does not take something, by the status that it answers with."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    said = " ".join(str(getattr(error, "server_message", None) or "").split())[:200]
    told = f": {said}" if said else ""
    if status == 401:
        return f"the Hub does not know the token (401); set HF_TOKEN to one that may write ({TOKENS})"
    if status == 403:
        return f"the token may not write there (403){told}; check the owner's name and the token's rights ({TOKENS})"
    if status == 404:
        return f"the Hub finds no such owner, repository or branch (404){told}; check the name and the token's rights"
    if status in {409, 412}:
        return f"it was changed meanwhile ({status}){told}; look at what is there now, then run the command again"
    if status == 413:
        return f"the Hub takes no file as large (413){told}"
    if status == 429:
        return f"the Hub asks to wait (429); later {AGAIN}"
    if status >= 500:
        return f"the Hub answers with an error ({status}); later {AGAIN}"
    return f"the Hub refuses ({status}){told}"


def _unreachable(error: BaseException) -> str:
    return f"the Hub can't be reached ({_short(error)}); check the network, then {AGAIN}"


def _short(error: BaseException) -> str:
    """What an exception says, on one line; of a header with a token nothing is told."""
    words = re.sub(r"Bearer .*", "Bearer …", " ".join(str(error).split()))
    return words[:300] if words else type(error).__name__
