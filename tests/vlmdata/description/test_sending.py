"""What leaves the machine: pixels as they are or fewer of them, never where a photo was taken, never the key."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import vlmdata
import vlmdata.errors
import vlmdata.image.folder
import vlmdata.image.verifying
from tests.vlmdata.description.catalog import RECIPE, Catalog, described, photo
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.openai import OpenAIServer
from tests.vlmdata.description.servers.script import Act, Script
from vlmdata.cli import app
from vlmdata.describe_access import Access
from vlmdata.describe_estimate import estimate_descriptions
from vlmdata.describe_words import estimate_text
from vlmdata.errors import ConfigError
from vlmdata.image.places import tells_place
from vlmdata.image.traits import has_position
from vlmdata.terminal import exit_code_of

pytestmark = pytest.mark.usefixtures("key", "fast")


def with_position(kind: str = "JPEG") -> bytes:
    """A photo as a phone saves it, with the place where it was taken."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    data = photo(5, kind=kind, exif=exif)
    assert has_position(Image.open(io.BytesIO(data)))
    return data


def one_photo(catalog: Catalog, data: bytes, name: str) -> None:
    catalog.rows([["P0", "Chair 0", "Maker", name, ""]])
    (catalog.folder / name).write_bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_a_photo_was_taken_is_taken_out_before_it_is_sent_and_its_pixels_stay(
    catalog: Catalog, tmp_path: Path, kind: str
) -> None:
    data = with_position(kind)
    one_photo(catalog, data, f"a.{kind.lower()}")
    recipe = catalog.recipe()
    with GeminiServer() as server:
        assert described(recipe, server).tally.described == 1
        (sent,) = server.pictures.values()
    assert not has_position(Image.open(io.BytesIO(sent)))
    assert Image.open(io.BytesIO(sent)).tobytes() == Image.open(io.BytesIO(data)).tobytes()
    vlmdata.build(recipe, tmp_path / "out")
    stored = vlmdata.open(tmp_path / "out")["train"].with_format("arrow")["images"].to_pylist()[0][0]["bytes"]
    assert stored == data, "the dataset keeps the photo as it is"


def test_a_photo_that_says_where_it_was_taken_is_refused_where_the_recipe_wants_that(
    catalog: Catalog, tmp_path: Path
) -> None:
    one_photo(catalog, with_position(), "a.jpeg")
    recipe = catalog.recipe(pictures={"location": "refuse"})
    with GeminiServer() as server:
        result = described(recipe, server)
        assert (server.number, result.tally.rejected) == (0, {"describe.location": 1})
    with pytest.raises(vlmdata.errors.BuildRefusedError, match="not one conversation"):
        vlmdata.build(recipe, tmp_path / "out")


def test_every_photo_of_a_row_that_says_where_it_was_taken_is_named(catalog: Catalog) -> None:
    for name in ("a.jpeg", "b.jpeg", "c.jpeg"):
        (catalog.folder / name).write_bytes(photo(4, kind="JPEG") if name == "b.jpeg" else with_position())
    catalog.rows([["P0", "Chair 0", "Maker", "a.jpeg;b.jpeg;c.jpeg", ""]])
    with GeminiServer() as server:
        described(catalog.recipe(pictures={"location": "refuse"}), server)
        assert server.number == 0
    (entry,) = [entry for entry in catalog.entries() if entry.get("ended") == "location"]
    assert entry["reason"] == "'a.jpeg', 'c.jpeg'"


