"""Shards, in any order and on any engine, make the dataset that one build makes."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.shop import Shop, drawn, encoded, product
from tests.vlmdata.test_resuming import contents, shop, small_blocks
from vlmdata.blocks import BlockId
from vlmdata.errors import BuildRefusedError, ConfigError, OutputError
from vlmdata.journal import Journal, scan_key
from vlmdata.source import open_source
from vlmdata.tasks import Share
from vlmdata.write.staging import Stage, shared_stage

__all__ = ["shop", "small_blocks"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_shards_in_any_order_make_the_same_bytes_as_one_build(shop: Shop, order: tuple[int, ...]) -> None:
    whole = contents(shop.build().path)
    shared = shop.folder / "shared"
    for number in order:
        done = vlmdata.build_shard(shop.recipe(), shared, f"{number}/3")
    assert done.missing == ()
    assert not shared.exists()
    built = vlmdata.join(shared)
    assert built is not None
    assert contents(shared) == whole
    assert not list(shop.folder.glob(".shared*"))


def test_planned_files_are_written_by_the_shards(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmdata.write.plan.SHARD_ROWS", 7)
    whole = contents(shop.build().path)
    shared = shop.folder / "shared"
    for number in (1, 2):
        vlmdata.build_shard(shop.recipe(), shared, f"{number}/2")
    assert vlmdata.join(shared, plan_only=True) is None
    assert [vlmdata.build_shard(shop.recipe(), shared, f"{number}/2").phase for number in (2, 1)] == ["write", "write"]
    with monkeypatch.context() as patched:
        patched.setattr("vlmdata.tasks.write_shard", None)
        vlmdata.join(shared)
    assert contents(shared) == whole
    assert len([name for name in whole if name.endswith(".arrow")]) == 6


def test_a_join_names_what_is_missing_and_keeps_what_is_there(shop: Shop) -> None:
    shared = shop.folder / "shared"
    done = vlmdata.build_shard(shop.recipe(), shared, "1/2")
    assert done.missing == ("5 of 10 blocks of the source",)
    with pytest.raises(OutputError, match="not every shard is done: 5 of 10 blocks"):
        vlmdata.join(shared)
    vlmdata.build_shard(shop.recipe(), shared, "2/2")
    assert vlmdata.join(shared) is not None


def test_a_shard_for_an_existing_dataset_needs_replace(shop: Shop) -> None:
    whole = contents(shop.build().path)
    with pytest.raises(OutputError, match="exists already; --replace"):
        vlmdata.build_shard(shop.recipe(), shop.out, "1/1")
    vlmdata.build_shard(shop.recipe(), shop.out, "1/1", replace=True)
    with pytest.raises(OutputError, match="exists already; --replace"):
        vlmdata.join(shop.out)
    vlmdata.join(shop.out, replace=True)
    assert contents(shop.out) == whole


def test_a_join_of_nothing_and_of_a_changed_source_is_refused(shop: Shop) -> None:
    shared = shop.folder / "shared"
    with pytest.raises(OutputError, match="no shard was built here"):
        vlmdata.join(shared)
    vlmdata.build_shard(shop.recipe(), shared, "1/1")
    shop.write([product(1)])
    with pytest.raises(OutputError, match="the source has changed since the shards were built"):
        vlmdata.join(shared)


def test_a_join_refuses_what_a_build_refuses(shop: Shop) -> None:
    shared = shop.folder / "shared"
    vlmdata.build_shard(
        shop.recipe(max_rejected=0, images={"root": "photos", "from": "photo", "min": 2}), shared, "1/1"
    )
    with pytest.raises(BuildRefusedError):
        vlmdata.join(shared, plan_only=True)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_a_shard_is_numbered_from_one(shop: Shop, shard: str) -> None:
    with pytest.raises(ConfigError, match="with I from 1 to N"):
        vlmdata.build_shard(shop.recipe(), shop.folder / "shared", shard)


def test_a_build_waits_for_no_shard_and_disturbs_none(shop: Shop) -> None:
    with (
        shared_stage(shop.out, "1-of-2", fits=lambda _: True, begin=Stage.begin),
        pytest.raises(OutputError, match="shard 1-of-2 is at work here"),
    ):
        shop.build()
    with (
        shared_stage(shop.out, "1-of-2", fits=lambda _: True, begin=Stage.begin),
        pytest.raises(OutputError, match="shard 1-of-2 is at work already"),
    ):
        vlmdata.build_shard(shop.recipe(), shop.out, "1/2")
    with (
        shared_stage(shop.out, "2-of-2", fits=lambda _: True, begin=Stage.begin),
        pytest.raises(OutputError, match="shard 2-of-2 is at work here"),
    ):
        vlmdata.build_shard(shop.recipe(), shop.out, "1/2")


def test_shards_that_begin_at_once_share_one_journal(shop: Shop) -> None:
    key = scan_key(shop.recipe(), open_source(shop.recipe().source))

    def fits(stage: Stage) -> bool:
        return Journal(stage.work).key() == key

    def begin(stage: Stage) -> None:
        Journal(stage.work).begin(key, shop.recipe())

    with shared_stage(shop.out, "1-of-2", fits=fits, begin=begin):
        assert vlmdata.build_shard(shop.recipe(), shop.out, "2/2").missing == ("5 of 10 blocks of the source",)


def test_a_shard_names_an_image_that_changed_before_it_was_written(shop: Shop) -> None:
    shared = shop.folder / "shared"
    vlmdata.build_shard(shop.recipe(), shared, "1/1")
    vlmdata.join(shared, plan_only=True)
    shop.photo("1.png", encoded(drawn(77)))
    with pytest.raises(OutputError, match=r"'1.png' changed while the dataset was being built"):
        vlmdata.build_shard(shop.recipe(), shared, "1/1")
    with pytest.raises(OutputError, match="build again"):
        vlmdata.join(shared)
    assert shop.build(out=shared).ledger.rows_used == 40


@pytest.mark.parametrize(("shards", "of"), [(1, 1), (1, 4), (3, 8), (8, 3), (5, 5)])
def test_every_block_is_of_exactly_one_share(shards: int, of: int) -> None:
    for shard in range(shards):
        for number in range(10):
            holders = [
                share for n in range(of) if (share := Share(number=n, of=of)).holds(BlockId(shard, number), shards)
            ]
            assert len(holders) == 1
            assert holders[0].reads(shard, shards)


@pytest.mark.long
def test_ray_makes_the_same_bytes(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.undo()
    whole = contents(shop.build().path)
    built = vlmdata.build(shop.recipe(), tmp_path / "by-ray", engine="ray", workers=2)
    assert contents(built.path) == whole


def test_an_unknown_engine_is_named(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="there is no engine 'rey'; did you mean 'ray'"):
        vlmdata.build(shop.recipe(), shop.out, engine="rey")
