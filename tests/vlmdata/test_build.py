"""A build as a whole: every row accounted for, every pixel as it was, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import vlmdata
from tests.vlmdata.shop import COLUMNS, Shop, csv_text, drawn, encoded, product
from tests.vlmdata.test_pixels import exif, ramp
from vlmdata.errors import BuildRefusedError, OutputError, RecipeError, SourceError
from vlmdata.progress import Progress
from vlmdata.recipe import recipe_from

TWO = [
    {"tags": {"language": "de"}, "user": "Beschreibe: {{ title }}", "assistant": "{{ title }}"},
    {"tags": {"language": "en"}, "user": "Describe: {{ title }}", "assistant": "{{ description }}"},
]


def records(path: Path) -> list[dict[str, Any]]:
    """Every record of a dataset, images as stored, splits in order."""
    import datasets

    loaded = datasets.load_from_disk(str(path))
    found = []
    for split in loaded.values():
        features = split.features.copy()
        features["images"] = datasets.List(datasets.Image(decode=False))
        found += list(split.cast(features))
    return found


def ids(path: Path) -> list[str]:
    return [record["id"] for record in records(path)]


def rules(built: vlmdata.BuildResult) -> dict[str, str]:
    """The rules of each rejection, by the line of its row and the number of its conversation."""
    return {
        f"{rejection.origin.line}" + ("" if rejection.conversation is None else f"/{rejection.conversation}"): " ".join(
            rejection.rules
        )
        for rejection in built.rejections
    }


def tree(path: Path) -> dict[str, str]:
    """A hash of every file of a dataset but the build's log."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != "build-log.json"
    }


def test_a_good_row_becomes_a_record_of_the_contract(shop: Shop) -> None:
    shop.write([product(1)])
    built = shop.build(fields=["title", "photo"], tags=["photo"])
    (record,) = records(built.path)
    assert record == {
        "id": "SKU-001",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image", "text": None}, {"type": "text", "text": "Describe: Mug 1"}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Mug number 1 for tea."}]},
        ],
        "images": [{"bytes": encoded(drawn(1)), "path": "1.png"}],
        "image_info": record["image_info"],
        "origin": {"source": "products.csv", "row": 1, "line": 2},
        "group": "SKU-001",
        "tags": [{"name": "photo", "value": "1.png"}],
        "fields": [{"name": "title", "value": "Mug 1"}, {"name": "photo", "value": "1.png"}],
        "provenance": None,
    }
    (info,) = record["image_info"]
    assert info["sha256"] == hashlib.sha256(encoded(drawn(1))).hexdigest()
    assert (info["width"], info["height"], info["format"]) == (40, 30, "PNG")


PICTURE = drawn(2)
ORIGINALS: dict[str, bytes] = {
    "plain.jpg": encoded(PICTURE, "JPEG"),
    "progressive.jpg": encoded(PICTURE, "JPEG", progressive=True),
    "grey.jpg": encoded(PICTURE.convert("L"), "JPEG"),
    "cmyk.jpg": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "turned.jpg": encoded(PICTURE, "JPEG", exif=exif(6)),
    "alpha.png": encoded(PICTURE.convert("RGBA")),
    "palette.png": encoded(PICTURE.quantize(16)),
    "16bit.png": encoded(ramp(65535)),
    "deep/in/a folder/ü.webp": encoded(PICTURE, "WEBP"),
    "animated.gif": encoded(PICTURE.quantize(16), "GIF", save_all=True, append_images=[drawn(3).quantize(16)]),
    "paper.tiff": encoded(PICTURE, "TIFF"),
    "old.bmp": encoded(PICTURE, "BMP"),
    "wrong-name.jpg": encoded(PICTURE, "PNG"),
}


def test_every_image_of_the_output_is_the_original_and_decodes(shop: Shop) -> None:
    import datasets

    for name, data in ORIGINALS.items():
        shop.photo(name, data)
    shop.write([product(number, photo=name) for number, name in enumerate(ORIGINALS)])
    built = shop.build()
    assert built.ledger.conversations_accepted == len(ORIGINALS)
    stored = [record["images"][0] for record in records(built.path)]
    assert [image["bytes"] for image in stored] == list(ORIGINALS.values())
    assert [image["path"] for image in stored] == [name.rpartition("/")[2] for name in ORIGINALS]
    decoded = datasets.load_from_disk(str(built.path))["train"]
    for record, data in zip(decoded, ORIGINALS.values(), strict=True):
        with Image.open(io.BytesIO(data)) as original:
            turned = original.getexif().get(0x0112, 1) > 4
            assert record["images"][0].size == (original.size[::-1] if turned else original.size)
        assert record["images"][0].size == (record["image_info"][0]["width"], record["image_info"][0]["height"])
    assert vlmdata.validate(built.path).errors == 0


