"""A shop with everything in it makes the same bytes, whatever its blocks and shards, and whenever it is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import vlmdata
from tests.vlmdata.shop import Shop, drawn, encoded
from tests.vlmdata.test_resuming import contents
from vlmdata import blocks, index
from vlmdata.write import plan

RECIPE: dict[str, Any] = {
    "source": {"type": "jsonl", "path": "products.jsonl", "limit": 33, "where": "kind == 'y'"},
    "id": None,
    "images": {"root": "photos", "from": "photo", "accept": ["case", "extension"]},
    "clean": {"title": ["html_to_text", "whitespace"]},
    "fields": ["title"],
    "conversations": [
        {"user": "Describe: {{ title }}", "assistant": "{{ description }}", "tags": {"language": "en"}},
        {"user": ["images", "What is {{ title }}?"], "assistant": "{{ title }}"},
    ],
    "duplicates": "reject",
    "split": {"train": 0.7, "test": 0.3, "together": ["group"]},
}


def rows() -> Iterator[str]:
    """Lines of a catalog with rows that are equal, left out, unreadable or bad; images shared, inline and missing."""
    for number in range(40):
        photos = [f"{number % 7}.png"]
        photos += ["alpha.png"] * (number % 5 == 0) + ["case.png"] * (number % 6 == 0)
        if number % 8 == 3:
            photos.append("data:image/png;base64," + b64encode(encoded(drawn(100 + number % 16))).decode())
        photos += ["nowhere.png"] * (number == 9) + ["bad.jpg"] * (number == 21)
        line = json.dumps(
            {
                "photo": photos,
                "title": f"Mug  <b>{number % 11}</b> &amp; co",
                "description": "" if number % 9 == 4 else f"A mug, {number % 13}.",
                "kind": "x" if number % 10 == 7 else "y",
            }
        )
        yield from [line] * (3 if number % 12 == 5 else 1)
        if number % 15 == 2:
            yield '{"broken'
    yield ""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path / "shop", RECIPE)
    for number in range(7):
        made.photo(f"{number}.png", encoded(drawn(number)))
    see_through = drawn(50).convert("RGBA")
    see_through.putalpha(100)
    made.photo("alpha.png", encoded(see_through))
    made.photo("Case.PNG", encoded(drawn(60)))
    made.photo("bad.jpg", b"\xff\xd8\xff" + b"x" * 100)
    (made.folder / "products.jsonl").write_text("\n".join(rows()), encoding="utf-8")
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)
    monkeypatch.setattr(index, "BATCH_ROWS", 5)
    monkeypatch.setattr(plan, "SHARD_ROWS", 7)
    return made


def test_blocks_and_workers_change_no_byte(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    built = shop.build(workers=2)
    whole = contents(shop.out)
    assert {"images.missing", "images.truncated", "text.empty", "json.syntax", "dataset.duplicate"} == {
        *built.ledger.rejected_by_rule
    }
    assert built.ledger.warned_by_rule == {"images.alpha": 1}
    assert built.ledger.changed["images.near_miss"] == 1
    assert len([name for name in whole if name.endswith(".arrow")]) > 6
    for block_rows, batch_bytes in ((1, 64_000_000), (512, 1)):
        monkeypatch.setattr(blocks, "BLOCK_ROWS", block_rows)
        monkeypatch.setattr(index, "BATCH_BYTES", batch_bytes)
        shop.build()
        assert contents(shop.out) == whole


def test_shards_that_write_make_the_same_bytes(shop: Shop) -> None:
    whole = contents(shop.build().path)
    shared = shop.folder / "shared"
    for number in (3, 1, 2):
        vlmdata.build_shard(shop.recipe(), shared, f"{number}/3", workers=1)
    vlmdata.join(shared, plan_only=True)
    for number in (2, 3, 1):
        assert vlmdata.build_shard(shop.recipe(), shared, f"{number}/3", workers=1).phase == "write"
    vlmdata.join(shared)
    assert contents(shared) == whole


class Counted:
    """Counts what this process changes in a file system below a folder, and kills it at one of these moments."""

    def __init__(self, folder: Path, moment: int) -> None:
        self.count = 0
        self._folder, self._moment, self._lock = str(folder), moment, threading.Lock()
        sys.addaudithook(self._event)
        opened = pa.OSFile

        def open_file(path: str, mode: str = "rb") -> Any:
            if mode == "wb":
                self._event("os.mkdir", (path,))
            return opened(path, mode)

        pa.OSFile = open_file

    def _event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes = name in {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
        path = str(arguments[0]) if changes else ""
        if changes and (path.startswith(self._folder) or not path.startswith("/")):
            with self._lock:
                self.count += 1
                if self.count == self._moment:
                    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(shop: Shop, moment: int) -> int:
    """Build in a process of its own, killed at a moment; how many moments there were, where it was not."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        counted = Counted(shop.folder, moment)
        shop.build(workers=2)
        os.write(writer, str(counted.count).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        count = said.read()
    os.waitpid(process, 0)
    return int(count or 0)


def test_a_build_killed_anywhere_goes_on_to_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    small = contents(shop.build(source={**RECIPE["source"], "limit": 3}).path)
    shutil.copytree(shop.out, tmp_path / "small")
    moments = killed_at(shop, 0)
    whole = contents(shop.out)
    assert moments > 100
    for moment in range(1, moments, 17):
        shutil.rmtree(shop.out, ignore_errors=True)
        shutil.copytree(tmp_path / "small", shop.out)
        assert killed_at(shop, moment) == 0
        assert killed_at(shop, moment * 7 % moments + 1) in range(moments + 20)
        if shop.out.exists():
            found = contents(shop.out)
            found.pop(".being-replaced", None)
            assert found in (small, whole)
        shop.build()
        assert contents(shop.out) == whole
        assert sorted(path.name for path in shop.folder.iterdir()) == ["dataset", "photos", "products.jsonl"]
