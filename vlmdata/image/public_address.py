"""Connections to public addresses only, looked at after the name was resolved, on the very address connected to.

A name's answer may change between two questions (DNS rebinding), so it is asked once, and the number that was checked
is the one that is used. TLS still holds the server to its name.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore2

Resolve = Callable[[str, int], Sequence[str]]
"""A host and a port to numeric addresses, in the order in which they are tried. Raises OSError."""

SPECIAL_V4 = {
    IPv4Network(network): meaning
    for network, meaning in {
        "0.0.0.0/8": "unspecified",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier's customers",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a tunnel",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        "168.63.129.16/32": "a cloud platform's own",
    }.items()
}
"""IANA's registry of special-purpose addresses, and the one public number that answers inside a cloud only."""

SPECIAL_V6 = {
    IPv6Network(network): meaning
    for network, meaning in {
        "::/128": "unspecified",
        "::1/128": "loopback",
        "fe80::/10": "link-local",
        "fc00::/7": "private",
        "ff00::/8": "multicast",
        "2001::/23": "reserved",
        "2001:db8::/32": "for documentation",
        "2002::/16": "a tunnel",
        "3fff::/20": "for documentation",
    }.items()
}
GLOBAL_V6 = IPv6Network("2000::/3")
"""All that has been given out as public unicast so far."""
NAT64 = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 writes an IPv4 address: in the last 32 bits."""


class PrivateAddressError(Exception):
    """A host that has no public address: the first of its addresses, and what that one is."""

    def __init__(self, address: str, meaning: str) -> None:
        super().__init__(f"{address} ({meaning})")
        self.address = address
        self.meaning = meaning


def special_meaning(address: IPv4Address | IPv6Address) -> str:
    """Why an address is not on the public internet, in a few words; nothing where it is."""
    if isinstance(address, IPv4Address):
        found = next((meaning for network, meaning in SPECIAL_V4.items() if address in network), "")
        return found or ("" if address.is_global else "reserved")
    embedded = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
    if embedded is not None:
        return special_meaning(embedded)
    found = next((meaning for network, meaning in SPECIAL_V6.items() if address in network), "")
    return found or ("" if address in GLOBAL_V6 and address.is_global else "reserved")


def system_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows for a host. Raises OSError."""
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicBackend(httpcore2.NetworkBackend):
    """Opens connections to public addresses, and to those in `allowed`, and lets none outlive its caller's deadline."""

    def __init__(self, resolve: Resolve, allowed: Iterable[str], clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._allowed = frozenset(ip_address(address) for address in allowed)
        self._clock = clock
        self._tcp = httpcore2.SyncBackend()
        self._of_thread = threading.local()

    def hold_to(self, deadline: float) -> None:
        """From now on, whatever this thread reads and writes ends at `deadline`, on the clock that was given."""
        self._of_thread.deadline = deadline

    def remaining(self, timeout: float | None) -> float:
        """A time-out, cut to what is left for this thread. Raises httpcore2.ReadTimeout where nothing is."""
        left = float(self._of_thread.deadline - self._clock())
        if left <= 0:
            raise httpcore2.ReadTimeout("the time for this download is over")
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first of a host's public addresses that answers.

        Raises PrivateAddressError where it has none, and httpcore2's ConnectError and ConnectTimeout.
        """
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout = httpcore2.ConnectError("no address answers")
        for address in self._public_addresses(host, port):
            try:
                wait = self.remaining(timeout)
                return BoundedStream(self._tcp.connect_tcp(address, port, wait, local_address, socket_options), self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def _public_addresses(self, host: str, port: int) -> list[str]:
        try:
            found = [ip_address(address) for address in self._resolve(host, port)]
        except OSError as error:
            raise httpcore2.ConnectError(error) from error
        meanings = [(address, "" if address in self._allowed else special_meaning(address)) for address in found]
        public = [str(address) for address, meaning in meanings if not meaning]
        if meanings and not public:
            raise PrivateAddressError(str(meanings[0][0]), meanings[0][1])
        return public


class BoundedStream(httpcore2.NetworkStream):
    """A connection whose every read and write is bounded by the deadline of the thread that asks."""

    def __init__(self, stream: httpcore2.NetworkStream, backend: PublicBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to `max_bytes`."""
        return self._stream.read(max_bytes, self._backend.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of the buffer."""
        self._stream.write(buffer, self._backend.remaining(timeout))

    def close(self) -> None:
        """Let go of the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same connection, encrypted. The server's certificate is checked against its name."""
        try:
            wait = self._backend.remaining(timeout)
        except httpcore2.ReadTimeout:
            self.close()
            raise
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, wait), self._backend)

    def get_extra_info(self, info: str) -> Any:
        """What the library asks of a connection."""
        return self._stream.get_extra_info(info)