def test_workers_and_repetition_change_no_byte(shop: Shop) -> None:
    shop.photo("broken.jpg", ORIGINALS["plain.jpg"][:300])
    shop.photo("copy.png", encoded(drawn(1)))
    rows = [product(number) for number in range(60)]
    rows[7] = product(7, photo="broken.jpg")
    rows[9] = product(9, photo="nowhere.jpg")
    rows[11] = product(3)
    rows[13] = product(13, description="")
    rows[15] = product(1, sku="SKU-X", photo="copy.png")
    shop.write(rows)
    changes: dict[str, Any] = {
        "split": {"train": 0.7, "test": 0.3, "seed": 3},
        "conversations": TWO,
        "duplicates": "drop",
        "fields": ["title"],
    }
    built = [
        shop.build(out=shop.folder / name, workers=workers, **changes)
        for name, workers in [("one", 1), ("two", 2), ("again", 2), ("many", 16)]
    ]
    assert built[0].ledger.rejected_by_rule.keys() == {
        "images.missing", "images.truncated", "id.duplicate", "text.empty"
    }  # fmt: skip
    assert built[0].ledger.conversations_deduplicated == 2
    first = tree(built[0].path)
    assert {"manifest.json", "rejected.jsonl", "report.json", "README.md", "train/state.json"} <= first.keys()
    for other in built[1:]:
        assert tree(other.path) == first


