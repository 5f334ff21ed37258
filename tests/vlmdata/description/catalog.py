"""A catalog whose rows have no description, and runs of it against a server on this machine."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

import vlmdata
from tests.vlmdata.description.servers.model_server import KEY
from vlmdata.describe_access import ENDPOINT
from vlmdata.describing import DescribeResult
from vlmdata.description.limits import Clock

PRICES = {"as_of": "2026-11-01", "input": 0.3, "output": 2.5, "cached": 0.075}
RECIPE: dict[str, Any] = {
    "source": {"type": "csv", "path": "products.csv"},
    "id": "sku",
    "images": {"from": {"column": "photos", "separator": ";"}},
    "conversations": [{"user": "Describe: {{ title }}", "assistant": "{{ description }}"}],
    "max_rejected": "100%",
}
ASKED: dict[str, Any] = {
    "provider": "gemini",
    "model": "gemini-test",
    "prompt": "Write a description of {{ title }} by {{ brand }}.",
    "max_output_tokens": 100,
}


class FastClock(Clock):
    """A clock whose waits are over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def now(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += max(seconds, 0)
        await asyncio.sleep(0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two attempts."""
    monkeypatch.setattr("vlmdata.describing.Clock", FastClock)


def photo(number: int, *, kind: str = "PNG", exif: Image.Exif | None = None) -> bytes:
    """A drawn photo, each number another one."""
    image = Image.new("RGB", (40, 30), (250, 240, 230))
    draw = ImageDraw.Draw(image)
    draw.rectangle((4, 4, 10 + number % 20, 14 + number // 20 % 12), fill=(number % 251, number // 251 % 251, 90))
    draw.line((0, 0, 39, number % 30), fill=(10, 20, 30))
    file = io.BytesIO()
    image.save(file, kind, **({"exif": exif} if exif is not None else {}))
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Catalog:
    """A folder with products.csv, photos and a recipe."""

    folder: Path

    def write(self, count: int, *, texts: dict[int, str] | None = None, photos: int = 1) -> None:
        """So many products, of which some have a text."""
        self.rows(
            [
                [f"P{number}", f"Chair {number}", f"Maker{number % 7}", self._photos(number, photos), text]
                for number in range(count)
                for text in [(texts or {}).get(number, "")]
            ]
        )

    def rows(self, rows: Sequence[Sequence[str]]) -> None:
        """The products as they are given."""
        with (self.folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["sku", "title", "brand", "photos", "description"], *rows])

    def _photos(self, number: int, count: int) -> str:
        names = [f"{number}-{place}.png" for place in range(count)]
        for place, name in enumerate(names):
            (self.folder / name).write_bytes(photo(number * 3 + place))
        return ";".join(names)

    def recipe(self, **describe: Any) -> vlmdata.Recipe:
        """The recipe, with more said under `describe`; `recipe` holds what is said beside it."""
        beside = describe.pop("beside", {})
        path = self.folder / "recipe.yaml"
        path.write_text(json.dumps({**RECIPE, **beside, "describe": {**ASKED, **describe}}), encoding="utf-8")
        return vlmdata.load_recipe(path)

    @property
    def journal(self) -> Path:
        return self.folder / "descriptions.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """The journal's lines behind its header."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text(encoding="utf-8").splitlines()[1:]
        return [json.loads(line) for line in lines]

    def texts(self) -> dict[str, str]:
        """What the journal holds, by row."""
        return {entry["row"]: entry["text"] for entry in self.entries() if entry.get("ended") == "stop"}

    def answers(self) -> dict[str, str]:
        """What the journal holds, by key."""
        return {entry["key"]: entry["text"] for entry in self.entries() if entry.get("ended") == "stop"}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog without products yet."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return Catalog(folder)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The key, where a provider looks for it; no network is forbidden."""
    for name in ("VLMDATA_OFFLINE", "HF_HUB_OFFLINE", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    return KEY


def described(recipe: vlmdata.Recipe, server: Any, **asked: Any) -> DescribeResult:
    """A run against a server."""
    return vlmdata.describe(recipe, endpoint=server.url, **asked)


def environment(server: Any) -> dict[str, str]:
    """The environment of a process of its own that asks a server."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VLMDATA_OFFLINE", "HF_HUB_OFFLINE"}}
    return {**kept, "GEMINI_API_KEY": KEY, ENDPOINT: server.url, "OMP_NUM_THREADS": "1"}


def conversations(out: Path) -> dict[str, dict[str, Any]]:
    """A dataset's rows by id."""
    found = vlmdata.open(out)["train"].remove_columns("images")
    return {row["id"]: row for row in found}


def answer_of(row: dict[str, Any]) -> str:
    """The last turn's text."""
    return str(row["messages"][-1]["content"][0]["text"])
