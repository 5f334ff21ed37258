"""Which numbers are public, and that no other is connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.image.public_address import NAT64, PrivateAddressError, PublicBackend, special_meaning, system_addresses


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "192.88.99.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "203.0.113.9"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1", "100::1"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "3fff::1", "5f00::1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8", "4000::1"),
    ],
)
def test_an_address_that_is_not_public_is_known(address: str) -> None:
    assert special_meaning(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255"),
        *("2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888", "64:ff9b::8.8.8.8"),
        *("::ffff:8.8.8.8", "168.63.129.15"),
    ],
)
def test_a_public_address_is_let_through(address: str) -> None:
    assert special_meaning(ip_address(address)) == ""


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_way_of_writing_a_special_address_makes_it_public(address: IPv4Address) -> None:
    embedded = [
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(f"64:ff9b::{address}"),
        IPv6Address(f"::{address}"),
        IPv6Address((0x2002 << 112) | (int(address) << 80)),
    ]
    if special_meaning(address):
        assert all(special_meaning(other) for other in embedded)
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert special_meaning(address)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_that_python_calls_private_is_never_public(address: IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local or address.is_reserved:
        assert special_meaning(address) or address.ipv4_mapped or address in NAT64


def backend(*addresses: str, allowed: tuple[str, ...] = ()) -> PublicBackend:
    made = PublicBackend(lambda _host, _port: addresses, allowed, clock=lambda: 0.0)
    made.hold_to(5.0)
    return made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:7f00:1", "::1", "0.0.0.0", "169.254.169.254"])
def test_a_name_that_leads_to_a_special_address_is_not_connected_to(address: str, listener: socket.socket) -> None:
    with pytest.raises(PrivateAddressError) as raised:
        backend(address).connect_tcp("images.example.org", listener.getsockname()[1])
    assert raised.value.address == address
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_an_address_that_is_allowed_by_number_is_the_only_one_connected_to(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1", "127.0.0.1"]

    made = PublicBackend(resolve, ["127.0.0.1"], clock=lambda: 0.0)
    made.hold_to(5.0)
    stream = made.connect_tcp("images.example.org", port)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    assert asked == ["images.example.org"]
    stream.close()


def test_allowing_one_address_allows_no_other() -> None:
    with pytest.raises(PrivateAddressError, match=r"127\.0\.0\.2 \(loopback\)"):
        backend("127.0.0.2", allowed=("127.0.0.1",)).connect_tcp("images.example.org", 80)


def test_a_name_without_addresses_is_unreachable() -> None:
    with pytest.raises(httpcore2.ConnectError):
        backend().connect_tcp("images.example.org", 80)


def test_nothing_is_connected_to_after_the_deadline(listener: socket.socket) -> None:
    made = PublicBackend(lambda _host, _port: ["127.0.0.1"], ["127.0.0.1"], clock=lambda: 5.0)
    made.hold_to(5.0)
    with pytest.raises(httpcore2.TimeoutException):
        made.connect_tcp("images.example.org", listener.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_the_system_reads_every_way_of_writing_loopback_and_it_is_refused(host: str) -> None:
    made = PublicBackend(system_addresses, [], clock=lambda: 0.0)
    made.hold_to(5.0)
    with pytest.raises(PrivateAddressError, match=r"127\.0\.0\.1"):
        made.connect_tcp(host, 80)
