"""What is made of images one at a time, and kept, is what the processor makes of the batch; nothing stale is used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vlmtrain
from tests.vlmtrain.small_data import image, picture, product_rows, row
from tests.vlmtrain.test_resume import TRAIN, curve, run_file, stopped_by, weights
from tests.vlmtrain.tiny_models import MAKERS
from vlmtrain import Collator, feature_cache, features, loading
from vlmtrain.errors import RunError
from vlmtrain.family import family_of_processor
from vlmtrain.feature_cache import FeatureCache, Need, cache_folder, needed, open_cache
from vlmtrain.features import ImageFeatures, proven_unit
from vlmtrain.loading import keep_freed_memory, worker_count
from vlmtrain.pictures import SHRUNK_TO, pictures

Tiny = Callable[[str], Path]
FAMILIES = sorted(MAKERS)
UNITS = {"mllama": "row", "idefics3": "row", "smolvlm": "row"}


def processor(tiny: Tiny, family: str) -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(tiny(family))


def rows() -> list[dict[str, Any]]:
    """Two rows of two pictures each, one of which both show."""
    turns: list[tuple[str, list[Any]]] = [("user", [image(), image(), "Which one?"]), ("assistant", ["The first."])]
    one, two, three = picture("red"), picture("green", (90, 40)), picture("blue", (30, 70))
    return [row("a", turns, [one, two]), row("b", turns, [three, one])]


def caching(read: Any, folder: Path, dtype: Any = None) -> Collator:
    family = family_of_processor(read)
    kept = FeatureCache(folder=folder)
    return Collator(read, features=ImageFeatures(processor=read, family=family, dtype=dtype, cache=kept))


def same(one: Any, other: Any) -> bool:
    assert one.keys() == other.keys()
    return all(one[key].dtype == other[key].dtype and bool((one[key] == other[key]).all()) for key in one)


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("an image was decoded")

        monkeypatch.setattr(features, "pictures", refuse)

    return forbid


@pytest.mark.parametrize("family", FAMILIES)
def test_one_image_at_a_time_makes_the_batch_that_the_processor_makes(family: str, tiny: Tiny) -> None:
    read = processor(tiny, family)
    assert proven_unit(read.image_processor, family_of_processor(read)) == UNITS.get(family, "image")
    batch = Collator(read)(rows())
    shown = [pictures(each) for each in rows()]
    texts = [Collator(read).template.conversation(each).text for each in rows()]
    options = {"add_special_tokens": False, "padding": True, "return_tensors": "pt"}
    whole = read(text=texts, images=shown, **options)
    del batch["labels"]
    assert same(batch, whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_kept_gives_the_same_batch_and_no_image_is_decoded(
    family: str, tiny: Tiny, tmp_path: Path, no_decoding: Callable[[], None]
) -> None:
    import torch

    read = processor(tiny, family)
    plain = Collator(read)(rows())
    plain["pixel_values"] = plain["pixel_values"].to(torch.bfloat16)
    assert same(caching(read, tmp_path, torch.bfloat16)(rows()), plain)
    assert len(list(tmp_path.rglob("*.safetensors"))) == (3 if UNITS.get(family) is None else 2)
    no_decoding()
    assert same(caching(read, tmp_path, torch.bfloat16)(rows()), plain)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_entry_is_made_again(damage: str, tiny: Tiny, tmp_path: Path) -> None:
    read = processor(tiny, "qwen2_vl")
    first = caching(read, tmp_path)(rows())
    for file in tmp_path.rglob("*.safetensors"):
        data = bytearray(file.read_bytes())
        data[-9] ^= 1
        file.write_bytes({"cut": bytes(data[:-20]), "flipped": bytes(data), "empty": b""}[damage])
    broken = {file.name: file.read_bytes() for file in tmp_path.rglob("*.safetensors")}
    assert same(caching(read, tmp_path)(rows()), first)
    assert all(file.read_bytes() != broken[file.name] for file in tmp_path.rglob("*.safetensors"))


def test_an_entry_that_is_damaged_between_two_batches_is_made_again(tiny: Tiny, tmp_path: Path) -> None:
    collator = caching(processor(tiny, "qwen2_vl"), tmp_path)
    first = collator(rows())
    assert same(collator(rows()), first)
    for file in tmp_path.rglob("*.safetensors"):
        data = bytearray(file.read_bytes())
        data[-9] ^= 1
        file.unlink()
        file.write_bytes(data)
    assert same(collator(rows()), first)


def test_an_image_is_known_by_its_bytes_and_the_size_that_it_is_shrunk_to(tiny: Tiny, tmp_path: Path) -> None:
    collator = caching(processor(tiny, "qwen2_vl"), tmp_path)
    red, blue = product_rows(3)[0], product_rows(3)[2]
    first = collator([red])
    lies = {**blue, "image_info": red["image_info"]}
    assert not same({"p": collator([lies])["pixel_values"]}, {"p": first["pixel_values"]})
    large = row("x", [("user", [image(), "Q"]), ("assistant", ["A."])], [picture("red", (200, 160))])
    whole, small = collator([large]), collator([{**large, SHRUNK_TO: [[60, 48]]}])
    assert len(small["pixel_values"]) < len(whole["pixel_values"])
    assert same(collator([large]), whole)


def test_another_pixel_budget_or_precision_has_entries_of_its_own(tiny: Tiny, tmp_path: Path) -> None:
    import torch

    read = processor(tiny, "qwen2_vl")
    first = cache_folder(tmp_path, read, torch.bfloat16)
    assert first == cache_folder(tmp_path, processor(tiny, "qwen2_vl"), torch.bfloat16)
    assert first != cache_folder(tmp_path, read, torch.float32)
    family_of_processor(read).set_pixels(read, None, 4 * 28 * 28)
    assert first != cache_folder(tmp_path, read, torch.bfloat16)


def test_the_size_is_told_first_and_is_what_is_written(tiny: Tiny, dataset: Path, tmp_path: Path) -> None:
    import torch

    from vlmtrain.data import open_dataset

    read, train = processor(tiny, "qwen2_vl"), open_dataset(dataset)["train"]
    need = needed([train, train], read, torch.bfloat16)
    collator = caching(read, tmp_path, torch.bfloat16)
    collator([train[number] for number in range(len(train))])
    entries = [file.stat().st_size for file in tmp_path.rglob("*.safetensors")]
    assert need.images == len(entries)
    assert sum(entries) == pytest.approx(need.bytes, rel=0.05)
    said: list[str] = []
    open_cache(tmp_path, 1, need, tmp_path, said.append)
    assert said == [
        f"cache of image features: {need.images} images, about 0.00 GB, of which 0.00 GB are there; in {tmp_path}"
    ]


def test_beyond_the_limit_a_fixed_part_of_the_images_is_kept(tiny: Tiny, tmp_path: Path) -> None:
    said: list[str] = []
    place = tmp_path / "own"
    cache = open_cache(tmp_path, 2, Need(images=10, bytes=8 * 10**9), place, said.append)
    assert cache.share == pytest.approx(0.25)
    assert said[1].endswith("so about 25% of the images are kept and the others made anew in each epoch")
    keys = [f"{number * 2**32 // 1000:08x}" for number in range(1000)]
    assert sum(cache._is_kept(key) for key in keys) == 250
    kept = Collator(processor(tiny, "qwen2_vl"))
    kept.features.cache = FeatureCache(folder=place, share=0.0)
    assert same(kept(rows()), Collator(processor(tiny, "qwen2_vl"))(rows()))
    assert not place.exists()


def test_a_disk_that_cannot_hold_it_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_free", lambda _: 10**9)
    with pytest.raises(RunError, match=r"about 2\.10 GB are to be written, and the disk of .* has 1\.00 GB left; name"):
        open_cache(tmp_path / "new", 50, Need(images=9, bytes=2 * 10**9), tmp_path / "new" / "own", print)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_ends_the_keeping_and_not_the_training(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    collator = caching(processor(tiny, "qwen2_vl"), tmp_path)
    assert same(collator(rows()), Collator(processor(tiny, "qwen2_vl"))(rows()))
    assert collator.features.cache is not None
    assert collator.features.cache.full
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    ("cores", "rows", "gpu", "here", "expected"),
    [
        (8, 10_000, True, 1, 4),
        (8, 10_000, True, 4, 1),
        (8, 10_000, False, 1, 1),
        (1, 10_000, True, 1, 0),
        (8, 900, True, 1, 0),
    ],
)
def test_auto_takes_the_cores_that_are_left(
    cores: int, rows: int, gpu: bool, here: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(loading, "_has_shared_memory", lambda: True)
    assert worker_count("auto", rows=rows, gpu=gpu, here=here) == expected
    assert worker_count(7, rows=rows, gpu=gpu, here=here) == 7


def test_freed_memory_is_kept_for_the_next_batch() -> None:
    import resource

    import torch

    if not keep_freed_memory():
        pytest.skip("another C library")
    torch.ones(10_000_000).sum()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(10_000_000).sum()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5_000  # else 5 x 9,765 pages


@pytest.mark.long
def test_workers_and_cache_change_no_loss_and_no_weight_and_resume_is_bit_equal_with_them(
    tiny: Tiny, dataset: Path, tmp_path: Path
) -> None:
    import torch

    made = {}
    fast = f"workers: 1, cache: {{folder: {tmp_path / 'kept'}}}, "
    for name, more in (("plain", "workers: 0, "), ("cold", fast), ("warm", fast)):
        (tmp_path / name).mkdir()
        file = run_file(tmp_path / name, tiny("qwen2_vl"), dataset, TRAIN.replace("{epochs", f"{{{more}epochs"))
        if name == "warm":
            assert stopped_by("SIGKILL", "step 5/", file) != 0
        made[name] = vlmtrain.sft(file, resume=name == "warm").output
    for other in ("cold", "warm"):
        assert curve(made[other]) == curve(made["plain"])
        mine, plain = weights(made[other]), weights(made["plain"])
        assert all(torch.equal(mine[key], plain[key]) for key in plain)
    assert list((tmp_path / "kept").rglob("*.safetensors"))
    shutil.rmtree(tmp_path / "kept")
