"""Images from the hosts that a recipe lists: bounded in bytes, time and redirects, and kept for the next build.

No proxy is used, whatever the environment says: behind one, nobody could tell which address is connected to.
"""

from __future__ import annotations

import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urljoin

import httpcore2

from vlmdata.errors import ConfigError
from vlmdata.hub.offline import OF_THE_HUB, OFFLINE, is_set
from vlmdata.image.address import Address, ListedHosts, parse_address
from vlmdata.image.address_text import shown
from vlmdata.image.download_cache import Download, DownloadCache, cache_folder
from vlmdata.image.exchange import ELSEWHERE, ExchangeError, Patience, Redirect, ask
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.public_address import PublicBackend, Resolve, system_addresses
from vlmdata.pixels import PixelError, open_image

OFFLINE_VARIABLES = (OFFLINE, OF_THE_HUB)
PRIVATE_VARIABLE = "VLMDATA_ALLOW_PRIVATE_ADDRESSES"
BYTE_LIMIT = 256_000_000
MAX_REDIRECTS = 5
SILENCE = frozenset({"network.unreachable", "network.timeout"})
SILENT_IMAGES = 5
"""After so many images in a row that could not be reached on a host, its next ones are tried once, until one comes."""
CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a download takes from its surroundings: names to numbers, time, and whose certificates count."""

    resolve: Resolve = system_addresses
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    certificates: ssl.SSLContext | None = None


@dataclass(kw_only=True, eq=False)
class Downloader:
    """A function from an address to its bytes, for several threads at once. To be closed, or used in a `with`.

    `hosts` are a recipe's `network`, `cache` the folder that downloads are kept in. `offline` reads that folder alone.
    `allow_private` names addresses such as 127.0.0.1 that are reached although they are not public: for tests of this
    program, and never from a recipe.
    """

    hosts: Iterable[str]
    cache: Path
    byte_limit: int = BYTE_LIMIT
    offline: bool = False
    allow_private: frozenset[str] = frozenset()
    patience: Patience = field(default_factory=Patience)
    system: System = field(default_factory=System)

    def __post_init__(self) -> None:
        self._listed = ListedHosts.of(self.hosts)
        self._kept = DownloadCache(self.cache)
        self._backend = PublicBackend(self.system.resolve, self.allow_private, self.system.clock)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=self.system.certificates or httpcore2.default_ssl_context(),
            max_connections=CONNECTIONS,
            keepalive_expiry=30.0,
            network_backend=self._backend,
        )
        self._lock = threading.Lock()
        self._running: dict[str, Future[bytes]] = {}
        self._unreached: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.close()

    def __call__(self, url: str) -> bytes:
        """The bytes at an address, from the cache where they are there; threads that ask at once get one download.

        Raises ImageReferenceError with a rule `network.…`, and OutputError where the cache can't be written.
        """
        address = parse_address(url)
        self._listed.refuse_other(address)
        mine: Future[bytes] = Future()
        with self._lock:
            running = self._running.setdefault(address.text, mine)
        if running is mine:
            try:
                mine.set_result(self._kept_or_fetched(address))
            except BaseException as error:
                mine.set_exception(error)
                raise
            finally:
                with self._lock:
                    del self._running[address.text]
        return running.result()

    def _kept_or_fetched(self, address: Address) -> bytes:
        kept = self._kept.read(address.text)
        if kept is not None and all(self._listed.allow_origin(origin) for origin in kept.origins):
            return self._within_limit(address, kept.data)
        if self.offline:
            message = f"{address.shown!r} is not among the downloads that were kept, and nothing is downloaded now"
            hint = f"build once with a connection, without {' or '.join(OFFLINE_VARIABLES)}"
            raise ImageReferenceError("network.offline", message, hint)
        download = self._fetched(address)
        if _is_an_image(download.data):
            self._kept.write(address.text, download)
        return download.data

    def _within_limit(self, address: Address, data: bytes) -> bytes:
        if len(data) > self.byte_limit:
            message = f"{address.shown!r} is {len(data):,} bytes, at most {self.byte_limit:,} bytes are read"
            raise ImageReferenceError("network.too_large", message, "make it smaller, or raise images.byte_limit")
        return data

    def _fetched(self, address: Address) -> Download:
        """Ask, and ask again where that may help, until the time is over."""
        deadline = self.system.clock() + self.patience.seconds
        self._backend.hold_to(deadline)
        most = 1 if self._unreached[address.origin] >= SILENT_IMAGES else self.patience.tries
        tries = 1
        while True:
            try:
                download = self._followed(address)
            except ExchangeError as error:
                wait = max(error.wait, self.patience.first_wait * 2 ** (tries - 1) * random.uniform(0.5, 1.0))
                late = wait > self.patience.longest_wait or self.system.clock() + wait >= deadline
                if late or not error.again or tries >= most:
                    self._remember(address, reached=error.rule not in SILENCE)
                    raise _final(error, tries) from None
            else:
                self._remember(address, reached=True)
                return download
            self.system.sleep(wait)
            tries += 1

    def _remember(self, address: Address, *, reached: bool) -> None:
        with self._lock:
            self._unreached[address.origin] = 0 if reached else self._unreached[address.origin] + 1

    def _followed(self, address: Address) -> Download:
        """One try: the address, and where it redirects to, each held to the recipe's list and to public addresses."""
        current, steps = address, {address.text: address.origin}
        answer = self._asked(address)
        while isinstance(answer, Redirect):
            if len(steps) > MAX_REDIRECTS:
                message = f"{address.shown!r} redirects more than {MAX_REDIRECTS} times"
                raise ImageReferenceError("network.redirect", message, ELSEWHERE)
            with _behind(address):
                current = self._target(current, answer)
                if current.text in steps:
                    message = f"{current.shown!r} comes up again"
                    raise ImageReferenceError("network.redirect", message, ELSEWHERE)
                steps[current.text] = current.origin
                answer = self._asked(current)
        return Download(data=answer, origins=tuple(dict.fromkeys(steps.values())))

    def _asked(self, address: Address) -> bytes | Redirect:
        return ask(self._pool, address, self.patience, self.byte_limit)

    def _target(self, current: Address, answer: Redirect) -> Address:
        """Where a redirect leads, if the recipe allows it. Raises ImageReferenceError."""
        try:
            target = parse_address(urljoin(current.text, answer.location))
        except ValueError as error:
            if isinstance(error, ImageReferenceError):
                raise
            message = f"{shown(answer.location)!r} is no address"
            raise ImageReferenceError("network.redirect", message, ELSEWHERE) from None
        self._listed.refuse_other(target)
        if (current.scheme, target.scheme) == ("https", "http"):
            message = f"{target.shown!r} is not encrypted, and what led there was"
            raise ImageReferenceError("network.redirect", message, ELSEWHERE)
        return target


