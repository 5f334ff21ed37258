"""A build that stops goes on where it stopped, with the bytes that an uninterrupted one would have made."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.shop import Shop, drawn, encoded, product
from vlmdata import blocks
from vlmdata.blocks import BlockId, BlockResult
from vlmdata.errors import BuildRefusedError, ConfigError, OutputError
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.verifying import Reader
from vlmdata.journal import Journal
from vlmdata.progress import Progress
from vlmdata.tasks import ScanTask

ROWS = 40


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "shop")
    for number in range(ROWS):
        made.photo(f"{number}.png", encoded(drawn(number)))
    made.write([product(number, photo=f"{number}.png") for number in range(ROWS)])
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset that must not depend on how it came about."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "build-log.json"}


def verified_when(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that were read and verified while something was done."""
    seen: list[str] = []
    usual = Reader.verdict

    def noted(self: Reader, reference: object) -> object:
        seen.append(str(reference))
        return usual(self, reference)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "verdict", noted)
        act()
    return seen


def killed_after(shop: Shop, blocks_done: int) -> None:
    """Build in a process of its own, which is killed when so many blocks are finished."""
    process = os.fork()
    if process == 0:
        journal = Journal(shop.folder / ".dataset.building.index")

        def watch(_: Progress) -> None:
            if sum(path.suffix == ".arrow" for path in journal.blocks.iterdir()) >= blocks_done:
                os.kill(os.getpid(), signal.SIGKILL)

        from vlmdata import tasks

        tasks.SHOWN_SECONDS = 0.0
        vlmdata.build(shop.recipe(), shop.out, workers=1, on_progress=watch)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("blocks_done", [1, 5, 9])
def test_a_killed_build_goes_on_and_makes_the_same_bytes(
    shop: Shop, blocks_done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(shop.build().path)
    shutil.rmtree(shop.out)
    killed_after(shop, blocks_done)
    assert not shop.out.exists()
    seen = verified_when(shop.build, monkeypatch)
    assert contents(shop.out) == whole
    assert len(seen) <= ROWS - 4 * blocks_done
    assert sorted(path.name for path in shop.folder.iterdir()) == ["dataset", "photos", "products.csv"]


def test_a_block_with_a_missing_image_is_looked_at_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    mended = contents(shop.build().path)
    shutil.rmtree(shop.out)
    photo = shop.folder / "photos" / "2.png"
    data = photo.read_bytes()
    photo.unlink()
    killed_after(shop, 5)
    photo.write_bytes(data)
    seen = verified_when(shop.build, monkeypatch)
    assert contents(shop.out) == mended
    assert "2.png" in seen
    assert "1.png" not in seen


def test_a_changed_source_is_read_anew(shop: Shop) -> None:
    killed_after(shop, 5)
    shop.write([product(number, photo=f"{number}.png", title="Cup") for number in range(ROWS)])
    built = shop.build()
    rows = vlmdata.open(built.path)["train"]
    assert all("Cup" in row["messages"][0]["content"][1]["text"] for row in rows)


def test_a_changed_recipe_is_read_anew(shop: Shop) -> None:
    killed_after(shop, 5)
    built = shop.build(conversations=[{"user": "What is this?", "assistant": "{{ title }}"}])
    rows = vlmdata.open(built.path)["train"]
    assert all(row["messages"][0]["content"][1]["text"] == "What is this?" for row in rows)


def test_another_split_keeps_what_was_scanned(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_after(shop, 9)
    seen = verified_when(lambda: shop.build(split={"train": 0.5, "test": 0.5}), monkeypatch)
    assert len(seen) <= 4
    assert set(vlmdata.open(shop.out)) == {"train", "test"}


def interrupted_while_writing(shop: Shop, **changes: object) -> None:
    """Build until a file of the output is written."""

    def stop(progress: Progress) -> None:
        if progress.files:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vlmdata.build(shop.recipe(**changes), shop.out, replace=True, on_progress=stop)


def test_another_split_leaves_no_folder_of_the_one_before(shop: Shop) -> None:
    interrupted_while_writing(shop)
    shop.build(split={"one": 0.5, "two": 0.5})
    assert sorted(path.name for path in shop.out.iterdir() if path.is_dir()) == ["one", "two"]


def test_a_refusal_holds_no_files_of_an_interrupted_build(shop: Shop) -> None:
    shop.write([*(product(number) for number in range(8)), product(9, photo="nowhere.png")])
    interrupted_while_writing(shop)
    with pytest.raises(BuildRefusedError):
        shop.build(max_rejected=0)
    assert not [path for path in (shop.folder / "dataset.rejected").iterdir() if path.is_dir()]


def test_a_command_that_is_refused_leaves_an_interrupted_build_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.build()
    interrupted_while_writing(shop)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="exists already"):
        shop.build(replace=False)
    with pytest.raises(ConfigError, match="no engine"):
        vlmdata.build(shop.recipe(), shop.out, replace=True, engine="rey")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "begin", full)
        with pytest.raises(OutputError, match="what was finished is kept"):
            shop.build()
    assert verified_when(shop.build, monkeypatch) == []


