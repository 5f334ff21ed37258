"""Tars of samples: images read in their place, and hostile or broken members that cost their own sample alone."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlmdata
from tests.vlmdata.one_row import shared, turns
from tests.vlmdata.shop import drawn, encoded
from tests.vlmdata.test_build import records
from vlmdata.errors import SourceError
from vlmdata.recipe import recipe_from
from vlmdata.record import RawRecord, Rejection
from vlmdata.source.tar_samples import TarSource

PNG = [encoded(drawn(number)) for number in range(3)]
CHAT = {"conversations": shared("<image>\nWhat?", "A mug.")}
Edit = Callable[[tarfile.TarInfo], None]


def text(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def tar_of(path: Path, *members: tuple[str, Any], form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of these members, each a name and bytes, text, JSON, or a header to put in as it is."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, value in members:
            if isinstance(value, tarfile.TarInfo):
                value.name = name
                tar.addfile(value)
                continue
            data = value if isinstance(value, bytes) else text(value)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, target
    return info


def entries(path: Path) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """The keys of the samples that could be read, and the rules of the others by key, the end's under nothing."""
    shard = TarSource(path, path.name).shards()[0]
    good, bad = [], {}
    for entry in shard:
        if isinstance(entry, RawRecord):
            good.append(entry.values["__key__"])
        else:
            assert isinstance(entry, Rejection)
            bad[(entry.row or {}).get("__key__", "")] = entry.rules
    assert shard.lines_read == len(good) + len(bad)
    return good, bad


def imported(path: Path, **options: Any) -> vlmdata.BuildResult:
    return vlmdata.import_dataset(path, path.parent / "out", replace=True, workers=1, **options)


def images(built: vlmdata.BuildResult) -> list[list[bytes]]:
    return [[image["bytes"] for image in record["images"]] for record in records(built.path)]


def test_samples_with_conversations_of_any_format(tmp_path: Path) -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "What?"}]
    path = tar_of(
        tmp_path / "a.tar",
        ("d/0001.png", PNG[0]), ("d/0001.json", CHAT),
        ("0002.json", {"messages": turns("<image><image>Same?", "No.")}),
        ("0002.1.png", PNG[2]), ("0002.0.png", PNG[1]),
        ("0003.jpg", PNG[1]), ("0003.json", {"messages": [{"role": "user", "content": parts}, turns("", "A")[1]]}),
        ("0004.png", PNG[2]), ("0004.json", {"image": "0004.png", **CHAT}),
    )  # fmt: skip
    built = imported(path)
    assert [record["id"] for record in records(built.path)] == ["d/0001", "0002", "0003", "0004"]
    assert images(built) == [[PNG[0]], [PNG[1], PNG[2]], [PNG[1]], [PNG[2]]]
    assert records(built.path)[0]["images"][0]["path"] == "0001.png"
    assert [record["origin"]["source"] for record in records(built.path)] == ["a.tar"] * 4


def test_a_format_and_a_map_are_those_of_the_json(tmp_path: Path) -> None:
    talk = {"talk": turns("What does <imagine> mean?", "Nothing.")}
    path = tar_of(tmp_path / "a.tar", ("1.json", talk), ("2.json", talk))
    built = imported(path, format="openai", map={"messages": "talk"})
    assert records(built.path)[0]["messages"][0]["content"][0]["text"] == "What does <imagine> mean?"


