"""Damaged inputs, a few hundred of the thousands of `make fuzz`; and that the fuzzer sees what it is there to see."""

from __future__ import annotations

import gc
import io
import socket
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.fuzzing.archivewise import deflated_zeros
from tests.vlmdata.fuzzing.cases import PEAK_BYTES, SECRET_PICTURE, Attempt, Fuzzer
from tests.vlmdata.fuzzing.imagewise import PNG, chunk
from tests.vlmdata.fuzzing.judging import Outcome, Used, lost_by_pictures, lost_lines, physical_lines
from tests.vlmdata.fuzzing.seeds import all_seeds
from tests.vlmdata.fuzzing.watching import HangError, watching
from tests.vlmdata.shop import Shop, product
from vlmdata.source import BUILT_IN

CASES = 150
SHARES = 5


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    """One fuzzer for all cases, so that each project is written once."""
    yield Fuzzer(tmp_path_factory.mktemp("fuzzing"), seed=1)
    gc.unfreeze()


@pytest.mark.parametrize("share", [0, *(pytest.param(each, marks=pytest.mark.long) for each in range(1, SHARES))])
def test_damaged_inputs_are_built_or_refused_by_name(fuzzer: Fuzzer, share: int) -> None:
    results = [fuzzer.run(number) for number in range(share, CASES, SHARES)]
    failed = [str(result) for result in results if result.outcome == "failed"]
    assert not failed, "\n".join(failed)
    assert {result.outcome for result in results} >= {"built", "source"}


def test_a_case_is_the_same_whenever_it_is_run(fuzzer: Fuzzer, tmp_path: Path) -> None:
    first, second = fuzzer.run(7), Fuzzer(tmp_path, seed=1).run(7)
    assert (first.file, first.change, first.outcome) == (second.file, second.change, second.outcome)


def test_there_is_a_seed_of_every_type_of_source_but_those_of_the_network(tmp_path: Path) -> None:
    kinds = set()
    for seed in all_seeds():
        seed.write(tmp_path / seed.name)
        kinds.add(vlmdata.load_recipe(tmp_path / seed.name / "recipe.yaml").source.type)
    assert kinds == set(BUILT_IN) - {"hub"}


@pytest.mark.long
def test_every_seed_is_built_while_it_is_whole(fuzzer: Fuzzer) -> None:
    assert all(fuzzer.prepared(seed).before.rows_read for seed in all_seeds())


def test_a_bomb_costs_little_memory(shop: Shop) -> None:
    large = deflated_zeros(200_000_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(60_000_000))
    (shop.folder / "photos.zip").write_bytes(buffer.getvalue())
    header = chunk(b"IHDR", (9_000).to_bytes(4, "big") * 2 + b"\x08\2\0\0\0")
    shop.photo("bomb.png", PNG + header + chunk(b"IDAT", large) + chunk(b"IEND", b""))
    wide = chunk(b"IHDR", (60_000).to_bytes(4, "big") * 2 + b"\x08\2\0\0\0")
    shop.photo("wide.png", PNG + wide + chunk(b"IDAT", large) + chunk(b"IEND", b""))
    shop.write([product(0), product(1, photo="a.png"), product(2, photo="bomb.png"), product(3, photo="wide.png")])
    shop.build()
    with watching(shop.folder, seconds=20) as watched:
        built = shop.build(images={"root": ["photos", "photos.zip"], "from": "photo", "pixel_limit": 4_000_000})
    assert watched.seen == []
    assert watched.peak_bytes < 100_000_000 < PEAK_BYTES
    assert built.ledger.rejected_by_rule == {"archive.ratio": 1, "images.bomb": 2}