def open_downloader(hosts: Iterable[str], *, byte_limit: int, environ: Mapping[str, str]) -> Downloader:
    """The downloader of a recipe's hosts, with the cache and the switches that the user's environment names.

    Raises ConfigError where they make no sense.
    """
    return Downloader(
        hosts=hosts,
        cache=cache_folder(environ),
        byte_limit=byte_limit,
        offline=any(is_set(environ, name) for name in OFFLINE_VARIABLES),
        allow_private=_private_addresses(environ.get(PRIVATE_VARIABLE, "")),
    )


def _private_addresses(listed: str) -> frozenset[str]:
    addresses = frozenset(part.strip() for part in listed.split(",") if part.strip())
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            message = f"{PRIVATE_VARIABLE}: {address!r} is no numeric address such as 127.0.0.1"
            raise ConfigError(message) from None
    return addresses


@contextmanager
def _behind(address: Address) -> Iterator[None]:
    """Let a refusal of a redirect's target begin with the address that the row names."""
    try:
        yield
    except ExchangeError as error:
        message = f"{address.shown!r} redirects: {error.message}"
        raise ExchangeError(error.rule, message, error.hint, again=error.again, wait=error.wait) from None
    except ImageReferenceError as error:
        message = f"{address.shown!r} redirects: {error.message}"
        raise ImageReferenceError(error.rule, message, error.hint) from None


def _final(error: ExchangeError, tries: int) -> ImageReferenceError:
    """The refusal after the last try, which says how many there were."""
    counted = f" ({tries} tries)" if tries > 1 else ""
    return ImageReferenceError(error.rule, f"{error.message}{counted}", error.hint)


def _is_an_image(data: bytes) -> bool:
    """Whether bytes are worth keeping: an error page that came as a success is asked for anew by the next build."""
    try:
        open_image(data)
    except PixelError as error:
        return error.kind in {"bomb", "format"}
    return True