def test_a_recipe_may_name_keys_of_the_json(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.json", {**CHAT, "source": "coco"}))
    source = {"type": "conversations", "path": path.name}
    vlmdata.build(recipe_from({"source": source, "tags": ["source"]}, tmp_path), tmp_path / "out", workers=1)
    assert records(tmp_path / "out")[0]["tags"] == [{"name": "source", "value": "coco"}]


def test_a_folder_of_tars(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for number in range(2):
        name = tmp_path / "shards" / f"{number:04d}.tar"
        tar_of(name, (f"{number}.png", PNG[number]), (f"{number}.json", CHAT))
    assert images(imported(tmp_path / "shards")) == [[PNG[0]], [PNG[1]]]


def test_members_of_a_sample_need_not_be_neighbours(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("2.png", PNG[1]), ("1.json", CHAT), ("2.json", CHAT))
    assert images(imported(path)) == [[PNG[0]], [PNG[1]]]


def test_captions_need_a_question(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.txt", "A mug.\n"),
                  ("2.png", PNG[1]), ("2.json", {"caption": "A cup.", "width": 40}))  # fmt: skip
    built = imported(path, prompt="Describe it.")
    assert [turn["content"][-1]["text"] for record in records(built.path) for turn in record["messages"]] == [
        "Describe it.", "A mug.", "Describe it.", "A cup."
    ]  # fmt: skip
    assert images(built) == [[PNG[0]], [PNG[1]]]
    more = tar_of(tmp_path / "b.tar", ("1.png", PNG[0]), ("1.txt", "A mug."), ("2.png", PNG[1]), ("2.json", CHAT))
    rejected = imported(more, max_rejected=1)
    assert [rejection.rules for rejection in rejected.rejections] == [("import.no_prompt",)]


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ([("1.png", PNG[0])], "messages.none"),
        ([("1.png", PNG[0]), ("1.jpg", PNG[1]), ("1.json", CHAT)], "messages.images"),
        ([("1.json", CHAT)], "messages.images"),
        ([("1.png", PNG[0]), ("1.json", "[1]")], "messages.shape"),
        ([("1.png", PNG[0]), ("1.json", "{not json")], "json.syntax"),
        ([("1.png", PNG[0]), ("1.json", b'{"a": "\xff"}')], "tar.encoding"),
        ([("1.png", PNG[0][:100]), ("1.json", CHAT)], "images.truncated"),
        ([("1.png", b""), ("1.json", CHAT)], "images.empty"),
        ([("1.mp4", b"video"), ("1.json", {"conversations": shared("Hi", "A")})], "unsupported.video"),
        ([("1.wav", b"audio"), ("1.txt", "Hi")], "unsupported.audio"),
        ([("1.png", PNG[0]), ("1.json", {**CHAT, "bbox": [[1, 2, 3, 4]]})], "unsupported.boxes"),
    ],
)
def test_a_sample_that_can_not_be_used_is_rejected(tmp_path: Path, members: list[Any], rule: str) -> None:
    path = tar_of(tmp_path / "a.tar", *members, ("good.png", PNG[0]), ("good.json", CHAT))
    built = imported(path, max_rejected=1)
    assert [record["id"] for record in records(built.path)] == ["good"]
    (rejection,) = built.rejections
    assert rule in rejection.rules


def test_other_members_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.json", CHAT), ("1.cls", "3"))
    assert imported(path).report["ledger"]["changed"] == {"import.left_out": 1}


@pytest.mark.parametrize(
    ("name", "member", "rule"),
    [
        ("bad.png", link(tarfile.SYMTYPE, "/etc/passwd"), "tar.member"),
        ("bad.png", link(tarfile.LNKTYPE, "good.png"), "tar.member"),
        ("bad.png", link(tarfile.CHRTYPE, ""), "tar.member"),
        ("bad.png", link(tarfile.FIFOTYPE, ""), "tar.member"),
        ("../bad.png", PNG[0], "tar.name"),
        ("/bad.png", PNG[0], "tar.name"),
        ("a/../../bad.png", PNG[0], "tar.name"),
    ],
)
def test_a_hostile_member_costs_its_own_sample(tmp_path: Path, name: str, member: Any, rule: str) -> None:
    path = tar_of(tmp_path / "a.tar", ("good.png", PNG[0]), ("good.json", CHAT), (name, member))
    good, bad = entries(path)
    assert good == ["good"]
    assert bad == {name.removesuffix(".png"): (rule,)}