def test_a_read_outside_is_seen(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.txt"
    inside.mkdir()
    outside.write_text("x", encoding="utf-8")
    (inside / "link.txt").symlink_to(outside)
    (inside / "own.txt").write_text("x", encoding="utf-8")
    with watching(inside, seconds=5) as watched:
        (inside / "own.txt").read_bytes()
        assert watched.seen == []
        (inside / "link.txt").read_bytes()
        list(tmp_path.iterdir())
    assert watched.seen == [f"read {str(inside / 'link.txt')!r}", f"read {str(tmp_path)!r}"]
    outside.read_bytes()
    assert len(watched.seen) == 2


def test_a_socket_is_refused_and_seen(tmp_path: Path) -> None:
    with watching(tmp_path, seconds=5) as watched, pytest.raises(OSError, match="opens no sockets"):
        socket.create_connection(("127.0.0.1", 9))
    assert watched.seen[0].startswith("socket.getaddrinfo")


def test_a_hang_is_ended(tmp_path: Path) -> None:
    with pytest.raises(HangError), watching(tmp_path, seconds=0.05):
        threading.Event().wait(5)


def test_files_left_open_threads_that_die_and_warnings_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    with watching(tmp_path, seconds=5) as watched:
        (tmp_path / "a.txt").open(encoding="utf-8")
        warnings.warn("careful", stacklevel=1)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    said = "\n".join(watched.seen)
    assert "ResourceWarning: unclosed file" in said
    assert "UserWarning: careful" in said
    assert "a thread died of ZeroDivisionError" in said


def test_memory_that_a_case_takes_is_measured(tmp_path: Path) -> None:
    with watching(tmp_path, seconds=5) as watched:
        taken = bytearray(b"x") * 400_000_000
        del taken
    if Path("/proc/self/clear_refs").exists():
        assert watched.peak_bytes > 200_000_000


TABLE = b"sku,text\n1,one\n2,two\n3,three\n"
ROWS = {("rows.csv", n, n - 1): Used((text,), frozenset({text})) for n, text in ((2, "one"), (3, "two"), (4, "three"))}


def outcome(rows: dict[tuple[str, int, int], Used], **rejected: str) -> Outcome:
    places = {("rows.csv", int(line[1:]), int(line[1:]) - 1): frozenset({rule}) for line, rule in rejected.items()}
    return Outcome(counts={"rows": {"read": 3}}, used=rows, rejected=places)


def test_a_line_that_vanishes_is_seen() -> None:
    changed = TABLE.replace(b"two", b"2")
    before, fewer = outcome(ROWS), {place: row for place, row in ROWS.items() if place[1] != 4}
    assert list(lost_lines(before, outcome(ROWS), TABLE, changed, "rows.csv")) == []
    assert list(lost_lines(before, outcome(fewer), TABLE, changed, "rows.csv")) == ["line 4 is whole and not used: []"]
    assert list(lost_lines(before, outcome(fewer, l4="id.duplicate"), TABLE, changed, "rows.csv")) == []
    assert list(lost_lines(before, outcome(fewer, l4="csv.ragged"), TABLE, changed, "rows.csv"))
    other = {**ROWS, ("rows.csv", 4, 3): Used(("another",), frozenset())}
    assert list(lost_lines(before, outcome(other), TABLE, changed, "rows.csv"))


def test_a_row_that_vanishes_with_another_rows_picture_is_seen() -> None:
    fewer = {place: row for place, row in ROWS.items() if place[1] != 4}
    before = outcome(ROWS)
    assert list(lost_by_pictures(before, outcome(ROWS), "one.png")) == []
    assert list(lost_by_pictures(before, outcome(fewer, l4="images.corrupt"), "three.png")) == []
    assert list(lost_by_pictures(before, outcome(fewer, l4="images.corrupt"), "one.png"))
    assert list(lost_by_pictures(before, outcome(fewer), "three.png"))


def test_lines_are_counted_as_an_editor_does() -> None:
    assert physical_lines(b"a\r\nb\rc\n\nd", csv=True) == [b"a\r\n", b"b\r", b"c\n", b"\n", b"d"]
    assert physical_lines(b"a\rb\nc", csv=False) == [b"a\rb\n", b"c"]


def test_bytes_that_nobody_may_read_are_found_in_an_output(fuzzer: Fuzzer, tmp_path: Path) -> None:
    fuzzer.run(0)
    (prepared, *_) = fuzzer._prepared.values()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data.arrow").write_bytes(b"..." + SECRET_PICTURE)
    attempt = Attempt(prepared=prepared, case=tmp_path, name="rows.csv", old=b"", new=b"", seconds=1)
    assert list(attempt._leaks()) == ["out/data.arrow"]
