"""One question to one server: the image's bytes, where it redirects to, or why neither came."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpcore2

from vlmdata.image.address import Address
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.public_address import PrivateAddressError
from vlmdata.version import __version__

HEADERS = [
    (b"User-Agent", f"vlmdata/{__version__}".encode()),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
]
PHRASES = {status.value: status.phrase for status in HTTPStatus}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
UNKNOWN_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
"""Answers of the name service that asking again does not change."""

ELSEWHERE = "download the file and give its path below the image root"
LATER = "build again later: what has been downloaded is kept"
STATUS_HINTS = {
    401: f"the server wants a login: {ELSEWHERE}",
    403: f"the server does not give it to programs, or not without a login: {ELSEWHERE}",
    404: "correct the row, or put the image below the image root",
    410: "correct the row, or put the image below the image root",
    429: LATER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a download may take, in seconds, and how often it is tried.

    `seconds` bounds one image altogether, with all tries, waits and redirects; `connect_seconds` bounds one
    connection, `read_seconds` the silence between two pieces. A server that asks for more than `longest_wait` before
    the next try is not asked again.
    """

    seconds: float = 300.0
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    tries: int = 4
    first_wait: float = 0.5
    longest_wait: float = 60.0

    def __str__(self) -> str:
        return (
            f"at most {self.connect_seconds:g} s to connect, {self.read_seconds:g} s of silence, "
            f"and {self.seconds:g} s altogether"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """An answer that names another address, as the server wrote it."""

    location: str


class ExchangeError(ImageReferenceError):
    """A question that brought no image. `again` says whether asking again may help, `wait` how many seconds later."""

    def __init__(self, rule: str, message: str, hint: str, *, again: bool = False, wait: float = 0.0) -> None:
        super().__init__(rule, message, hint)
        self.again = again
        self.wait = wait


def ask(pool: httpcore2.ConnectionPool, address: Address, patience: Patience, byte_limit: int) -> bytes | Redirect:
    """Get one address, which is allowed. Raises ExchangeError."""
    url = httpcore2.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
    silence = patience.read_seconds
    timeouts = {"connect": patience.connect_seconds, "read": silence, "write": silence, "pool": patience.seconds}
    with _told(address, patience), pool.stream("GET", url, headers=HEADERS, extensions={"timeout": timeouts}) as answer:
        if answer.status in REDIRECTS:
            return Redirect(location=_location(address, answer))
        if answer.status != 200:
            raise _refused(address, answer)
        return _body(address, answer, byte_limit)


def _location(address: Address, answer: httpcore2.Response) -> str:
    location = _header(answer, b"location")
    if not location:
        message = f"{address.shown!r} redirects ({answer.status}) without saying where to"
        raise ExchangeError("network.redirect", message, ELSEWHERE)
    return location


def _refused(address: Address, answer: httpcore2.Response) -> ExchangeError:
    """What a status other than success means."""
    status = answer.status
    phrase = PHRASES.get(status, "")
    again = status == 429 or status >= 500
    wait = _retry_after(answer) if again else 0.0
    message = f"{address.shown!r} is answered with {status} {phrase}".rstrip()
    hint = STATUS_HINTS.get(status, LATER if again else ELSEWHERE)
    return ExchangeError("network.status", message, hint, again=again, wait=wait)


def _retry_after(answer: httpcore2.Response) -> float:
    """The seconds that a server asks to wait: a number, or a date, which is held against the server's own clock."""
    asked = _header(answer, b"retry-after")
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until, now = parsedate_to_datetime(asked), parsedate_to_datetime(_header(answer, b"date"))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _body(address: Address, answer: httpcore2.Response, byte_limit: int) -> bytes:
    encoding = _header(answer, b"content-encoding")
    if encoding.lower() not in {"", "identity"}:
        message = f"{address.shown!r} comes compressed ({encoding[:40]!r}), though it was asked for as it is"
        raise ExchangeError("network.encoding", message, ELSEWHERE)
    announced = _header(answer, b"content-length")
    if announced.isascii() and announced.isdigit() and int(announced[:18]) > byte_limit:
        raise _too_large(address, f"is {int(announced[:18]):,} bytes", byte_limit)
    pieces: list[bytes] = []
    size = 0
    for piece in answer.iter_stream():
        size += len(piece)
        if size > byte_limit:
            raise _too_large(address, "does not end", byte_limit)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(address: Address, found: str, byte_limit: int) -> ExchangeError:
    message = f"{address.shown!r} {found}, at most {byte_limit:,} bytes are read"
    return ExchangeError("network.too_large", message, "make it smaller, or raise images.byte_limit")


def _header(answer: httpcore2.Response, name: bytes) -> str:
    """A header's first value, or nothing."""
    found = next((value for key, value in answer.headers if key.lower() == name), b"")
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError:
        return found.decode("latin-1")


@contextmanager
def _told(address: Address, patience: Patience) -> Iterator[None]:
    """What connections raise, as an ExchangeError with a rule."""
    try:
        yield
    except PrivateAddressError as error:
        message = f"{address.shown!r} leads to {error.address}, which is no public address ({error.meaning})"
        raise ExchangeError("network.private_address", message, ELSEWHERE) from None
    except httpcore2.TimeoutException:
        message = f"{address.shown!r} did not arrive in time ({patience})"
        raise ExchangeError("network.timeout", message, LATER, again=True) from None
    except httpcore2.NetworkError as error:
        cause = error.args[0] if error.args else error  # the pool raises it `from None`
        raise _unreachable(address, cause) from None
    except httpcore2.ProtocolError as error:
        message = f"{address.shown!r} did not arrive whole: {error}"
        raise ExchangeError("network.unreachable", message, LATER, again=True) from None


def _unreachable(address: Address, cause: object) -> ExchangeError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        message = f"{address.shown!r}: the certificate of {address.host!r} is not to be trusted: {cause.verify_message}"
        return ExchangeError("network.tls", message, ELSEWHERE)
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        message = f"{address.shown!r}: no encrypted connection with {address.host!r}: {cause.reason or cause}"
        return ExchangeError("network.tls", message, ELSEWHERE)
    words = getattr(cause, "strerror", None) or str(cause)
    if isinstance(cause, socket.gaierror) and cause.errno in UNKNOWN_NAME:
        message = f"{address.shown!r}: the host {address.host!r} is not known: {words}"
        return ExchangeError("network.unreachable", message, "correct the host's name")
    message = f"{address.shown!r} can't be reached: {words}"
    return ExchangeError("network.unreachable", message, LATER, again=True)