@pytest.mark.parametrize("location", ["strip", "refuse"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_place_in_a_second_picture_behind_a_plain_one_is_not_sent(catalog: Catalog, location: str, kind: str) -> None:
    one_photo(catalog, photo(4, kind=kind) + with_position(), f"a.{kind.lower()}")
    with GeminiServer() as server:
        result = described(catalog.recipe(pictures={"location": location}), server)
        assert result.tally.rejected == ({} if location == "strip" else {"describe.location": 1})
        assert [tells_place(sent) for sent in server.pictures.values()] == ([False] if location == "strip" else [])


@pytest.mark.parametrize("between", range(4))
def test_a_place_anywhere_behind_a_plain_picture_is_seen(between: int) -> None:
    plain = photo(4, kind="JPEG")
    assert [tells_place(plain + bytes(between) + behind) for behind in (plain, with_position())] == [False, True]


def test_photos_are_sent_as_they_are_or_as_small_as_the_recipe_says(catalog: Catalog) -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((1200, 800)).convert("RGB").save(file, "PNG")
    one_photo(catalog, file.getvalue(), "a.png")
    for most, size in ((0, (1200, 800)), (960_000, (1200, 800)), (60_000, (300, 200))):
        with GeminiServer() as server:
            described(catalog.recipe(pictures={"max_pixels": most}), server)
            ((name, sent),) = server.pictures.items()
        assert Image.open(io.BytesIO(sent)).size == size
        assert (name == hashlib.sha256(file.getvalue()).hexdigest()) == (size == (1200, 800))


def test_a_build_finds_what_was_written_for_photos_that_it_changes(catalog: Catalog, tmp_path: Path) -> None:
    file = io.BytesIO()
    see_through = Image.linear_gradient("L").resize((300, 200)).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((300, 200)))
    see_through.save(file, "PNG")
    one_photo(catalog, file.getvalue(), "a.png")
    changed = {"images": {**RECIPE["images"], "resize": {"max_pixels": 9_000}, "convert": {"format": "JPEG"}}}
    recipe = catalog.recipe(beside=changed)
    with GeminiServer() as server:
        assert described(recipe, server).tally.described == 1
    assert vlmdata.build(recipe, tmp_path / "out").ledger.rows_used == 1


def test_formats_that_not_every_provider_takes_are_sent_as_png(catalog: Catalog) -> None:
    one_photo(catalog, photo(3, kind="GIF"), "a.gif")
    with GeminiServer() as server:
        assert described(catalog.recipe(), server).tally.described == 1
        (sent,) = server.pictures.values()
    assert Image.open(io.BytesIO(sent)).format == "PNG"


def test_a_photo_that_breaks_between_two_looks_rejects_its_row(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(2)
    taken = vlmdata.image.verifying.Reader.read

    def read(self: object, reference: str) -> bytes:
        return taken(self, reference)[:60] if reference == "0-0.png" else taken(self, reference)  # type: ignore[arg-type]

    monkeypatch.setattr("vlmdata.image.verifying.Reader.read", read)
    changed = {"images": {**RECIPE["images"], "metadata": "strip_location"}}  # such a photo is read once more
    with GeminiServer() as server:
        result = described(catalog.recipe(pictures={"max_pixels": 100}, beside=changed), server)
    assert (result.tally.described, result.tally.rejected) == (1, {"describe.picture": 1})


@pytest.mark.parametrize("most", [0, 100])
def test_what_is_sent_are_the_bytes_that_were_verified_since_a_photo_is_read_once(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    catalog.write(3)
    opened: Counter[str] = Counter()
    taken = vlmdata.image.folder.ImageFolder.read

    def read(self: vlmdata.image.folder.ImageFolder, reference: str) -> bytes:
        opened[reference] += 1
        return taken(self, reference)

    monkeypatch.setattr("vlmdata.image.folder.ImageFolder.read", read)
    with GeminiServer() as server:
        assert described(catalog.recipe(pictures={"max_pixels": most}), server).tally.described == 3
        assert described(catalog.recipe(pictures={"max_pixels": most}), server).tally.known == 3
    assert opened == {f"{number}-0.png": 2 for number in range(3)}  # each run has read each photo once


ACTS: list[Act] = [
    "answer",
    "bad_key",
    "echoed_key",
    "forbidden",
    "no_model",
    "daily_quota",
    "bad_image",
    "reset",
    "odd_json",
]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("provider", ["gemini", "gemini_legacy", "openai_compatible"])
def test_the_key_stands_nowhere(
    catalog: Catalog,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
    act: Act,
    provider: str,
) -> None:
    catalog.write(2)
    caplog.set_level(0)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server_of = OpenAIServer if provider == "openai_compatible" else GeminiServer
    with server_of(Script(by_text={"Chair": [act] * 20})) as server:
        monkeypatch.setenv("VLMDATA_DESCRIBE_ENDPOINT", getattr(server, "endpoint", server.url))
        catalog.recipe(provider=provider, model=server.model, limits={"attempts": 2})
        for words in (["describe"], ["build", "--out", str(tmp_path / "out")]):
            exit_code_of(
                lambda words=words: app([*words[:1], str(catalog.folder / "recipe.yaml"), *words[1:]]), name="v"
            )
        assert server.number > 0
        address = server.url.encode()
    said = capfd.readouterr()
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    told = f"{said.out}{said.err}{caplog.text}{[vars(record) for record in caplog.records]}"
    assert "Traceback" not in told
    assert key.encode() not in written + told.encode()
    assert address not in written, "nor does the address, in anything that is kept"
    assert b"Chair 0" in written


@pytest.mark.parametrize(
    "endpoint", ["localhost:80", "ftp://a.b", "http://me:secret@a.b/v1", "https://a.b/v1?key=secret", "http://["]
)
def test_an_endpoint_that_is_no_plain_address_is_refused_without_repeating_it(endpoint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Access.of(endpoint, None, {})
    assert "secret" not in str(raised.value)


def test_another_variable_may_hold_the_key_and_a_server_of_ones_own_needs_none() -> None:
    access = Access.of(None, "MY_KEY", {"MY_KEY": " k ", "GEMINI_API_KEY": "other"})
    assert access.key("gemini").reveal() == "k"
    assert Access.of(None, None, {"GOOGLE_API_KEY": "g"}).key("gemini").reveal() == "g"
    assert Access.of("http://localhost:1/v1", None, {}).key("openai_compatible").reveal() == "none"
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        Access.of(None, None, {}).key("openai_compatible")
    with pytest.raises(ConfigError, match="MY_KEY is not set"):
        Access.of("http://localhost:1/v1", "MY_KEY", {}).key("openai_compatible")


def test_a_dry_run_counts_apart_what_is_asked_as_another_row_is(catalog: Catalog) -> None:
    catalog.write(2)
    rows = (catalog.folder / "products.csv").read_text("utf-8").splitlines()
    again = rows[1].replace("P0", "P9", 1)
    (catalog.folder / "products.csv").write_text("\n".join([*rows, again]) + "\n", "utf-8")
    found = estimate_descriptions(catalog.recipe())
    assert (found.rows, found.known, found.to_ask, found.alike) == (3, 0, 2, 1)
    assert "3 rows: 0 in the journal, 2 to be asked, 1 asked as another row is" in estimate_text(found)
