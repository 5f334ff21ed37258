"""Images to what a model is shown of them, one image at a time.

The image processors of transformers take a batch at once and move all of its pixels several times, as float32. One
image at a time they need a fraction of the memory, the result can be kept in half of it, and what was made of an image
can be kept for the next time (feature_cache.py). That the parts put together are what the processor makes of the
batch is not taken for granted: it is tried on drawn pictures, bit for bit, and where it is not so the processor is
given whole batches, as ever.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from vlmtrain import batch_memory
from vlmtrain.pictures import SHRUNK_TO, pictures

if TYPE_CHECKING:
    import torch
    from transformers import BatchFeature, ProcessorMixin

    from vlmtrain.feature_cache import FeatureCache
    from vlmtrain.protocols import ModelFamily
    from vlmtrain.turns import Row

Part = Mapping[str, Any]
"""What an image processor makes of one unit: tensors, and lists of numbers."""

Unit = Literal["image", "row", "batch"]
"""What can be processed by itself under a processor: each image, all images of a row, or only the whole batch."""
PLAIN: Mapping[str, Any] = {"return_tensors": "pt"}
UNITS: tuple[Unit, ...] = ("image", "row")

COUNTING: Mapping[str, str] = {"image_token_pooling": "pixel_values"}
"""What counts the patches of a batch through, and where these are: Molmo 2's indices of the patches that make a token
(transformers 5.23, image_processing_molmo2.py, `patch_offset`). A number below zero stands for no patch."""


class StoredPicture(Image.Image):
    """An image of a row that is decoded only where nothing was kept of it. `key` stands for its pixels."""

    def __init__(self, key: str, decode: Callable[[], Image.Image]) -> None:
        super().__init__()
        self.key = key
        self.decode = decode


def stored_pictures(row: Row) -> list[Image.Image]:
    """The row's images as pictures that are not decoded yet; those that `datasets` decoded are taken as they are."""
    images, sizes = list(row["images"] or ()), row.get(SHRUNK_TO)
    if not all(isinstance(image, Mapping) and image["bytes"] for image in images):
        return pictures(row)
    return [
        StoredPicture(_key(image["bytes"], size), _decoder(row, image, size))
        for image, size in zip(images, sizes or [None] * len(images), strict=False)
    ]


def _key(data: bytes, size: Sequence[int] | None) -> str:
    """By the bytes themselves: what a row says of its image may be wrong."""
    name = sha256(data).hexdigest()
    return name if size is None else f"{name}-{size[0]}x{size[1]}"


def _decoder(row: Row, image: Any, size: Sequence[int] | None) -> Callable[[], Image.Image]:
    alone = {"id": row.get("id"), "images": [image], SHRUNK_TO: None if size is None else [size]}
    return lambda: pictures(alone)[0]


def decoded(picture: Image.Image) -> Image.Image:
    """The picture itself."""
    return picture.decode() if isinstance(picture, StoredPicture) else picture


BLANK = 56
"""Side of the blank picture that a processor is tried with, in pixels."""


@dataclass(slots=True, kw_only=True)
class ImageFeatures:
    """A processor whose images are processed one at a time.

    `dtype` is what pixels are handed on in; None leaves them as the processor makes them (float32). A model that
    computes in bfloat16 makes them that first of all, so for it nothing changes. `cache` keeps what is made.
    """

    processor: ProcessorMixin
    family: ModelFamily
    dtype: torch.dtype | None = None
    cache: FeatureCache | None = None
    _unit: Unit | None = field(default=None, init=False)

    def unit(self, options: Mapping[str, Any] = PLAIN) -> Unit:
        """What is processed by itself where the processor calls its image processor so; found out once."""
        if self._unit is None:
            self._unit = proven_unit(self.processor.image_processor, self.family, options)
        return self._unit

    def pictures(self, row: Row) -> list[Image.Image]:
        """The row's images, decoded only where nothing is kept of them."""
        return stored_pictures(row) if self.cache is not None else pictures(row)

    def reader(self, images: int) -> ProcessorMixin:
        """The processor for a batch of so many images."""
        if not images or (images == 1 and self.cache is None and self.dtype is None):
            return self.processor
        reader = copy.copy(self.processor)
        reader.image_processor = Apart(self.processor.image_processor, self)
        return reader


def usable_dtype(processor: ProcessorMixin, family: ModelFamily, dtype: torch.dtype) -> torch.dtype | None:
    """The precision, where the processor can count an image's tokens in it; None where it reads pixels through numpy,
    which has no bfloat16 (LLaVA's does)."""
    from PIL import Image

    if not family.expands_placeholders:
        return dtype
    reader = ImageFeatures(processor=processor, family=family, dtype=dtype).reader(1)
    token = getattr(processor, "image_token", "")
    blank = Image.new("RGB", (BLANK, BLANK))
    try:
        reader(text=[token], images=[[blank]], add_special_tokens=False, return_tensors="pt")
    except TypeError:
        return None
    return dtype


