"""Datasets of the Hub, from local folders and from a server on this machine that refuses as the Hub does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset, DatasetDict, Features, Image, List, Value

import vlmdata
from tests.vlmdata.shop import drawn, encoded
from vlmdata.errors import SourceError
from vlmdata.recipe import load_recipe, recipe_from
from vlmdata.record import RawRecord, Rejection, Skip
from vlmdata.source import open_source

COMMIT = "c0ffee" * 6 + "c0ff"
Entry = RawRecord | Rejection | Skip
PNG = encoded(drawn(1))
IMAGE = {"bytes": PNG, "path": "mug.png"}
PART = {"index": Value("int64"), "text": Value("string"), "type": Value("string")}
LLAVA = Features(
    {"messages": List({"content": List(PART), "role": Value("string")}), "images": List(Image())},
)
AMAZON_COLUMNS = (
    *("Uniq Id", "Product Name", "Category", "Selling Price", "Model Number", "About Product"),
    *("Product Specification", "Technical Details", "Shipping Weight", "Variants", "Product Url"),
    *("Is Amazon Seller", "description"),
)
AMAZON = Features({"image": Image(), **{name: Value("string") for name in AMAZON_COLUMNS}})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was looked up or connected to, each of which fails."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


def llava_row(number: int) -> dict[str, Any]:
    """A row as llava-instruct-mix-vsft has it: text and image parts, each with the index of its image."""
    return {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"index": None, "text": f"What is in picture {number}?\n", "type": "text"},
                    {"index": 0, "text": None, "type": "image"},
                ],
            },
            {"role": "assistant", "content": [{"index": None, "text": f"Mug number {number}.", "type": "text"}]},
        ],
        "images": [{"bytes": encoded(drawn(number)), "path": None}],
    }


def amazon_row(number: int) -> dict[str, Any]:
    """A row as amazon-product-descriptions-vlm has it."""
    row: dict[str, Any] = dict.fromkeys(AMAZON_COLUMNS)
    return {
        **row,
        "image": {"bytes": encoded(drawn(number)), "path": f"{number}.png"},
        "Product Name": f"Mug {number}",
        "Category": "Kitchen | Mugs" if number else None,
        "description": f"Mug number {number}, for tea.",
    }


def folder_of(path: Path, rows: list[dict[str, Any]], features: Features, split: str = "train") -> Path:
    """A folder with a Parquet file, as a dataset of the Hub has it."""
    (path / "data").mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(path / "data" / f"{split}-00000-of-00001.parquet")
    return path


def source_of(folder: Path, **options: Any) -> Any:
    """The source of a recipe that names a dataset."""
    data = {
        "source": {"type": "hub", **options},
        "conversations": [{"user": "What is it?", "assistant": "{{ sku }}"}],
    }
    return open_source(recipe_from(data, folder).source)


def read(folder: Path, **options: Any) -> list[Entry]:
    """Every row, each counted as one line."""
    (shard,) = source_of(folder, **options).shards()
    entries = list(shard)
    assert shard.lines_read == len(entries)
    assert [entry.origin.row for entry in entries] == [entry.origin.line for entry in entries]
    return entries


SKU = Features({"sku": Value("string"), "image": Image()})
ROWS = [{"sku": f"SKU-{number}", "image": IMAGE} for number in range(80)]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_local_folder_is_read_without_any_network(tmp_path: Path, no_network: list[Any], streaming: bool) -> None:
    folder_of(tmp_path / "local", ROWS, SKU)
    source = source_of(tmp_path, dataset="local", streaming=streaming)
    assert source.columns == ("sku", "image")
    assert [path.name for path in source.files] == ["train-00000-of-00001.parquet"]
    entries = read(tmp_path, dataset="./local", streaming=streaming)
    assert [dict(entry.values) for entry in entries if isinstance(entry, RawRecord)] == ROWS
    assert {entry.origin.source for entry in entries} == {"local"}
    assert source.warnings == ()
    assert no_network == []


@pytest.mark.parametrize("streaming", [False, True])
def test_a_saved_dataset_is_read(tmp_path: Path, no_network: list[Any], streaming: bool) -> None:
    made = Dataset.from_list(ROWS[:3], features=SKU)
    made.save_to_disk(tmp_path / "one")
    DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(tmp_path / "two")
    assert len(read(tmp_path, dataset="one", streaming=streaming)) == 3
    assert len(read(tmp_path, dataset="two", split="test", streaming=streaming)) == 1
    with pytest.raises(SourceError, match=r"two: the dataset has several splits; set source.split to one of train, t"):
        read(tmp_path, dataset="two")
    with pytest.raises(SourceError, match=r"two: there is no split 'tests'; did you mean 'test'\?"):
        read(tmp_path, dataset="two", split="tests")
    assert no_network == []


def test_a_streamed_dataset_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    folder_of(tmp_path / "local", ROWS, SKU)
    assert len(read(tmp_path, dataset="local", streaming=True, limit=5)) == 5
    assert len(read(tmp_path, dataset="local", limit=5)) == 80
    entries = read(tmp_path, dataset="local", streaming=True, limit=2, where="sku in ['SKU-3', 'SKU-7', 'SKU-9']")
    assert len(entries) == 8
    entries = read(tmp_path, dataset="local", streaming=True, limit=2, where="sku.x")
    assert len(entries) == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_a_path_without_bytes_is_refused_and_the_file_not_opened(tmp_path: Path, streaming: bool) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    rows = [
        {"images": [{"bytes": PNG, "path": "a.png"}, {"bytes": None, "path": str(secret)}]},
        {"images": [{"bytes": PNG, "path": None}]},
        {"images": []},
    ]
    raw = Features({"images": List({"bytes": Value("binary"), "path": Value("string")})})
    folder = folder_of(tmp_path / "local", rows, raw)
    first, second, third = read(tmp_path, dataset=folder.name, streaming=streaming)
    assert isinstance(first, Rejection)
    assert first.problems[0].rule == "images.null_bytes"
    assert f"only the path {str(secret)!r}, which would be read from this machine" in first.problems[0].message
    assert isinstance(second, RawRecord)
    assert isinstance(third, RawRecord)


def test_a_folder_of_images_is_refused_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mug.png").write_bytes(PNG)
    (lost,) = read(tmp_path, dataset="photos")
    assert isinstance(lost, Rejection)
    assert "source.type: image_folder" in lost.problems[0].hint


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("./nowhere", r"\./nowhere: there is no such folder"),
        ("a/b/c", "a/b/c: there is no such folder"),
        ("rows.csv", "rows.csv: this is a file; for a file, set source.type"),
        ("empty", "empty: it can't be read"),
    ],
)
def test_what_is_no_dataset_here_is_said_so(tmp_path: Path, no_network: list[Any], dataset: str, words: str) -> None:
    (tmp_path / "rows.csv").write_text("sku\nA\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=words):
        read(tmp_path, dataset=dataset)
    assert no_network == []


def test_an_unknown_configuration_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path / "local", ROWS[:1], SKU)
    with pytest.raises(SourceError, match=r"BuilderConfig 'xl' not found.*set source.config"):
        read(tmp_path, dataset="local", config="xl")


class Hub(BaseHTTPRequestHandler):
    """Answers every request as the Hub would, by the dataset's name."""

    answers: Mapping[str, tuple[int, Mapping[str, str], Any]] = {
        "org/gated": (403, {"X-Error-Code": "GatedRepo"}, {}),
        "org/absent": (401, {"X-Error-Code": "RepoNotFound"}, {}),
        "org/branch": (404, {"X-Error-Code": "RevisionNotFound"}, {}),
        "org/forbidden": (403, {}, {}),
        "org/broken": (500, {}, {}),
        "org/there": (200, {}, {"id": "org/there", "sha": COMMIT, "siblings": []}),
    }

    def do_GET(self) -> None:
        name = "/".join(self.path.removeprefix("/api/datasets/").split("/")[:2]).partition("?")[0]
        status, headers, body = self.answers.get(name, (404, {"X-Error-Code": "RepoNotFound"}, {}))
        data = json.dumps(body).encode()
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data)), "Content-Type": "application/json"}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815  (the base class's name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that the Hub's libraries take for the Hub."""
    from huggingface_hub import constants

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield address
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("org/gated", "is gated; accept its terms at https://huggingface.co/datasets/org/gated, and set HF_TOKEN"),
        ("org/absent", "the Hub has no dataset of this name, or it is private; check the name, or set HF_TOKEN"),
        ("org/branch", "there is no revision 'v2'; name a commit, a branch or a tag"),
        ("org/forbidden", r"the Hub refuses access \(403\); set HF_TOKEN"),
        ("org/broken", r"the Hub answers with an error \(500\); try again later"),
        ("no name", "this is no name of a dataset; one such as HuggingFaceH4/llava-instruct-mix-vsft was expected"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_a_refusal_of_the_hub_says_what_to_do(tmp_path: Path, dataset: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as raised:
        read(tmp_path, dataset=dataset, revision="v2")
    assert str(raised.value).startswith(f"{dataset}: ")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("revision", [{}, {"revision": "main"}])
def test_a_recipe_without_a_revision_is_told_the_commit(tmp_path: Path, revision: dict[str, str]) -> None:
    source = source_of(tmp_path, dataset="org/there", **revision)
    (warning,) = source.warnings
    assert (warning.rule, warning.severity) == ("hub.no_revision", "warning")
    assert warning.hint == f"write revision: {COMMIT}"
    assert source_of(tmp_path, dataset="org/there", revision=COMMIT).warnings == ()
    wrapped = source_of(tmp_path, dataset="org/there", json=["a"], **revision)
    assert wrapped.warnings == (warning,)
    assert source.fingerprint == wrapped.fingerprint == COMMIT
    assert source.commit == wrapped.commit == COMMIT


def test_a_hub_that_can_not_be_reached_is_said_so(
    tmp_path: Path, no_network: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(SourceError, match=r"org/name: the Hub can't be reached .*check the network, or download the"):
        read(tmp_path, dataset="org/name")
    assert no_network


def test_offline_the_hub_is_not_even_asked(
    tmp_path: Path, no_network: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="org/name: not on this machine, and HF_HUB_OFFLINE forbids the download"):
        read(tmp_path, dataset="org/name")
    assert no_network == []


def test_cells_of_json_are_read(tmp_path: Path) -> None:
    features = Features({"sku": Value("string"), "extra": Value("string")})
    folder_of(tmp_path / "local", [{"sku": "A", "extra": '{"a": 1}'}], features)
    (row,) = read(tmp_path, dataset="local", json=["extra"])
    assert isinstance(row, RawRecord)
    assert row.values["extra"] == {"a": 1}


def test_the_shipped_recipe_of_llava_instruct_mix_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[Any]
) -> None:
    folder_of(tmp_path / "local", [llava_row(number) for number in range(4)], LLAVA)
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("llava-instruct-mix-vsft", set={"source.dataset": "local", "split": {"train": 1.0}})
    built = vlmdata.build(recipe, tmp_path / "out", workers=1)
    assert built.ledger.rows_used == 4
    row = vlmdata.open(tmp_path / "out")["train"].cast_column("images", List(Image(decode=False)))[1]
    assert row["images"][0]["bytes"] == encoded(drawn(1))
    types = [[part["type"] for part in message["content"]] for message in row["messages"]]
    assert types == [["text", "image"], ["text"]]
    assert no_network == []


def test_the_shipped_recipe_of_amazon_products_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[Any]
) -> None:
    folder_of(tmp_path / "local", [amazon_row(number) for number in range(3)], AMAZON)
    monkeypatch.chdir(tmp_path)
    changes = {"source.dataset": "./local", "split": {"train": 1.0}}
    recipe = load_recipe("amazon-product-descriptions-vlm", set=changes)
    built = vlmdata.build(recipe, tmp_path / "out", workers=1)
    assert built.ledger.rows_used == 3
    rows = vlmdata.open(tmp_path / "out")["train"].cast_column("images", List(Image(decode=False)))
    assert [row["images"][0]["bytes"] for row in rows] == [encoded(drawn(number)) for number in range(3)]
    prompts = [row["messages"][1]["content"][1]["text"] for row in rows]
    assert prompts[0].endswith("Product: Mug 0")
    assert prompts[1].endswith("Product: Mug 1\nCategory: Kitchen | Mugs")
    assert no_network == []


def test_every_shipped_recipe_can_be_read() -> None:
    from vlmdata.recipe import SHIPPED

    names = [path.stem for path in SHIPPED.glob("*.yaml")]
    assert {"llava-instruct-mix-vsft", "amazon-product-descriptions-vlm"} <= set(names)
    for name in names:
        assert load_recipe(name).dataset.name == name