def test_a_name_that_stands_twice_rejects_its_sample(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.json", CHAT), ("1.png", PNG[1]), ("2.txt", "a"))
    assert entries(path) == (["2"], {"1": ("tar.duplicate",)})


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_whole(tmp_path: Path, form: int) -> None:
    key = "/".join(["ordner-" + "ä" * 40] * 6)
    path = tar_of(tmp_path / "a.tar", (f"{key}.png", PNG[0]), (f"{key}.json", CHAT), form=form)
    assert entries(path) == ([key], {})
    assert images(imported(path)) == [[PNG[0]]]


def test_a_tar_that_is_cut_loses_its_last_sample_alone(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.json", CHAT), ("2.json", CHAT), ("2.png", PNG[1] * 40))
    whole = path.read_bytes()
    start = whole.index(b"2.png")
    for size, found in (
        (start + 512 + 100, (["1"], {"2": ("tar.truncated",)})),
        (start + 100, (["1", "2"], {"": ("tar.end",)})),
        (start, (["1", "2"], {})),
    ):
        path.write_bytes(whole[:size])
        assert entries(path) == found


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "x", "GNU.sparse.size": "9"},
        {"GNU.sparse.map": "0,1,2", "GNU.sparse.size": "y"},
        {"size": "99999999999999999999"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_a_header_whose_numbers_are_none_ends_the_tar(tmp_path: Path, headers: dict[str, str]) -> None:
    odd = tarfile.TarInfo("x")
    odd.pax_headers = headers
    path = tar_of(tmp_path / "a.tar", ("1.png", PNG[0]), ("1.json", CHAT), ("2.png", odd))
    good, bad = entries(path)
    assert good == ["1"]
    assert list(bad.values()) in ([("tar.end",)], [("tar.truncated",)])


def test_a_tar_that_begins_with_such_a_header_is_none(tmp_path: Path) -> None:
    odd = tarfile.TarInfo("x")
    odd.pax_headers = {"GNU.sparse.map": "x", "GNU.sparse.size": "9"}
    with pytest.raises(SourceError, match=r"a\.tar: this is no tar"):
        entries(tar_of(tmp_path / "a.tar", ("1.png", odd), ("1.json", CHAT)))


def test_what_stands_behind_the_end_is_not_passed_over(tmp_path: Path) -> None:
    first = tar_of(tmp_path / "a.tar", ("1.json", CHAT)).read_bytes()
    second = tar_of(tmp_path / "b.tar", ("2.json", CHAT)).read_bytes()
    (tmp_path / "c.tar").write_bytes(first + second)
    assert entries(tmp_path / "c.tar") == (["1"], {"": ("tar.end",)})
    damaged = bytearray(tar_of(tmp_path / "d.tar", ("1.json", CHAT), ("2.json", CHAT), ("3.json", CHAT)).read_bytes())
    at = damaged.index(b"2.json")
    damaged[at : at + 300] = b"\xff" * 300
    (tmp_path / "d.tar").write_bytes(damaged)
    assert entries(tmp_path / "d.tar") == (["1"], {"": ("tar.end",)})


def test_a_sparse_member_is_rejected(tmp_path: Path) -> None:
    info = tarfile.TarInfo("1.png")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "1.png",
                        "GNU.sparse.realsize": "100"}  # fmt: skip
    data = b"1\n0\n10\n".ljust(512, b"\0") + b"x" * 10
    info.size = len(data)
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(data))
    assert entries(tmp_path / "a.tar") == ([], {"1": ("tar.member",)})


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_refused_with_a_hint(tmp_path: Path, mode: Any) -> None:
    with tarfile.open(tmp_path / "a.tar", mode) as tar:
        tar.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(SourceError, match=r"compressed with .*decompress it first"):
        entries(tmp_path / "a.tar")


def test_nothing_is_unpacked(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", ("../evil.png", PNG[0]), ("1.png", PNG[0]), ("1.json", CHAT))
    before = {entry.name for entry in tmp_path.iterdir()}
    imported(path, max_rejected=1)
    assert {entry.name for entry in tmp_path.iterdir()} - before == {"out"}
    assert not (tmp_path.parent / "evil.png").exists()


@given(data=st.data())
def test_any_damage_is_samples_rejections_or_a_source_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tar_of(
        tmp_path / "a.tar", ("1.png", PNG[0][:60]), ("1.json", CHAT), ("2.txt", "a"), form=tarfile.USTAR_FORMAT
    )
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    path.write_bytes(damaged[:cut])
    try:
        entries(path)
    except SourceError:
        return