class Apart:
    """An image processor that hands each unit to the real one and puts together what comes back."""

    def __init__(self, real: Any, features: ImageFeatures) -> None:
        self.real = real
        self.features = features

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __call__(self, images: Sequence[Sequence[Image.Image]], **options: Any) -> BatchFeature:
        """What the real processor makes of the batch, its pixels in the wanted precision."""
        from transformers import BatchFeature

        unit = self.features.unit(options)
        if unit == "batch":
            whole = self.real([[decoded(each) for each in row] for row in images], **options)
            return BatchFeature(cast_part(whole, self.features.dtype))
        units = [[each] for row in images for each in row] if unit == "image" else images
        return BatchFeature(joined([self._part(each, options) for each in units]))

    def _part(self, images: Sequence[Image.Image], options: Mapping[str, Any]) -> Part | None:
        """What the real processor makes of these images, or what was kept of it; None of no images."""
        if not images:
            return None
        cache = self.features.cache
        keys = [each.key for each in images if isinstance(each, StoredPicture)]
        if cache is None or len(keys) < len(images):
            return self._made(images, options)
        called = json.dumps(options, sort_keys=True, default=str)
        key = sha256(f"{'+'.join(keys)} {called}".encode()).hexdigest()
        return cache.get(key) or cache.keep(key, self._made(images, options))

    def _made(self, images: Sequence[Image.Image], options: Mapping[str, Any]) -> Part:
        return cast_part(self.real([[decoded(each) for each in images]], **options), self.features.dtype)


def cast_part(part: Part, dtype: torch.dtype | None) -> dict[str, Any]:
    """The part, its fractions in this precision."""
    import torch

    return {
        name: value.to(dtype) if dtype and isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in part.items()
    }


def joined(parts: Sequence[Part | None]) -> dict[str, Any]:
    """Parts as one batch: one after the other, smaller ones padded with zeros at the end of every other dimension."""
    import torch

    made = next(part for part in parts if part is not None)
    found: dict[str, Any] = {}
    for name, first in made.items():
        values = [None if part is None else part[name] for part in parts]
        if isinstance(first, torch.Tensor):
            if name in COUNTING:
                values = _counted_through(values, [None if part is None else part[COUNTING[name]] for part in parts])
            blank = first.new_empty(1, *[0] * (first.dim() - 1))
            found[name] = _stacked([blank if value is None else value for value in values])
        else:
            found[name] = [entry for value in values for entry in ([[]] if value is None else value)]
    return found


def _counted_through(values: Sequence[Any], patches: Sequence[Any]) -> list[Any]:
    """Indices that begin at 0 with each part, as those of one batch: each after the patches of the parts before it."""
    import torch

    found, before = [], 0
    for value, here in zip(values, patches, strict=True):
        found.append(None if value is None else torch.where(value >= 0, value + before, value))
        before += 0 if here is None else here.shape[0] * here.shape[1]
    return found


def _stacked(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors one after the other; in a worker, in the memory that it shares with the training."""
    import torch
    from torch.utils.data import get_worker_info

    sides = [max(value.shape[side] for value in values) for side in range(1, values[0].dim())]
    shape = (sum(value.shape[0] for value in values), *sides)
    kind = values[0].dtype
    if get_worker_info() is None:
        stacked = batch_memory.empty(shape, kind)
    else:  # as torch's own default_collate does: else a worker would copy the batch once more to send it
        numbers = torch.Size(shape).numel()
        shared = torch.UntypedStorage._new_shared(numbers * kind.itemsize)  # type: ignore[no-untyped-call]
        stacked = torch.empty(0, dtype=kind).set_(shared, 0, (numbers,), (1,)).view(shape)
    if any(list(value.shape[1:]) != sides for value in values):
        stacked.zero_()
    at = 0
    for value in values:
        place = (slice(at, at + value.shape[0]), *(slice(side) for side in value.shape[1:]))
        stacked[place] = value
        at += value.shape[0]
    return stacked


def proven_unit(real: Any, family: ModelFamily, options: Mapping[str, Any] = PLAIN) -> Unit:
    """The smallest unit whose parts, put together, are what the image processor makes of a batch."""
    one, two, three = (_drawn(*size) for size in ((90, 40), (30, 70), (64, 64)))
    mixes = family.batch_key(0) == family.batch_key(2)
    batch = [[one, two], [], [three]] if mixes else [[one, two], [three, one]]
    try:
        whole = real(batch, **options)
        for unit in UNITS:
            units = [[each] for row in batch for each in row] if unit == "image" else batch
            parts = [real([each], **options) if each else None for each in units]
            if _same(joined(parts), whole):
                return unit
    except (ValueError, TypeError, IndexError, KeyError, RuntimeError, AttributeError):
        pass  # a processor that takes images in another shape is given whole batches, and says itself what is wrong
    return "batch"


def _drawn(width: int, height: int) -> Image.Image:
    """A picture with something in every corner."""
    import numpy as np

    values = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    import torch

    if one.keys() != other.keys():
        return False
    return all(
        value.dtype == other[name].dtype and torch.equal(value, other[name])
        if isinstance(value, torch.Tensor) and isinstance(other[name], torch.Tensor)
        else value == other[name]
        for name, value in one.items()
    )
