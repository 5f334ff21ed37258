"""Addresses: only http and https on a listed host, read in one way only, and never shown with their secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.image.address import ListedHosts, parse_address
from vlmdata.image.address_text import name_of, shown
from vlmdata.image.names import ImageReferenceError

LISTED = ListedHosts.of(["images.example.org", "Static.example.net:8080", "xn--bcher-kva.example"])


def rule_of(url: str) -> str:
    try:
        LISTED.refuse_other(parse_address(url))
    except ImageReferenceError as error:
        return error.rule
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.org/a.jpg",
        "HTTPS://IMAGES.example.ORG/a.jpg",
        "http://images.example.org/a.jpg",
        "https://images.example.org:443/a.jpg",
        "http://images.example.org:80/a.jpg",
        "https://images.example.org",
        "https://images.example.org?id=3",
        "https://images.example.org/a b.jpg",
        "https://images.example.org/ä/b.jpg#top",
        "https://images.example.org/a@b.jpg",
        "http://static.example.net:8080/a.jpg",
        "https://static.example.net:8080/a.jpg",
        "https://bücher.example/a.jpg",
        "https://BÜCHER.example/a.jpg",
        "https://images。example。org/a.jpg",
    ],
)
def test_a_listed_host_is_allowed(url: str) -> None:
    assert rule_of(url) == ""


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://example.org/a.jpg", "network.host"),
        ("https://cdn.images.example.org/a.jpg", "network.host"),
        ("https://images.example.org.evil.test/a.jpg", "network.host"),
        ("https://images.example.org./a.jpg", "network.host"),
        ("https://images.example.org:8443/a.jpg", "network.host"),
        ("http://images.example.org:443/a.jpg", "network.host"),
        ("https://static.example.net/a.jpg", "network.host"),
        ("https://evil.test/?https://images.example.org/a.jpg", "network.host"),
        ("http://evil.test#@images.example.org/", "network.host"),
        ("http://evil.test/#@images.example.org/", "network.host"),
        ("http://evil.test?@images.example.org/", "network.host"),
        ("http://images.example.org%2eevil.test/a.jpg", "network.url"),
        ("http://images.example.org%00.evil.test/a.jpg", "network.url"),
        ("http://127.0.0.1/a.jpg", "network.host"),
        ("http://2130706433/a.jpg", "network.host"),
        ("http://0x7f000001/a.jpg", "network.host"),
        ("http://127.1/a.jpg", "network.host"),
        ("http://0177.0.0.1/a.jpg", "network.url"),
        ("http://[::1]/a.jpg", "network.host"),
        ("http://[::ffff:127.0.0.1]/a.jpg", "network.host"),
        ("http://[fe80::1%25eth0]/a.jpg", "network.host"),
        ("http://images.example.org@evil.test/a.jpg", "network.credentials"),
        ("http://images.example.org:80@evil.test/a.jpg", "network.credentials"),
        ("http://user:secret@images.example.org/a.jpg", "network.credentials"),
        ("http://@images.example.org/a.jpg", "network.credentials"),
        ("http://evil.test\\@images.example.org/a.jpg", "network.url"),
        ("http://images.example.org\\@evil.test/a.jpg", "network.url"),
        ("http:\\\\images.example.org\\a.jpg", "network.url"),
        ("http:/images.example.org/a.jpg", "network.url"),
        ("http:images.example.org/a.jpg", "network.url"),
        ("http:///images.example.org/a.jpg", "network.url"),
        ("http://", "network.url"),
        ("http://:80/a.jpg", "network.url"),
        ("http://images.example.org:0/a.jpg", "network.url"),
        ("http://images.example.org:65536/a.jpg", "network.url"),
        ("http://images.example.org:x/a.jpg", "network.url"),
        ("http://images.example.org /a.jpg", "network.url"),
        ("http://images .example.org/a.jpg", "network.url"),
        ("http://images.example.org\n/a.jpg", "network.url"),
        ("http://images.example.org\r\nHost: evil.test/a.jpg", "network.url"),
        ("http://images.example.org/a.jpg\t", "network.url"),
        ("http://images.example.org/\ud800.jpg", "network.url"),
        ("http://images.example.org/\u202egpj.a", "network.url"),
        ("http://ｉmages.example.org/a.jpg", "network.url"),
        ("http://images.example.org" + "/a" * 40_000, "network.url"),
        ("ftp://images.example.org/a.jpg", "network.scheme"),
        ("file:///etc/passwd", "network.scheme"),
        ("gopher://images.example.org/a.jpg", "network.scheme"),
        ("data:image/png;base64,AAAA", "network.scheme"),
        ("//images.example.org/a.jpg", "network.scheme"),
        ("photos/a.jpg", "network.scheme"),
        ("", "network.scheme"),
    ],
)
def test_everything_else_is_refused(url: str, rule: str) -> None:
    assert rule_of(url) == rule


def test_what_is_checked_is_what_is_asked_for() -> None:
    address = parse_address("HTTPS://Images.Example.org:443/a/../b c.jpg?token=ä#top")
    assert (address.scheme, address.host, address.port) == ("https", "images.example.org", 443)
    assert address.target == "/b%20c.jpg?token=%C3%A4"
    assert address.text == "https://images.example.org/b%20c.jpg?token=%C3%A4"
    assert address.origin == "https://images.example.org"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("https://cdn.test/a.jpg", "if it may be asked for images, add cdn.test to `network`"),
        ("http://cdn.test:8080/a.jpg", "add cdn.test:8080 to `network`"),
        ("https://images.example.org:8443/a.jpg", "is listed with its host: add images.example.org:8443 to `network`"),
        (
            "https://cdn.images.example.org/a.jpg",
            "below it: if this one may be asked, add cdn.images.example.org to `network`",
        ),
        ("https://grün.example/a.jpg", "add xn--grn-ioa.example to `network`"),
        ("https://images.example.org./a.jpg", "without the dot after 'images.example.org'"),
        ("https://[2001:db8::1]/a.jpg", "use the host's name"),
    ],
)
def test_the_hint_says_how_to_list_a_host(url: str, hint: str) -> None:
    with pytest.raises(ImageReferenceError) as raised:
        LISTED.refuse_other(parse_address(url))
    assert hint in raised.value.hint


@given(st.text(st.sampled_from("htps:/\\@#?.[]%a1 exmplorg"), max_size=40))
def test_whatever_is_allowed_goes_to_a_listed_host(tail: str) -> None:
    for url in (tail, f"http://{tail}", f"http://images.example.org{tail}", f"http://{tail}images.example.org"):
        try:
            address = parse_address(url)
            LISTED.refuse_other(address)
        except ImageReferenceError as error:
            assert error.rule.startswith("network.")
        else:
            assert address.host == "images.example.org"
            assert parse_address(address.text) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.test/b/c.jpg", "https://a.test/b/c.jpg"),
        ("https://a.test:8080/c.jpg?token=s3cret&x=1#s3cret", "https://a.test:8080/c.jpg?…"),
        ("https://a.test/c.jpg#s3cret", "https://a.test/c.jpg"),
        ("https://s3cret:s3cret@a.test/c.jpg", "https://…@a.test/c.jpg"),
        ("https://s3cret@a.test/c.jpg?s3cret", "https://…@a.test/c.jpg?…"),
        ("https://user:s3cret/s3cret@a.test/c.jpg", "https://…"),
        ("https://user:s3cret?s3cret@a.test/c.jpg", "https://…"),
        ("https:\\\\user:s3cret@a.test", "https…"),
        ("https:user:s3cret@a.test", "https…"),
        ("https://[::1]:80/c.jpg", "https://[::1]:80/c.jpg"),
        ("data:image/png;base64,s3cret", "data:image/png;base64…"),
        ("https://a.test/" + "x" * 500, "https://a.test/" + "x" * 145 + "…"),
    ],
)
def test_a_message_shows_no_secret(url: str, expected: str) -> None:
    assert shown(url) == expected
    with pytest.raises(ImageReferenceError) as raised:
        ListedHosts.of([]).refuse_other(parse_address(url))
    assert "s3cret" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.test/b/c.jpg", "c.jpg"),
        ("https://a.test/b/c%20d%C3%A4.jpg?x=/e.png#/f.png", "c dä.jpg"),
        ("https://a.test/b/", "b"),
        ("https://a.test/", ""),
        ("https://a.test", ""),
        ("https://a.test?a/b.jpg", ""),
        ("https://a.test/%2e%2e%2fetc%2fpasswd", "_etc_passwd"),
        ("https://a.test/..%5C..%5Ca.jpg", "_.._a.jpg"),
        ("https://a.test/a%00b%0A%E2%80%AEgpj.exe", "a_b__gpj.exe"),
        ("https://a.test/C:a.jpg", "C_a.jpg"),
        ("https://a.test/con.jpg", "_con.jpg"),
        ("https://a.test/%FF.jpg", "\ufffd.jpg"),
        ("https://a.test/a\u0308.jpg", "ä.jpg"),
        ("https://a.test/" + "ä" * 300 + ".jpeg", "ä" * 57 + ".jpeg"),
        ("https://a.test/x." + "y" * 300, "x." + "y" * 118),
        ("https://a.test/%20.%20", ""),
    ],
)
def test_an_image_is_named_by_the_end_of_its_address(url: str, name: str) -> None:
    assert name_of(url) == name


@given(st.text())
def test_a_name_is_bare_and_short(text: str) -> None:
    for url in (text, f"https://a.test/{text}"):
        name = name_of(url)
        assert name not in {".", ".."}
        assert not set(name) & set('/\\\0:*?"<>|')
        assert len(name.encode()) <= 121
