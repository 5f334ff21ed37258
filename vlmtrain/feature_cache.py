"""What was made of images, kept on the disk: shared by epochs, runs and processes.

One safetensors file an entry, under a folder for each processor and precision. A file appears whole or not at all, and
says the checksum of what it holds; one that is damaged is made again. How large it will be is known before training:
beyond the limit, the images that a part of their own hash chooses are kept, and the others made anew each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from vlmtrain.errors import RunError
from vlmtrain.features import ImageFeatures, Part, cast_part, proven_unit, usable_dtype
from vlmtrain.identity import processor_digest

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import ProcessorMixin

    from vlmtrain.config import CacheConfig
    from vlmtrain.loaded import LoadedModel

LIBRARIES = ("torchvision", "transformers", "pillow")
"""Another version of one of these may make other pixels, so it gets a folder of its own."""

SAMPLED = 12
"""Of how many different sizes the processor is shown a blank picture, to know what an image takes."""

GB = 1e9
SPARE = 1.05
"""Room that must be left on the disk: file systems need some for themselves."""


@dataclass(slots=True, kw_only=True)
class FeatureCache:
    """The entries of one processor in one precision. `share` of all images are kept, from 0 to 1.

    A disk that is full in the middle of a training ends the keeping, not the training.
    """

    folder: Path
    share: float = 1.0
    full: bool = field(default=False, init=False)
    _checked: set[int] = field(default_factory=set, init=False)

    def get(self, key: str) -> Part | None:
        """What is kept under a key; None where that is nothing, or damaged, which is looked at once in a process."""
        if not self._is_kept(key):
            return None
        from safetensors import SafetensorError, safe_open

        try:
            seen = _stamp(self._file(key))
            with safe_open(self._file(key), framework="pt") as file:
                said = file.metadata() or {}
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
        except (OSError, SafetensorError):
            return None
        if seen not in self._checked and said.get("checksum") != _checksum(found):
            return None
        self._checked.add(seen)
        return {**found, **json.loads(said["values"])}

    def keep(self, key: str, part: Part) -> Part:
        """Keep a part under its key, where it belongs to those that are kept and the disk has room. The part."""
        import torch
        from safetensors.torch import save_file

        if self.full or not self._is_kept(key):
            return part
        tensors = {name: value.contiguous() for name, value in part.items() if isinstance(value, torch.Tensor)}
        values = {name: value for name, value in part.items() if name not in tensors}
        file = self._file(key)
        made = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, made, {"checksum": _checksum(tensors), "values": json.dumps(values)})
            made.replace(file)
        except Exception as error:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
            if not _is_disk_error(error):
                raise
            self.full = True
        return part

    def _is_kept(self, key: str) -> bool:
        return self.share >= 1 or int(key[:8], 16) < self.share * 2**32

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def _stamp(file: Path) -> int:
    """A number that stands for a file as it is: another one written in its place has another."""
    state = file.stat()
    return hash((file.name, state.st_ino, state.st_mtime_ns, state.st_size))


def _is_disk_error(error: Exception) -> bool:
    """safetensors wraps an error of the system in one of its own."""
    from safetensors import SafetensorError

    return isinstance(error, OSError | SafetensorError)


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    """Of names, shapes and contents; about a millisecond for an image at Qwen's full budget."""
    import torch
    import xxhash

    digest = xxhash.xxh3_64()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def training_features(
    config: CacheConfig | None, loaded: LoadedModel, splits: Sequence[Dataset], tell: Callable[[str], None]
) -> ImageFeatures:
    """How a training's images are processed: in the precision that the model computes in, kept where that is asked.

    Raises RunError where the disk can't hold what is to be kept.
    """
    features = ImageFeatures(
        processor=loaded.processor,
        family=loaded.family,
        dtype=usable_dtype(loaded.processor, loaded.family, loaded.dtype),
    )
    if config is None:
        return features
    if proven_unit(loaded.processor.image_processor, loaded.family) == "batch":
        tell(
            f"train.cache: nothing is kept, for what {type(loaded.processor).__name__} makes of an image depends on "
            "the others of its batch"
        )
        return features
    place = cache_folder(config.folder, loaded.processor, loaded.dtype)
    need = needed(splits, loaded.processor, loaded.dtype)
    features.cache = open_cache(config.folder, config.max_gb, need, place, tell)
    return features


