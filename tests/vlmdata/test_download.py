"""Downloads against a server on this machine that does everything wrong, one thing at a time."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.vlmdata.image_server import Handler, ImageServer, serving
from tests.vlmdata.shop import Shop, drawn, encoded, product
from vlmdata.errors import ConfigError, OutputError
from vlmdata.image.download import Downloader, System, open_downloader
from vlmdata.image.download_cache import cache_folder
from vlmdata.image.exchange import Patience
from vlmdata.image.folder import ImageReferenceError

PICTURE = encoded(drawn(size=(120, 90)))
HOST = "images.example.org"
PUBLIC_CERTIFICATES = ssl.create_default_context()
LOOPBACK = frozenset({"127.0.0.1"})
Make = Callable[..., Downloader]


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with serving() as server:
        server.answers("/mug.jpg", 200, PICTURE)
        yield server


@pytest.fixture
def waits() -> list[float]:
    """How long was slept, instead of sleeping."""
    return []


@pytest.fixture
def make(server: ImageServer, tmp_path: Path, waits: list[float]) -> Iterator[Make]:
    """Downloaders that may ask the server, and are closed in the end."""
    made: list[Downloader] = []

    def make(**changes: Any) -> Downloader:
        system = System(
            resolve=lambda _host, _port: ["127.0.0.1"], sleep=waits.append, certificates=PUBLIC_CERTIFICATES
        )
        settings: dict[str, Any] = {
            "hosts": [server.place, f"{HOST}:{server.server_port}"],
            "cache": tmp_path / "cache",
            "byte_limit": 20_000,
            "allow_private": LOOPBACK,
            "system": replace(system, **changes.pop("system", {})),
        }
        made.append(Downloader(**(settings | changes)))
        return made[-1]

    yield make
    for downloader in made:
        downloader.close()


def refused(downloader: Downloader, url: str) -> ImageReferenceError:
    with pytest.raises(ImageReferenceError) as raised:
        downloader(url)
    assert raised.value.hint
    return raised.value


def test_an_image_arrives_as_it_is(server: ImageServer, make: Make) -> None:
    assert make()(server.url("/mug.jpg?size=1", HOST)) == PICTURE
    assert server.asked == ["/mug.jpg?size=1"]
    assert server.headers[0]["accept-encoding"] == "identity"
    assert server.headers[0]["host"] == f"{HOST}:{server.server_port}"
    assert server.headers[0]["user-agent"].startswith("vlmdata/")
    assert not {"cookie", "authorization", "referer"} & server.headers[0].keys()


def test_a_host_that_is_not_listed_is_never_asked(server: ImageServer, make: Make) -> None:
    error = refused(make(hosts=[HOST]), server.url("/mug.jpg", HOST))
    assert error.rule == "network.host"
    assert error.hint.endswith(f"is listed with its host: add {HOST}:{server.server_port} to `network`")
    assert refused(make(hosts=[]), server.url("/mug.jpg")).rule == "network.host"
    assert server.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:a00:1", "64:ff9b::7f00:1", "10.0.0.1"])
def test_a_listed_name_that_leads_inside_is_refused(server: ImageServer, make: Make, address: str) -> None:
    downloader = make(allow_private=frozenset(), system={"resolve": lambda _host, _port: [address]})
    error = refused(downloader, server.url("/mug.jpg", HOST))
    assert error.rule == "network.private_address"
    assert f"leads to {address}, which is no public address" in error.message
    assert server.asked == []


def test_a_name_that_changes_its_answer_gains_nothing(server: ImageServer, make: Make, waits: list[float]) -> None:
    answers = iter([["192.0.2.1"], ["127.0.0.1"]])
    downloader = make(allow_private=frozenset(), system={"resolve": lambda _host, _port: next(answers)})
    assert refused(downloader, server.url("/mug.jpg", HOST)).rule == "network.private_address"
    assert list(answers) == [["127.0.0.1"]]
    assert (server.asked, waits) == ([], [])


def test_a_proxy_of_the_environment_is_not_used(
    server: ImageServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert make()(server.url("/mug.jpg")) == PICTURE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_listed_host_is_followed(server: ImageServer, make: Make, status: int) -> None:
    server.answers("/old.jpg", status, b"moved", location=server.url("/mug.jpg", HOST))
    assert make()(server.url("/old.jpg")) == PICTURE
    server.answers("/relative.jpg", status, location="mug.jpg?x")
    assert make()(server.url("/relative.jpg")) == PICTURE


@pytest.mark.parametrize(
    ("location", "rule", "said"),
    [
        ("http://evil.test/secret?token=s3cret", "network.host", "'http://evil.test/secret?…' is on 'evil.test'"),
        ("//evil.test/", "network.host", "evil.test"),
        ("http://[", "network.redirect", "is no address"),
        ("http://127.0.0.1:1/", "network.host", "127.0.0.1:1"),
        ("http://images.example.org@evil.test/", "network.credentials", "user name or password"),
        ("http:\\\\evil.test/", "network.url", "backslash"),
        ("file:///etc/passwd", "network.scheme", "no http or https address"),
        ("ftp://images.example.org/a.jpg", "network.scheme", "no http or https address"),
        ("", "network.redirect", "without saying where to"),
    ],
)
def test_a_redirect_elsewhere_is_refused(server: ImageServer, make: Make, location: str, rule: str, said: str) -> None:
    server.answers("/old.jpg", 302, location=location)
    error = refused(make(), server.url("/old.jpg?token=s3cret"))
    assert (error.rule, said in error.message) == (rule, True), error.message
    assert error.message.startswith(f"'{server.url('/old.jpg')}?…' redirects")
    assert "s3cret" not in error.message
    assert server.asked == ["/old.jpg?token=s3cret"]


def test_a_redirect_to_a_listed_name_that_leads_inside_is_refused(server: ImageServer, make: Make) -> None:
    addresses = {"127.0.0.1": ["127.0.0.1"], HOST: ["10.0.0.1"]}
    server.answers("/old.jpg", 302, location=server.url("/mug.jpg", HOST))
    error = refused(make(system={"resolve": lambda host, _port: addresses[host]}), server.url("/old.jpg"))
    assert error.rule == "network.private_address"
    assert "leads to 10.0.0.1" in error.message
    assert server.asked == ["/old.jpg"]


def test_redirects_end_after_five(server: ImageServer, make: Make, tmp_path: Path) -> None:
    for number in range(10):
        server.answers(f"/{number}", 302, location=f"/{number + 1}")
    server.answers("/5", 200, PICTURE)
    assert make()(server.url("/0")) == PICTURE
    server.answers("/5", 302, location="/6")
    error = refused(make(cache=tmp_path / "empty"), server.url("/0"))
    assert (error.rule, error.message) == ("network.redirect", f"'{server.url('/0')}' redirects more than 5 times")


def test_a_circle_of_redirects_is_noticed(server: ImageServer, make: Make) -> None:
    server.answers("/a", 302, location="/b")
    server.answers("/b", 302, location="/a")
    error = refused(make(), server.url("/a"))
    assert (error.rule, "comes up again" in error.message) == ("network.redirect", True)
    assert server.asked == ["/a", "/b"]


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 401, 403, 404, 410, 418, 451, 799])
def test_no_status_but_success_is_an_image_and_it_is_asked_once(
    server: ImageServer, make: Make, waits: list[float], status: int
) -> None:
    server.routes["/mug.jpg"] = lambda handler: handler.answer(status, b"" if status in {204, 304} else b"no")
    error = refused(make(), server.url("/mug.jpg"))
    again = status == 799
    assert error.rule == "network.status"
    assert f"is answered with {status}" in error.message
    assert len(server.asked) == (4 if again else 1)
    assert len(waits) == (3 if again else 0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_growing_waits(
    server: ImageServer, make: Make, waits: list[float], status: int
) -> None:
    answers = iter([status, status, status, 200])
    server.routes["/busy.jpg"] = lambda handler: handler.answer(next(answers), PICTURE)
    assert make()(server.url("/busy.jpg")) == PICTURE
    assert [low <= wait <= 2 * low for low, wait in zip((0.25, 0.5, 1.0), waits, strict=True)] == [True] * 3


def test_what_does_not_pass_is_given_up_and_counted(server: ImageServer, make: Make, waits: list[float]) -> None:
    server.answers("/busy.jpg", 503, b"no")
    error = refused(make(), server.url("/busy.jpg"))
    assert error.message == f"'{server.url('/busy.jpg')}' is answered with 503 Service Unavailable (4 tries)"
    assert (len(server.asked), len(waits)) == (4, 3)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("0", 0.5), ("junk", 0.5), ("-7", 0.5), ("", 0.5), ("²", 0.5)],
)
def test_a_server_is_given_the_time_it_asks_for(
    server: ImageServer, make: Make, waits: list[float], asked: str, waited: float
) -> None:
    answers = iter([429, 200])
    server.routes["/busy.jpg"] = lambda handler: handler.answer(next(answers), PICTURE, retry_after=asked)
    assert make()(server.url("/busy.jpg")) == PICTURE
    assert waits[0] == waited if waited > 0.5 else waits[0] <= waited


def test_a_date_to_wait_for_is_held_against_the_servers_own_clock(
    server: ImageServer, make: Make, waits: list[float]
) -> None:
    answers = iter([503, 200])

    @server.route("/busy.jpg")
    def busy(handler: Handler) -> None:
        handler.date_time_string = lambda *_: formatdate(1_000, usegmt=True)  # type: ignore[method-assign]
        handler.answer(next(answers), PICTURE, retry_after=formatdate(1_009, usegmt=True))

    assert make()(server.url("/busy.jpg")) == PICTURE
    assert waits == [9.0]


@pytest.mark.parametrize("asked", ["61", "86400", "9" * 400])
def test_a_server_that_asks_for_too_long_is_not_asked_again(
    server: ImageServer, make: Make, waits: list[float], asked: str
) -> None:
    server.answers("/busy.jpg", 429, b"no", retry_after=asked)
    assert "429 Too Many Requests" in refused(make(), server.url("/busy.jpg")).message
    assert (len(server.asked), waits) == (1, [])


def test_a_connection_that_breaks_is_tried_again(server: ImageServer, make: Make, waits: list[float]) -> None:
    turn = count()

    @server.route("/broken.jpg")
    def broken(handler: Handler) -> None:
        if next(turn) == 0:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(PICTURE)))
            handler.end_headers()
            handler.wfile.write(PICTURE[:100])
            handler.reset()
        else:
            handler.answer(200, PICTURE)

    assert make()(server.url("/broken.jpg")) == PICTURE
    assert len(waits) == 1


def test_a_connection_that_always_breaks_is_given_up(server: ImageServer, make: Make) -> None:
    server.routes["/broken.jpg"] = Handler.reset
    error = refused(make(), server.url("/broken.jpg"))
    assert (error.rule, len(server.asked)) == ("network.unreachable", 4)
    assert error.message.endswith("(4 tries)")


def test_a_body_shorter_than_announced_is_no_image(server: ImageServer, make: Make) -> None:
    @server.route("/short.jpg")
    def short(handler: Handler) -> None:
        handler.answer(200, PICTURE[:500], content_length="1000")
        handler.close_connection = True

    error = refused(make(), server.url("/short.jpg"))
    assert error.rule == "network.unreachable"
    assert "did not arrive whole" in error.message


def test_a_port_where_nobody_listens_is_unreachable(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = refused(make(hosts=[f"127.0.0.1:{port}"]), f"http://127.0.0.1:{port}/a.jpg")
    assert (error.rule, "can't be reached" in error.message) == ("network.unreachable", True)


def test_a_host_that_stays_silent_is_tried_less_until_it_answers(server: ImageServer, make: Make) -> None:
    server.routes["/broken.jpg"] = Handler.reset
    downloader = make()
    for _ in range(5):
        refused(downloader, server.url("/broken.jpg"))
    assert len(server.asked) == 20
    assert "tries" not in refused(downloader, server.url("/broken.jpg")).message
    assert len(server.asked) == 21
    assert downloader(server.url("/mug.jpg")) == PICTURE
    refused(downloader, server.url("/broken.jpg"))
    assert len(server.asked) == 26


@pytest.mark.parametrize(("code", "tries"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 4)])
def test_a_name_that_nobody_knows_is_asked_for_once(make: Make, code: int, tries: int, server: ImageServer) -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        raise socket.gaierror(code, "no such name")

    error = refused(make(system={"resolve": resolve}), server.url("/mug.jpg", HOST))
    assert (error.rule, asked) == ("network.unreachable", [HOST] * tries)
    assert "no such name" in error.message


def test_silence_ends_the_wait(server: ImageServer, make: Make) -> None:
    server.routes["/silent.jpg"] = lambda handler: handler.server.released.wait(60) and None
    error = refused(make(patience=Patience(read_seconds=0.05, tries=2)), server.url("/silent.jpg"))
    assert error.rule == "network.timeout"
    assert "at most 10 s to connect, 0.05 s of silence, and 300 s altogether" in error.message
    assert len(server.asked) == 2


def test_silence_within_the_body_ends_the_wait(server: ImageServer, make: Make) -> None:
    @server.route("/slow.jpg")
    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.server.released.wait(60)

    assert (
        refused(make(patience=Patience(read_seconds=0.05, tries=1)), server.url("/slow.jpg")).rule == "network.timeout"
    )


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_trickle_ends_with_the_time_for_the_whole(server: ImageServer, make: Make, part: str) -> None:
    """The clock moves by a second each time it is read: every piece comes quickly, and there is no end of pieces."""

    @server.route("/trickle.jpg")
    def trickle(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if part == "headers" else b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.released.is_set():
            handler.wfile.write(b"X: y\r\n" if part == "headers" else b"x")
            handler.server.released.wait(0.0005)

    ticks = count()
    downloader = make(patience=Patience(seconds=20), system={"clock": lambda: float(next(ticks))})
    error = refused(downloader, server.url("/trickle.jpg"))
    assert error.rule == "network.timeout"
    assert (next(ticks) < 30, len(server.asked)) == (True, 1)


def test_an_image_over_the_bound_is_not_read(server: ImageServer, make: Make) -> None:
    server.routes["/large.jpg"] = lambda handler: handler.answer(200, content_length="20001")
    error = refused(make(), server.url("/large.jpg"))
    assert (error.rule, "is 20,001 bytes, at most 20,000" in error.message) == ("network.too_large", True)
    server.answers("/exact.jpg", 200, b"x" * 20_000)
    assert len(make()(server.url("/exact.jpg"))) == 20_000


def test_a_body_without_end_is_left_at_the_bound(server: ImageServer, make: Make) -> None:
    @server.route("/endless.jpg")
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while not handler.server.released.is_set():
            handler.chunk(b"x" * 4096)

    error = refused(make(), server.url("/endless.jpg"))
    assert (error.rule, "does not end" in error.message) == ("network.too_large", True)
    assert len(server.asked) == 1


def test_bytes_after_the_announced_length_are_not_read(server: ImageServer, make: Make) -> None:
    server.answers("/long.jpg", 200, PICTURE + b"more", content_length=str(len(PICTURE)))
    downloader = make()
    assert downloader(server.url("/long.jpg")) == PICTURE
    assert downloader(server.url("/mug.jpg")) == PICTURE


@pytest.mark.parametrize("length", ["-1", "1e3", "5, 6"])
def test_a_length_that_is_no_number_is_refused(server: ImageServer, make: Make, length: str) -> None:
    server.answers("/odd.jpg", 200, b"12345", content_length=length)
    assert refused(make(), server.url("/odd.jpg")).rule == "network.unreachable"


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-gzip, identity", "zstd"])
def test_a_compressed_body_is_refused_before_it_unfolds(server: ImageServer, make: Make, encoding: str) -> None:
    server.answers("/bomb.jpg", 200, gzip.compress(bytes(10_000_000)), content_encoding=encoding)
    error = refused(make(), server.url("/bomb.jpg"))
    assert (error.rule, len(server.asked)) == ("network.encoding", 1)
    server.answers("/plain.jpg", 200, PICTURE, content_encoding="Identity")
    assert make()(server.url("/plain.jpg")) == PICTURE


def test_no_message_holds_a_query(server: ImageServer, make: Make) -> None:
    server.answers("/busy.jpg", 503)
    server.routes["/broken.jpg"] = Handler.reset
    for path in ("/busy.jpg", "/broken.jpg", "/nowhere.jpg"):
        server.routes.setdefault("/nowhere.jpg", lambda handler: handler.answer(404))
        error = refused(make(), f"{server.url(path)}?X-Amz-Signature=s3cret#s3cret")
        assert "s3cret" not in error.message + error.hint
        assert f"{path}?…'" in error.message


def test_a_second_build_needs_no_network(server: ImageServer, make: Make) -> None:
    url = server.url("/mug.jpg?token=s3cret")
    assert make()(url) == PICTURE
    assert make()(url) == PICTURE
    assert make(offline=True)(f"{url}#elsewhere") == PICTURE
    assert len(server.asked) == 1
    error = refused(make(offline=True), server.url("/other.jpg"))
    assert (error.rule, "nothing is downloaded now" in error.message) == ("network.offline", True)
    assert len(server.asked) == 1


def test_the_cache_holds_no_address(server: ImageServer, make: Make, tmp_path: Path) -> None:
    url = server.url("/mug.jpg?token=s3cret")
    make()(url)
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept.name == hashlib.sha256(url.encode()).hexdigest()
    assert b"s3cret" not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"[]\n", b"\xff\n", b'{"version": 1}\n' + PICTURE, b"x" * 9000])
def test_a_damaged_entry_is_fetched_anew(server: ImageServer, make: Make, tmp_path: Path, damage: bytes) -> None:
    url = server.url("/mug.jpg")
    make()(url)
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    whole = kept.read_bytes()
    for damaged in (damage, whole[:-1], whole[:-1] + b"!", whole + b"!"):
        kept.write_bytes(damaged)
        assert make()(url) == PICTURE
        assert kept.read_bytes() == whole
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    "body",
    [b"", b"<!DOCTYPE html><p>Busy</p>", b'{"error": "try again"}', b"version https://git-lfs.github.com/spec/v1\n"],
)
def test_what_is_no_image_is_not_kept(server: ImageServer, make: Make, tmp_path: Path, body: bytes) -> None:
    server.answers("/mug.jpg", 200, body)
    assert make()(server.url("/mug.jpg")) == body
    server.answers("/mug.jpg", 404)
    assert refused(make(), server.url("/mug.jpg")).rule == "network.status"
    assert not (tmp_path / "cache").exists()
    server.answers("/mug.jpg", 200, PICTURE)
    assert make()(server.url("/mug.jpg")) == PICTURE


def test_what_was_kept_is_held_to_the_bound_and_the_list(server: ImageServer, make: Make) -> None:
    server.answers("/old.jpg", 302, location=server.url("/mug.jpg", HOST))
    url = server.url("/old.jpg")
    assert make()(url) == PICTURE
    assert refused(make(byte_limit=100), url).rule == "network.too_large"
    assert refused(make(hosts=[HOST]), url).rule == "network.host"
    error = refused(make(hosts=[server.place]), url)
    assert (error.rule, "redirects" in error.message) == ("network.host", True)


def test_a_cache_that_can_not_be_written_is_named(server: ImageServer, make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/cache: downloaded images can't be kept there: .*VLMDATA_CACHE"):
        make(cache=tmp_path / "file" / "cache")(server.url("/mug.jpg"))


def test_nothing_half_written_stays_behind(
    server: ImageServer, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        make()(server.url("/mug.jpg"))
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_threads_that_ask_at_once_get_one_download_each(server: ImageServer, make: Make) -> None:
    entered = threading.Barrier(8)
    for number in range(3):
        server.answers(f"/{number}.jpg", 200, PICTURE + bytes([number]))
    downloader = make()

    def ask(_thread: int) -> list[bytes]:
        entered.wait(10)
        return [downloader(server.url(f"/{number}.jpg")) for number in range(3)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert found == [[PICTURE + bytes([number]) for number in range(3)]] * 8
    assert sorted(server.asked) == ["/0.jpg", "/1.jpg", "/2.jpg"]


def test_connections_are_used_again(server: ImageServer, make: Make) -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    downloader = make(system={"resolve": resolve})
    for number in range(5):
        server.answers(f"/{number}.jpg", 200, PICTURE)
        downloader(server.url(f"/{number}.jpg"))
    assert asked == ["127.0.0.1"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for images.example.org that nobody has signed, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    paths = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={HOST}"
    words = [*command.split(), "-addext", f"subjectAltName=DNS:{HOST}", "-out", paths[0], "-keyout", paths[1]]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    return paths


@pytest.fixture
def secure(certificate: tuple[str, str]) -> Iterator[ImageServer]:
    with serving(*certificate) as server:
        server.answers("/mug.jpg", 200, PICTURE)
        yield server


@pytest.fixture
def make_secure(make: Make, secure: ImageServer, certificate: tuple[str, str], server: ImageServer) -> Make:
    """Downloaders that trust the certificate, and may ask the secure server and the other one."""
    trusting = {"certificates": ssl.create_default_context(cafile=certificate[0])}
    hosts = [f"{HOST}:{secure.server_port}", f"other.example.org:{secure.server_port}", f"{HOST}:{server.server_port}"]
    return lambda **changes: make(**({"hosts": hosts, "system": trusting} | changes))


def test_a_trusted_certificate_is_held_to_the_name_and_not_the_number(
    secure: ImageServer, make_secure: Make, tmp_path: Path
) -> None:
    assert make_secure()(secure.url("/mug.jpg", HOST)) == PICTURE
    error = refused(make_secure(cache=tmp_path / "empty"), secure.url("/mug.jpg", "other.example.org"))
    assert (error.rule, "Hostname mismatch" in error.message) == ("network.tls", True)


def test_an_unsigned_certificate_is_refused_at_once(secure: ImageServer, make_secure: Make, waits: list[float]) -> None:
    error = refused(make_secure(system={"certificates": None}), secure.url("/mug.jpg", HOST))
    assert (error.rule, waits, secure.asked) == ("network.tls", [], [])
    assert f"the certificate of '{HOST}' is not to be trusted" in error.message


def test_a_server_without_tls_is_no_https_server(server: ImageServer, make_secure: Make) -> None:
    url = server.url("/mug.jpg", HOST).replace("http:", "https:")
    assert refused(make_secure(), url).rule == "network.tls"


def test_a_redirect_from_https_to_http_is_refused(secure: ImageServer, server: ImageServer, make_secure: Make) -> None:
    secure.answers("/old.jpg", 302, location=server.url("/mug.jpg", HOST))
    error = refused(make_secure(), secure.url("/old.jpg", HOST))
    assert (error.rule, "is not encrypted" in error.message) == ("network.redirect", True)
    assert server.asked == []


def test_the_environment_names_the_cache_and_the_switches(server: ImageServer, tmp_path: Path) -> None:
    environ = {"VLMDATA_CACHE": str(tmp_path / "kept"), "VLMDATA_ALLOW_PRIVATE_ADDRESSES": "127.0.0.1, ::1"}
    with open_downloader([server.place], byte_limit=20_000, environ=environ) as download:
        assert download(server.url("/mug.jpg")) == PICTURE
    assert list((tmp_path / "kept" / "images").rglob("*"))
    for name, value in (("VLMDATA_OFFLINE", "1"), ("HF_HUB_OFFLINE", "true")):
        with open_downloader([server.place], byte_limit=20_000, environ=environ | {name: value}) as download:
            assert download(server.url("/mug.jpg")) == PICTURE
            assert refused(download, server.url("/other.jpg")).rule == "network.offline"
    with open_downloader([server.place], byte_limit=20_000, environ={}) as download:
        assert refused(download, server.url("/other.jpg")).rule == "network.private_address"


def test_an_allowed_address_must_be_a_number() -> None:
    with pytest.raises(ConfigError, match="VLMDATA_ALLOW_PRIVATE_ADDRESSES: 'localhost' is no numeric address"):
        open_downloader([], byte_limit=1, environ={"VLMDATA_ALLOW_PRIVATE_ADDRESSES": "localhost"})


def test_the_cache_stands_in_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder({}) == Path("/home/me/.cache/vlmdata/images")
    assert cache_folder({"XDG_CACHE_HOME": "/var/my"}) == Path("/var/my/vlmdata/images")
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == Path("/home/me/.cache/vlmdata/images")
    assert cache_folder({"XDG_CACHE_HOME": "/var/my", "VLMDATA_CACHE": "/data"}) == Path("/data/images")


def test_a_build_downloads_once_and_is_the_same_without_a_network(
    server: ImageServer, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("VLMDATA_CACHE", str(tmp_path / "kept"))
    monkeypatch.setenv("VLMDATA_ALLOW_PRIVATE_ADDRESSES", "127.0.0.1")
    server.answers("/gone.jpg", 404)
    addresses = [server.url("/mug.jpg?token=s3cret"), server.url("/gone.jpg?token=s3cret"), "0.png"]
    shop.write(product(number, photo=photo) for number, photo in enumerate(addresses))
    first = shop.build(out=tmp_path / "first", network=[server.place])
    assert (first.ledger.rows_used, first.ledger.rejected_by_rule) == (2, {"network.status": 1})
    assert server.asked == ["/mug.jpg?token=s3cret", "/gone.jpg?token=s3cret"]
    monkeypatch.setenv("VLMDATA_OFFLINE", "1")
    second = shop.build(out=tmp_path / "second", network=[server.place])
    assert second.ledger.rejected_by_rule == {"network.offline": 1}
    shards = [[file.read_bytes() for file in sorted(built.path.rglob("*.arrow"))] for built in (first, second)]
    assert shards[0]
    assert shards[0] == shards[1]
    assert "s3cret" not in (first.path / "report.json").read_text()
