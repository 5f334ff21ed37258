"""A candidate behind an OpenAI-compatible server, asked through the real SDK on a server of this machine."""

from __future__ import annotations

import hashlib
import io
import socket
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.vlmdata.description.servers.model_server import KEY
from tests.vlmdata.description.servers.openai import OpenAIServer
from tests.vlmdata.description.servers.script import Act, Script, burst
from tests.vlmtrain.loopback import no_network
from tests.vlmtrain.small_data import image, picture, row
from vlmdata import pixels
from vlmtrain import endpoint
from vlmtrain.endpoint import KEY_VARIABLE, ask_endpoint
from vlmtrain.errors import ModelError
from vlmtrain.generation import Answer, Generation

__all__ = ["no_network"]
SETTINGS = Generation(max_new_tokens=40)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is where it is looked for; a fault is tried once more, after half a second at most."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr(endpoint, "RETRIES", 1)


def rows_of(count: int) -> list[dict[str, Any]]:
    """Rows that ask different things of one photo."""
    return [
        row(f"p{place}", [("user", [image(), f"Describe {place}!"]), ("assistant", ["A mug."])], [picture("red")])
        for place in range(count)
    ]


def ask(server: OpenAIServer, rows: Sequence[dict[str, Any]], folder: Path | None = None, **more: Any) -> list[Answer]:
    return ask_endpoint(f"{server.endpoint}#{server.model}", rows, SETTINGS, folder=folder, **more)


def refused(server: OpenAIServer, rows: Sequence[dict[str, Any]], folder: Path | None = None) -> str:
    """What is said where the server can't be asked; whatever that is, it never holds the key."""
    with pytest.raises(ModelError) as caught:
        ask(server, rows, folder)
    told = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert KEY not in told
    return caught.value.message


def turned() -> bytes:
    """A photo that EXIF turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    made = Image.new("RGB", (40, 30), "red")
    made.paste((0, 0, 255), (0, 0, 10, 30))
    file = io.BytesIO()
    made.save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_rows_are_asked_greedily_and_answered_in_order() -> None:
    done: list[int] = []
    with OpenAIServer() as server:
        found = ask(server, rows_of(20), progress=done.append)
    assert [each.id for each in found] == [f"p{place}" for place in range(20)]
    assert all(each.text.endswith("easy to clean.") and each.finished and each.failed is None for each in found)
    assert sum(each.tokens for each in found) == server.tokens["output"]
    assert sum(done) == 20
    assert {each.settings["temperature"] for each in server.seen} == {0}
    assert {each.settings["max_tokens"] for each in server.seen} == {40}
    assert {name for each in server.seen for name in each.settings} == {"temperature", "max_tokens", "seed"}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_the_reference_is_not_sent_and_earlier_turns_are() -> None:
    turns = [("system", ["Be brief."]), ("user", ["Hello"]), ("assistant", ["Hi"]), ("user", ["Why?"])]
    with OpenAIServer() as server:
        ask(server, [row("p0", [*turns, ("assistant", ["Secret reference."])])])
    (seen,) = server.seen
    assert seen.prompt == "Why?"
    assert seen.earlier == (("user", "Hello"), ("assistant", "Hi"))
    assert "Secret reference." not in str(seen)


def test_images_arrive_byte_for_byte_and_in_order() -> None:
    images = [picture("red"), picture("blue"), picture("green")]
    rows = [row("p0", [("user", [image(), "and", image(), image(), "What?"]), ("assistant", ["So."])], images)]
    with OpenAIServer() as server:
        ask(server, rows)
    assert server.seen[0].pictures == tuple(hashlib.sha256(data).hexdigest() for data in images)


def test_an_image_that_readers_turn_in_different_ways_is_sent_as_our_pixels() -> None:
    data = turned()
    rows = [row("p0", [("user", [image(), "What?"]), ("assistant", ["So."])], [data])]
    with OpenAIServer() as server:
        ask(server, rows)
    with Image.open(io.BytesIO(server.pictures[server.seen[0].pictures[0]])) as sent:
        assert sent.format == "PNG"
        assert sent.size == (30, 40)
        assert sent.tobytes() == pixels.to_rgb(data).tobytes()


def test_what_the_server_refuses_is_a_row_that_failed_and_the_others_are_answered() -> None:
    script = Script(by_text={"Describe 3!": ["bad_image"], "Describe 5!": ["blocked_answer"], "Describe 6!": ["cut"]})
    with OpenAIServer(script) as server:
        found = ask(server, rows_of(9))
    assert [each.id for each in found if each.failed is not None] == ["p3"]
    assert found[3].failed == "HTTP 400 The server says bad_image."
    assert (found[3].text, found[3].tokens) == ("", 0)
    assert [each.id for each in found if not each.finished] == ["p6"]


@pytest.mark.parametrize(
    ("act", "status"), [("bad_key", 401), ("echoed_key", 401), ("forbidden", 403), ("no_model", 404)]
)
def test_a_refused_key_or_model_stops_and_the_key_is_never_told(act: Act, status: int) -> None:
    with OpenAIServer(Script(by_number=burst(1, 50, act))) as server:
        said = refused(server, rows_of(3))
    assert f"HTTP {status}" in said
    assert KEY_VARIABLE in said
    assert KEY[-4:] not in said


def test_a_server_that_comes_back_is_asked_again() -> None:
    with OpenAIServer(Script(by_number={1: "unavailable"})) as server:
        (found,) = ask(server, rows_of(1))
    assert found.failed is None
    assert server.number == 2


@pytest.mark.parametrize(("act", "status"), [("server_error", 500), ("rate_limit", 429)])
def test_a_server_that_stays_away_stops(act: Act, status: int) -> None:
    with OpenAIServer(Script(by_number=burst(1, 50, act))) as server:
        said = refused(server, rows_of(1))
    assert f"HTTP {status}" in said
    assert "2 times; what was answered is kept" in said
    assert server.number == 2


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match="can't be reached"):
            ask_endpoint(f"{address}#m", rows_of(2), SETTINGS)


def test_what_was_answered_is_kept_and_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    rows = rows_of(40)
    with OpenAIServer(Script(by_text={"Describe 38!": ["server_error"]})) as server:
        refused(server, rows, tmp_path)
        first = server.number
        found = ask(server, rows, tmp_path)
        assert server.paid_twice <= 15  # those of the batch that the fault broke off
        number = server.number
        assert ask(server, rows, tmp_path) == found
    assert first > 32
    assert number - first <= 16
    assert server.number == number
    assert [each.id for each in found] == [each["id"] for each in rows]


def test_other_settings_or_another_model_are_asked_anew(tmp_path: Path) -> None:
    rows = rows_of(2)
    with OpenAIServer() as server:
        place = f"{server.endpoint}#{server.model}"
        ask_endpoint(place, rows, SETTINGS, folder=tmp_path)
        ask_endpoint(place, rows, Generation(max_new_tokens=41), folder=tmp_path)
    assert server.number == 4


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with OpenAIServer(key="") as server:
        (found,) = ask(server, rows_of(1))
    assert found.failed is None