def cache_folder(folder: Path, processor: ProcessorMixin, dtype: torch.dtype) -> Path:
    """The folder of a processor's entries. Its pixel budget is among the settings that the digest is of."""
    digest = processor_digest(processor)
    made_by = {
        "processor": digest["class"],
        "pixels": digest["pixels"],
        "dtype": str(dtype).removeprefix("torch."),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
    }
    name = sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{digest['class']}-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many different images a training shows, and about how many bytes they take in the cache."""

    images: int
    bytes: int


def needed(splits: Sequence[Dataset], processor: ProcessorMixin, dtype: torch.dtype) -> Need:
    """What all images of these rows take, by the processor's own output for blank pictures of a few of their sizes."""
    sizes: dict[str, tuple[int, int]] = {}
    for split in splits:
        for batch in split.select_columns(["image_info"]).iter(1000):
            for infos in batch["image_info"]:
                sizes |= {info["sha256"]: (info["width"], info["height"]) for info in infos or ()}
    ordered = sorted(sizes.values(), key=lambda size: size[0] * size[1])
    step = max(len(ordered) // SAMPLED, 1)
    sample = ordered[step // 2 :: step]
    taken = [_bytes_of(size, processor, dtype) for size in sample]
    return Need(images=len(sizes), bytes=sum(taken) * len(sizes) // max(len(taken), 1))


def _bytes_of(size: tuple[int, int], processor: ProcessorMixin, dtype: torch.dtype) -> int:
    import torch
    from PIL import Image

    made = processor.image_processor([[Image.new("RGB", size)]], return_tensors="pt")
    kept = cast_part(made, dtype).values()
    return sum(value.numel() * value.itemsize for value in kept if isinstance(value, torch.Tensor))


def open_cache(
    folder: Path,
    limit_gb: float,
    need: Need,
    place: Path,
    tell: Callable[[str], None],
) -> FeatureCache:
    """The cache at `place` below `folder`, once its size is told and the disk is known to hold it. Raises RunError.

    What is there already of this processor's counts as part of the need; other processors' entries count against the
    limit.
    """
    own = _used(place)
    others = _used(folder) - own
    room = max(limit_gb * GB - others, 0)
    share = min(room / need.bytes, 1.0) if need.bytes else 1.0
    wanted = need.bytes * share
    tell(
        f"cache of image features: {need.images:,} images, about {need.bytes / GB:.2f} GB, of which "
        f"{min(own, need.bytes) / GB:.2f} GB are there; in {folder}"
    )
    if share < 1:
        tell(
            f"train.cache.max_gb is {limit_gb:g}"
            + (f", and {others / GB:.2f} GB are other processors'" if others > 0.005 * GB else "")
            + f", so about {share:.0%} of the images are kept and the others made anew in each epoch"
        )
    free = _free(folder)
    missing = max(wanted - own, 0) * SPARE
    if missing > free:
        raise RunError(
            f"train.cache: about {missing / GB:.2f} GB are to be written, and the disk of {folder} has "
            f"{free / GB:.2f} GB left; name another folder, lower train.cache.max_gb or budget.max_pixels, or leave "
            "the cache out"
        )
    return FeatureCache(folder=place, share=share)


def _used(folder: Path) -> int:
    """The bytes of all files below a folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # made or deleted by another process just now
                total += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118  (os.walk's own terms)
    return total


def _free(folder: Path) -> int:
    """The room on the disk that a folder is, or will be, on."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free