def test_an_image_that_can_not_be_read_for_a_while_costs_no_finished_block(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> bytes:
        raise ImageReferenceError("images.unreadable", "'1.png' can't be read: Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "fill", failing)
        with pytest.raises(OutputError, match="Input/output error"):
            shop.build()
    assert verified_when(shop.build, monkeypatch) == []


def test_half_a_journal_is_not_gone_on_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"root": "photos", "from": "photo", "resize": {"max_pixels": 400}}
    whole = contents(shop.build(images=images).path)
    shutil.rmtree(shop.out)
    interrupted_while_writing(shop, images=images)

    def cut_short(folder: Path, **_: object) -> None:
        for file in Path(folder).glob("spool/*"):
            file.unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", cut_short)
        with pytest.raises(KeyboardInterrupt):
            shop.build(fields=["title"])
    shop.build(images=images)
    assert contents(shop.out) == whole


def test_a_journal_that_was_moved_is_not_gone_on_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = shop.folder / "here", shop.folder / "there"

    def stop(progress: Progress) -> None:
        if progress.files:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vlmdata.build(shop.recipe(), here / "dataset", on_progress=stop)
    here.rename(there)
    seen = verified_when(lambda: vlmdata.build(shop.recipe(), there / "dataset"), monkeypatch)
    assert len(seen) == ROWS


def test_finished_blocks_are_taken_over_one_by_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_while_writing(shop)
    held, most = [0], [0]
    load, take_over = Journal.load, ScanTask._take_over

    def loading(self: Journal, block: BlockId) -> BlockResult:
        held[0] += 1
        most[0] = max(most[0], held[0])
        return load(self, block)

    def taking(self: ScanTask, result: BlockResult) -> None:
        take_over(self, result)
        held[0] -= 1

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "load", loading)
        patched.setattr(ScanTask, "_take_over", taking)
        with pytest.raises(KeyboardInterrupt):
            vlmdata.build(shop.recipe(), shop.out, on_progress=_stopping)
    assert most[0] == 1


def _stopping(_: Progress) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_build_leaves_nothing_in_the_place_of_the_output_and_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: Progress) -> None:
        if progress.phase == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vlmdata.build(shop.recipe(), shop.out, on_progress=stop)
    assert not shop.out.exists()
    assert verified_when(shop.build, monkeypatch) == []
    assert vlmdata.validate(shop.out).errors == 0


def test_a_full_disk_is_named_and_what_is_finished_is_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "data-00000-of-00001.arrow")

    with monkeypatch.context() as patched:
        patched.setattr("vlmdata.tasks.write_shard", full)
        with pytest.raises(OutputError, match=r"No space left on device; nothing was published; what was finished is"):
            shop.build()
    assert not shop.out.exists()
    assert verified_when(shop.build, monkeypatch) == []


def test_a_disk_that_can_not_hold_the_output_is_refused_before_anything_is_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(shop.folder)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
        with pytest.raises(OutputError, match=r"about [\d.]+ kB are to be written, and 1.0 kB are free"):
            shop.build()
    assert not shop.out.exists()
    assert not list(shop.folder.glob(".dataset.building/*/*.arrow"))


def test_a_damaged_block_is_named_and_done_again(shop: Shop) -> None:
    whole = contents(shop.build().path)
    shutil.rmtree(shop.out)
    killed_after(shop, 3)
    block = next((shop.folder / ".dataset.building.index" / "blocks").glob("*.arrow"))
    block.write_bytes(block.read_bytes()[:-300])
    with pytest.raises(OutputError, match="is damaged"):
        shop.build()
    shop.build()
    assert contents(shop.out) == whole


def test_a_rebuild_does_not_decode_what_the_old_dataset_knows(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.build()
    shop.photo("new.png", encoded(drawn(99)))
    rows = [product(number, photo=f"{number}.png") for number in range(ROWS)]
    shop.write([*rows[1:], product(50, photo="new.png")])
    from vlmdata.image import inspecting

    hashed: list[int] = []
    usual = inspecting.dhash_of

    def counted(grey: object) -> str:
        hashed.append(1)
        return usual(grey)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(inspecting, "dhash_of", counted)
        vlmdata.build(shop.recipe(), shop.out, replace=True)
    assert len(hashed) == 1
    again = contents(shop.out)
    shutil.rmtree(shop.out)
    shop.build()
    assert contents(shop.out) == again


def test_a_touched_photo_is_known_by_its_bytes_and_a_changed_one_is_not(shop: Shop) -> None:
    shop.build()
    os.utime(shop.folder / "photos" / "1.png", (1, 1))
    shop.photo("2.png", encoded(drawn(77)))
    vlmdata.build(shop.recipe(), shop.out, replace=True)
    stored = {row["id"]: row["images"][0] for row in vlmdata.open(shop.out)["train"]}
    assert stored["SKU-002"].tobytes() == drawn(77).tobytes()
    replaced = contents(shop.out)
    shutil.rmtree(shop.out)
    shop.build()
    assert contents(shop.out) == replaced


def test_a_refused_build_leaves_no_journal_after_a_short_scan(shop: Shop) -> None:
    with pytest.raises(BuildRefusedError):
        shop.build(max_rejected=0, images={"root": "photos", "from": "photo", "min": 2})
    assert not list(shop.folder.glob(".dataset*"))


def test_images_that_the_row_itself_holds_survive_a_kill(shop: Shop) -> None:
    from base64 import b64encode

    rows = [
        product(number, photo="data:image/png;base64," + b64encode(encoded(drawn(number))).decode())
        for number in range(ROWS)
    ]
    shop.write(rows)
    whole = contents(shop.build().path)
    shutil.rmtree(shop.out)
    killed_after(shop, 5)
    shop.build()
    assert contents(shop.out) == whole
