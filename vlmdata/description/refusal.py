"""What a server's refusal means to a run, in the same words for every provider, and never with the key in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from vlmdata.description.provider import Fault, FaultKind, Secret
from vlmdata.errors import ConfigError

LONGEST = 300
SHORTEST_KEY = 6
"""A shorter key, such as the `x` that people give to a server of their own, can't be told from other text."""

MASKED = re.compile(r"[\w-]+\*{3,}[\w-]*|\*{3,}[\w-]+")
"""A key that a server has masked, which still shows its ends."""

UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")

KINDS: Mapping[int, FaultKind] = {
    401: "key",
    402: "quota",
    403: "key",
    404: "model",
    408: "timeout",
    429: "rate_limit",
    504: "timeout",
}
GRPC = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 13: 500, 14: 503, 16: 401}
"""HTTP's number for gRPC's, which Google writes where no HTTP answer stands around an error.

Source: https://cloud.google.com/apis/design/errors (google.rpc.Code)."""

ADVICE: Mapping[FaultKind, str] = {
    "key": "; look whether the key is right, and allowed to use this model",
    "model": "; look at the recipe's model, and at the endpoint",
    "quota": "; the account's allowance is used up: run the same command again when there is more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is none. `code` is the provider's own word for it (`RESOURCE_EXHAUSTED`)."""

    status: int
    message: str
    code: str = ""
    retry_after: float | None = None
    kind: FaultKind | None = None

    def fault(self, key: Secret) -> Fault:
        """The fault that it is; `kind` overrules what the status alone would say."""
        kind = self.kind or kind_of(self.status)
        said = shown(self.message, key).rstrip(".")
        words = ": ".join(part for part in (f"{self.status} {self.code}".strip(), said) if part)
        return Fault(kind, f"the provider answered {words}{ADVICE.get(kind, '')}", retry_after=self.retry_after)


def kind_of(status: int) -> FaultKind:
    """What an HTTP status means. A redirect is not followed, since key and photos would go along."""
    if status in KINDS:
        return KINDS[status]
    if status >= 500:
        return "server"
    return "model" if status < 400 else "invalid"


def google_refusal(status: int, body: Any, headers: Mapping[str, str]) -> Refusal:
    """What Google's error model says (https://cloud.google.com/apis/design/errors)."""
    error = _mapping(_mapping(body).get("error")) or _mapping(body)
    details = _mappings(error.get("details"))
    reasons = {str(detail.get("reason")) for detail in details}
    quotas = {str(part.get("quotaId")) for detail in details for part in _mappings(detail.get("violations"))}
    kind: FaultKind | None = None
    if reasons & {"API_KEY_INVALID", "API_KEY_EXPIRED"}:
        kind = "key"
    elif any("PerDay" in quota for quota in quotas) or error.get("status") == "FAILED_PRECONDITION":
        kind = "quota"
    waits = [wait for detail in details if (wait := _seconds(detail.get("retryDelay"))) is not None]
    asked = retry_after(headers)
    return Refusal(
        status=status,
        message=str(error.get("message") or ""),
        code=str(error.get("status") or ""),
        retry_after=max([*waits, *([] if asked is None else [asked])], default=None),
        kind=kind,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds a server asks to wait, from `retry-after-ms` or `Retry-After` (a number, or a date)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after") or headers.get("Retry-After")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def shown(text: str, key: Secret) -> str:
    """A server's own words on one line, cut, and without the key, whole or masked."""
    secret = key.reveal()
    if len(secret) >= SHORTEST_KEY:
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, "***")
    plain = " ".join(UNPRINTABLE.sub(" ", MASKED.sub("***", text)).split())
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]} ... ({len(plain):,} characters)"


def key_of(key: Secret) -> str:
    """The key as it goes into a header. Raises ConfigError where it can't: HTTP's own error would quote it."""
    text = key.reveal().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError("the key holds characters that no key has, such as a space or a line break: copy it again")
    return text


def unreachable(error: Exception, key: Secret) -> Fault:
    """The fault of a connection that failed, at whatever point."""
    said = shown(str(error), key)
    return Fault("connection", f"the connection failed ({type(error).__name__}{': ' if said else ''}{said})")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds(text: Any) -> float | None:
    found = SECONDS.fullmatch(text) if isinstance(text, str) else None
    return float(found[1]) if found else None
