"""Addresses of images, as a row or a server writes them: their parts, and which of them a recipe allows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmdata.image.address_text import shown
from vlmdata.image.names import ImageReferenceError

if TYPE_CHECKING:
    import httpx2

DEFAULT_PORTS = {"http": 80, "https": 443}
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address in its parts, percent-encoded. `text` is the whole without its fragment, `target` path and query.

    What is checked here is what is connected to: no other parser sees the text again.
    """

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The address as a message may print it."""
        return shown(self.text)

    @property
    def origin(self) -> str:
        """The address without path and query."""
        return self.text.removesuffix(self.target)

    @property
    def entry(self) -> str:
        """What would have to stand in a recipe's `network` to allow this address."""
        host = self.host.rstrip(".")
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ListedHosts:
    """The hosts that a recipe's `network` names. A host stands for itself alone, on its scheme's own port."""

    entries: frozenset[str]

    @classmethod
    def of(cls, hosts: Iterable[str]) -> ListedHosts:
        """From a recipe's words, `images.example.org` or `images.example.org:8080`."""
        return cls(frozenset(host.lower() for host in hosts))

    def allow(self, address: Address) -> bool:
        """Whether the recipe lists this host and port."""
        usual = address.port == DEFAULT_PORTS[address.scheme]
        return f"{address.host}:{address.port}" in self.entries or (usual and address.host in self.entries)

    def allow_origin(self, origin: str) -> bool:
        """Whether the recipe lists what `Address.origin` said once; no for any other text."""
        try:
            return self.allow(parse_address(origin))
        except ImageReferenceError:
            return False

    def refuse_other(self, address: Address) -> None:
        """Raise ImageReferenceError for an address that the recipe does not list."""
        if not self.allow(address):
            message = f"{address.shown!r} is on {address.entry!r}, which the recipe's `network` does not list"
            raise ImageReferenceError("network.host", message, self._how_to_list(address))

    def _how_to_list(self, address: Address) -> str:
        if ":" in address.host:
            return "a numeric IPv6 address can't be listed: use the host's name"
        if address.host.endswith("."):
            return f"write the address without the dot after {address.host.rstrip('.')!r}"
        names = {entry.partition(":")[0] for entry in self.entries}
        if address.host in names:
            return f"a port other than the usual one is listed with its host: add {address.entry} to `network`"
        if any(address.host.endswith(f".{name}") for name in names):
            return (
                f"a host does not stand for those below it: if this one may be asked, add {address.entry} to `network`"
            )
        return f"if it may be asked for images, add {address.entry} to `network`"


def parse_address(url: str) -> Address:
    """The parts of an http or https address. Raises ImageReferenceError for any other, and for an ambiguous one."""
    _refuse_ambiguous(url)
    parsed = _parsed(url)
    scheme, host = parsed.scheme, parsed.raw_host.decode("ascii")
    port = DEFAULT_PORTS[scheme] if parsed.port is None else parsed.port
    if not (HOST.fullmatch(host) or ":" in host) or not 0 < port < 65536:
        raise _unreadable(url, "it names no host and port")
    target = parsed.raw_path.decode("ascii")
    bracketed = f"[{host}]" if ":" in host else host
    text = f"{scheme}://{bracketed}{'' if port == DEFAULT_PORTS[scheme] else f':{port}'}{target}"
    return Address(scheme=scheme, host=host, port=port, target=target, text=text)


def _refuse_ambiguous(url: str) -> None:
    """What readers of addresses disagree on, and what we don't do at all."""
    scheme = SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in DEFAULT_PORTS:
        message = f"{shown(url)!r} is no http or https address"
        hint = "download the file and give its path below the image root"
        raise ImageReferenceError("network.scheme", message, hint)
    authority = AUTHORITY.match(url)
    if authority is None:
        raise _unreadable(url, "'//' is missing after the scheme")
    if "\\" in url:
        raise _unreadable(url, "it has a backslash", "write '/', or %5C where a backslash is meant")
    if not url.isprintable():
        raise _unreadable(url, "it has a character that can't be printed")
    if any(character.isspace() for character in authority[1]):
        raise _unreadable(url, "there is a space in its host")
    if "@" in authority[1]:
        message = f"{shown(url)!r} holds a user name or password"
        hint = "take it out: a recipe's images are fetched without logging in"
        raise ImageReferenceError("network.credentials", message, hint)


def _parsed(url: str) -> httpx2.URL:
    import httpx2

    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise _unreadable(url, "its host, port or path is not well formed") from None


def _unreadable(url: str, why: str, hint: str = "correct the row") -> ImageReferenceError:
    return ImageReferenceError("network.url", f"{shown(url)!r} can't be read as an address: {why}", hint)