GOOD = csv_text([COLUMNS, *(product(number) for number in range(12))], lineterminator="\n").encode()


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)),
            st.sampled_from([b'"', b"\0", b",", b"\n", b"\xff", b"\r", b'""', b"{{", b"..", b"/", b""]),
            st.integers(0, 6),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["utf-8", "cp1252"]),
)
@settings(max_examples=60)
def test_the_counts_balance_whatever_happens_to_the_file(
    shop: Shop, damage: list[tuple[int, bytes, int]], encoding: str
) -> None:
    data = GOOD
    for place, inserted, removed in damage:
        data = data[:place] + inserted + data[place + removed :]
    shop.write_bytes(data)
    try:
        built = shop.build(source={"type": "csv", "path": "products.csv", "encoding": encoding}, conversations=TWO)
    except (SourceError, RecipeError, BuildRefusedError):
        return
    ledger = built.ledger
    ledger.check()
    assert ledger.lines_read == len(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", data.decode("latin-1")))
    rejections = list(built.rejections)
    whole = [rejection for rejection in rejections if rejection.conversation is None]
    partly = {rejection.origin.row for rejection in rejections if rejection.conversation is not None}
    assert len(whole) + len(partly) == ledger.rows_with_rejection
    assert len(records(built.path)) == ledger.conversations_accepted
    assert all(rejection.row is not None or rejection.raw is not None for rejection in rejections)


def test_conversations_of_a_row_have_its_number_and_fail_one_by_one(shop: Shop) -> None:
    shop.write([product(1), product(2, description=""), product(3, title="", description="")])
    built = shop.build(conversations=TWO)
    assert ids(built.path) == ["SKU-001/0", "SKU-001/1", "SKU-002/0"]
    assert [record["group"] for record in records(built.path)] == ["SKU-001", "SKU-001", "SKU-002"]
    assert [record["tags"][0]["value"] for record in records(built.path)] == ["de", "en", "de"]
    assert rules(built) == {"3/1": "text.empty", "4/0": "text.empty", "4/1": "text.empty"}
    ledger = built.ledger
    assert (ledger.rows_used, ledger.rows_rejected, ledger.rows_with_rejection) == (2, 1, 2)
    assert (ledger.conversations_made, ledger.conversations_accepted, ledger.conversations_rejected) == (6, 3, 3)


def test_an_id_is_known_again_where_the_first_conversation_failed(shop: Shop) -> None:
    failing = [{"user": "{{ 10 // (title | int) }}", "assistant": "{{ description }}"}, TWO[1]]
    shop.write([product(1, title="0"), product(1, title="5")])
    built = shop.build(conversations=failing)
    assert ids(built.path) == ["SKU-001/1"]
    assert rules(built) == {"2/0": "text.template", "3": "id.duplicate"}


def test_a_good_row_is_kept_where_a_later_one_of_its_id_is_bad(shop: Shop) -> None:
    shop.write([product(1), product(1, description=" "), product(2, description=" "), product(2)])
    built = shop.build()
    assert ids(built.path) == ["SKU-001"]
    assert rules(built) == {"3/0": "text.empty", "4/0": "text.empty", "5": "id.duplicate"}


def test_a_repeated_id_names_the_file_of_the_first(shop: Shop) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for folder in ("a", "b"):
        (shop.folder / "tables" / folder).mkdir(parents=True)
        columns = [[value, value] for value in product(1)]
        columns[0] = [f"SKU-{folder}", "SKU"]
        pq.write_table(pa.table(columns, names=COLUMNS), shop.folder / "tables" / folder / "part.parquet")
    built = shop.build(source={"type": "parquet", "path": "tables"})
    (rejection,) = built.rejections
    assert str(rejection.problems[0]).startswith("b/part.parquet:2 id: the id 'SKU' stands already in a/part.parquet:2")


def talks(shop: Shop, named: Iterable[tuple[str | None, str]], **changes: Any) -> vlmdata.BuildResult:
    """A dataset of conversations with ids of their own, and answers."""
    lines = []
    for name, answer in named:
        turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": answer}]
        lines.append(json.dumps({"id": name, "messages": turns} if name else {"messages": turns}))
    (shop.folder / "talks.jsonl").write_text("\n".join(lines), encoding="utf-8")
    recipe = {"source": {"type": "conversations", "path": "talks.jsonl"}, "max_rejected": "100%", **changes}
    return vlmdata.build(recipe_from(recipe, shop.folder), shop.out, replace=True, workers=1)


@pytest.mark.parametrize("block_rows", [1, 512])
def test_a_bad_conversation_takes_no_other_of_its_id_with_it(
    shop: Shop, block_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmdata.blocks.BLOCK_ROWS", block_rows)
    built = talks(shop, [("a", "Yes."), ("a", " "), ("a", "No."), ("b", " ")])
    assert ids(built.path) == ["a", "a-3"]
    assert rules(built) == {"2/0": "text.empty", "4/0": "text.empty"}


def test_a_number_behind_an_id_makes_no_id_that_another_row_has(shop: Shop) -> None:
    answers = [("a", "1"), ("a-2", "2"), ("a", "3"), ("a", "4"), ("a-4", "5"), ("a-4", "6")]
    assert ids(talks(shop, answers).path) == ["a", "a-2", "a-3", "a-4", "a-4-2", "a-4-3"]
    assert vlmdata.validate(shop.out).errors == 0


def test_bad_conversations_without_an_id_are_not_taken_for_equal(shop: Shop) -> None:
    built = talks(shop, [(None, " "), (None, "  "), (None, "Yes.")])
    assert built.ledger.changed == {}
    assert all(len(rejection.id) == 16 for rejection in built.rejections)


def test_an_id_with_a_slash_is_a_group_of_its_own(shop: Shop) -> None:
    shop.write([product(number, sku=f"mugs/{number}") for number in range(20)])
    built = shop.build(split={"train": 0.5, "test": 0.5, "together": ["group"]})
    assert built.ledger.groups == 20
    assert built.ledger.splits == {"train": 10, "test": 10}


def test_equal_rows_without_an_id_are_numbered(shop: Shop) -> None:
    shop.write([product(1), product(2), product(1), product(1)])
    found = ids(shop.build(id=None).path)
    assert found[2:] == [f"{found[0]}-2", f"{found[0]}-3"]
    assert len(found[0]) == 16
    assert found[1] not in found[0]


def test_an_id_stays_the_same_when_other_rows_come_and_go(shop: Shop) -> None:
    shop.write([product(1), product(2), product(3)])
    before = ids(shop.build(id=None).path)
    shop.write([product(9), product(3), product(1)])
    assert ids(shop.build(id=None).path)[1:] == [before[2], before[0]]


@pytest.mark.parametrize(
    ("policy", "accepted", "deduplicated", "rejected"), [("keep", 5, 0, 0), ("drop", 3, 2, 0), ("reject", 3, 0, 2)]
)
def test_equal_conversations_are_kept_dropped_or_rejected(
    shop: Shop, policy: str, accepted: int, deduplicated: int, rejected: int
) -> None:
    shop.photo("copy.png", encoded(drawn(1)))
    same = {"title": "Mug 1", "description": "Mug number 1 for tea."}
    shop.write([product(1), product(2), product(5, **same), product(3), product(4, photo="copy.png", **same)])
    built = shop.build(duplicates=policy)
    ledger = built.ledger
    found = (ledger.conversations_accepted, ledger.conversations_deduplicated, ledger.conversations_rejected)
    assert found == (accepted, deduplicated, rejected)
    ledger.check()
    if policy == "reject":
        assert rules(built) == {"4/0": "dataset.duplicate", "6/0": "dataset.duplicate"}
        assert [rejection.row["sku"] for rejection in built.rejections if rejection.row] == ["SKU-005", "SKU-004"]
        assert "'SKU-001'" in next(built.rejections).problems[0].message


def test_a_row_with_two_kinds_of_rejections_counts_once(shop: Shop) -> None:
    rows = [product(1, description="same", title="same"), product(5, description="", title="same")]
    shop.write(rows)
    assert [row[1] for row in rows] == ["1.png", "1.png"]
    built = shop.build(conversations=TWO, duplicates="reject", max_rejected=1)
    assert rules(built) == {"3/0": "dataset.duplicate", "3/1": "text.empty"}
    assert (built.ledger.rows_rejected, built.ledger.rows_with_rejection) == (1, 1)


def test_rows_left_out_are_counted_by_their_reason(shop: Shop) -> None:
    shop.write([product(number) for number in range(10)] + [("", "", "", "")])
    source = {"type": "csv", "path": "products.csv", "where": "sku != 'SKU-001' and photo != '2.png'", "limit": 4}
    built = shop.build(source=source)
    assert built.ledger.skipped == {f"where: {source['where']}": 2, "limit": 4, "empty row": 1}
    assert ids(built.path) == ["SKU-000", "SKU-003", "SKU-004", "SKU-005"]
    built.ledger.check()


def test_a_row_that_is_left_out_is_not_looked_at(shop: Shop) -> None:
    shop.write([product(1), product(2, photo="nowhere.png", sku=""), product(3)])
    built = shop.build(source={"type": "csv", "path": "products.csv", "where": "photo != 'nowhere.png'"})
    assert built.ledger.rows_rejected == 0


def test_long_texts_stand_in_batches_that_a_column_can_hold(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr("vlmdata.index.LONG_TEXT", 5_000)
    monkeypatch.setattr("vlmdata.write.arrow_files.BATCH_BYTES", 40_000)
    shop.write([product(number, description=f"{number} " * 4_000) for number in range(12)])
    built = shop.build(check={"ignore": ["text"]})
    with pa.ipc.open_stream((built.path / "train" / "data-00000-of-00001.arrow").read_bytes()) as stream:
        assert max(batch.num_rows for batch in stream) < 6
    assert built.ledger.splits == {"train": 12}
    assert vlmdata.validate(built.path, ignore=["text"]).errors == 0


def test_images_left_out_by_the_recipe_are_counted(shop: Shop) -> None:
    shop.write([product(1, photo="0.png| 1.png||2.png "), product(2)])
    images = {"root": "photos", "from": {"column": "photo", "separator": "|"}, "max": 2, "over": "first"}
    built = shop.build(images=images)
    assert [image["path"] for image in records(built.path)[0]["images"]] == ["0.png", "1.png"]
    assert built.ledger.warned_by_rule == {"images.over": 1}
    assert built.report["problems"][0]["message"] == "3 images, the first 2 are used"
    rejected = shop.build(images={**images, "over": "reject"})
    assert rules(rejected) == {"2": "images.too_many"}


def test_images_come_in_the_order_of_columns_and_cells_where_the_recipe_puts_them(shop: Shop) -> None:
    shop.write([("A", "3.png", "1.png|2.png", "a mug")], header=("sku", "main", "more", "text"))
    built = shop.build(
        images={"root": "photos", "from": ["main", {"column": "more", "separator": "|"}]},
        conversations=[{"system": "Be brief.", "user": ["Look:", "images", "{{ text }}?"], "assistant": "{{ text }}"}],
    )
    (record,) = records(built.path)
    assert [image["path"] for image in record["images"]] == ["3.png", "1.png", "2.png"]
    assert [part["type"] for part in record["messages"][1]["content"]] == ["text", "image", "image", "image", "text"]
    assert record["messages"][0]["content"][0]["text"] == "Be brief."


def test_a_title_that_looks_like_an_image_or_a_template_stays_text(shop: Shop) -> None:
    title = "<image> {{ description }} <|image_pad|> {% raw %}"
    shop.write([product(1, title=title)])
    (record,) = records(shop.build(check={"ignore": ["text"]}).path)
    assert record["messages"][0]["content"] == [
        {"type": "image", "text": None},
        {"type": "text", "text": f"Describe: {title}"},
    ]


def test_a_rejected_row_can_be_built_from_again(shop: Shop) -> None:
    shop.write([product(1), product(2, photo="nowhere.png"), product(3)])
    shop.build()
    lines = (shop.out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    (kept,) = [json.loads(line)["row"] for line in lines]
    assert tuple(kept.values()) == product(2, photo="nowhere.png")


@pytest.mark.parametrize(
    ("limit", "refused"),
    [(0, True), (1, True), (2, False), ("19%", True), ("20%", False), (0.19, True), (0.2, False), (1.0, False)],
)
def test_a_build_is_refused_over_the_bound_on_rejections(shop: Shop, limit: Any, refused: bool) -> None:
    shop.write([product(number, photo="nowhere.png" if number < 2 else "1.png") for number in range(10)])
    if not refused:
        assert shop.build(max_rejected=limit).ledger.rows_rejected == 2
        return
    with pytest.raises(BuildRefusedError, match="2 of 10 rows have a rejection, at most"):
        shop.build(max_rejected=limit)
    assert not shop.out.exists()
    report = json.loads((shop.folder / "dataset.rejected" / "report.json").read_text(encoding="utf-8"))
    assert report["published"] is False
    assert len((shop.folder / "dataset.rejected" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize("limit", ["29%", 0.29])
def test_the_bound_on_rejections_is_exact(shop: Shop, limit: Any) -> None:
    shop.write([product(number, photo="nowhere.png" if number < 29 else "1.png") for number in range(100)])
    assert shop.build(max_rejected=limit).ledger.rows_rejected == 29


def test_all_columns_that_are_not_there_are_named_at_once(shop: Shop) -> None:
    shop.write([product(1)])
    with pytest.raises(RecipeError) as raised:
        shop.build(
            id="skuu",
            group="parent",
            fields=["colour"],
            tags=["photos"],
            conversations=[{"user": "{{ titel }}", "assistant": "{{ row['text'] }}"}],
        )
    assert [problem.field for problem in raised.value.problems] == [
        "id",
        "group",
        "fields[0]",
        "tags[0]",
        "conversations[0].assistant",
        "conversations[0].user",
    ]
    assert "did you mean 'title'?" in raised.value.problems[5].hint
    assert not shop.out.exists()


def test_an_image_that_changes_while_the_dataset_is_built_stops_it(shop: Shop) -> None:
    shop.write([product(number) for number in range(4)])

    def change(progress: Progress) -> None:
        if progress.phase == "scan" and progress.share == 1.0:
            shop.photo("1.png", encoded(drawn(9)))

    with pytest.raises(OutputError, match=r"'1.png' changed while the dataset was being built"):
        vlmdata.build(shop.recipe(), shop.out, workers=1, on_progress=change)
    assert not shop.out.exists()


def test_a_source_that_changes_while_the_dataset_is_built_stops_it(shop: Shop) -> None:
    shop.write([product(number) for number in range(4)])

    def change(progress: Progress) -> None:
        if progress.phase == "write" and progress.files:
            shop.write([product(number) for number in range(5)])

    with pytest.raises(OutputError, match=r"products.csv: the source changed while the dataset was being built"):
        vlmdata.build(shop.recipe(), shop.out, workers=1, on_progress=change)
    assert not shop.out.exists()
    assert vlmdata.build(shop.recipe(), shop.out).ledger.rows_used == 5


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems have names of text alone")
def test_a_source_whose_name_is_no_text_is_refused(shop: Shop) -> None:
    shop.write([product(1)])
    (shop.folder / "products.csv").rename(shop.folder / "products\udcff.csv")
    changes = {"source": {"type": "csv", "path": "products\udcff.csv"}}
    with pytest.raises(SourceError, match=r"products\\udcff.csv': the file's name is not UTF-8"):
        shop.build(**changes)
    with pytest.raises(SourceError, match="not UTF-8"):
        vlmdata.build_shard(shop.recipe(**changes), shop.out, "1/2")


def test_no_socket_is_opened(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    shop.write([product(1), product(2, photo="https://example.com/1.png")])
    built = shop.build()
    assert rules(built) == {"3": "images.url"}
    vlmdata.open(built.path)
    vlmdata.validate(built.path)
