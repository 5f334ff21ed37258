"""What a processor makes of single images, and whether a batch's pixels are those of its rows' images, in order.

How a batch holds its pixels is asked of the processor, not of the family: one after another, or row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.record import Problem
from vlmtrain.turns import Row, row_name

if TYPE_CHECKING:
    import torch
    from PIL import Image

PIXELS = "pixel_values"
CLOSE = 0.02
"""How far normalised pixels may lie apart and count as equal. bfloat16 moves them by at most 0.008 below 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An image as the processor shows it: the text in place of its placeholder, its pixels, their size in words."""

    picture: Image.Image
    text: str
    pixels: torch.Tensor | None
    size: str


class ImageProcessing:
    """A processor, asked for one image at a time."""

    def __init__(self, processor: Any, *, expands: bool) -> None:
        self._processor = processor
        self._expands = expands
        self._by_row: bool | None = None

    def shown(self, picture: Image.Image) -> Shown:
        """The image alone, as the processor makes it; without text and pixels where it takes none like it."""
        token = getattr(self._processor, "image_token", None)
        try:
            made = self._made([picture]) if token else {}
        except ValueError:  # which the collator meets too, and is reported there
            made = {}
        if not made:
            return Shown(picture=picture, text="", pixels=None, size="")
        text = made["text_replacement_offsets"][0][0]["replacement"] if self._expands else token
        pixels = made.get(PIXELS)
        if pixels is not None and self._is_by_row(picture):
            pixels = pixels[0]
        return Shown(picture=picture, text=str(text), pixels=pixels, size=_size(made, self._processor.image_processor))

    def problems(
        self, rows: Sequence[Row], shown: Sequence[Sequence[Shown]], batch: Mapping[str, Any]
    ) -> list[Problem]:
        """Where a batch's pixels are not those of its rows' images, in their order."""
        found = batch.get(PIXELS)
        every = [each for images in shown for each in images]
        if not every or any(each.pixels is None for each in every):
            return []
        if found is None:
            return [_fewer(row, len(images), 0) for row, images in zip(rows, shown, strict=True) if images]
        pairs = list(zip(rows, shown, strict=True))
        if self._is_by_row(every[0].picture):
            return [each for index, pair in enumerate(pairs) for each in _compared(found[index], [pair], every)]
        return list(_compared(found, pairs, every))

    def _made(self, pictures: Sequence[Image.Image]) -> Any:
        return self._processor(
            text=[self._processor.image_token * len(pictures)],
            images=[list(pictures)],
            add_special_tokens=False,
            return_tensors="pt",
            **({"return_text_replacement_offsets": True} if self._expands else {}),
        )

    def _is_by_row(self, picture: Image.Image) -> bool:
        if self._by_row is None:
            self._by_row = self._made([picture, picture])[PIXELS].shape[0] == 1
        return self._by_row


def _compared(
    found: torch.Tensor, pairs: Sequence[tuple[Row, Sequence[Shown]]], every: Sequence[Shown]
) -> Iterator[Problem]:
    """Walk along the pixels, image by image. One that is another's is named with the other's number."""
    place = 0
    for row, images in pairs:
        there = 0
        for number, expected in enumerate(images, start=1):
            if place >= len(found):
                continue
            there += 1
            match = _match(found, place, [expected, *images, *every])
            if match is None:
                yield _unlike(row, number)
            elif match is not expected:
                yield _swapped(row, number, next((i for i, each in enumerate(images, 1) if each is match), None))
            place += _units(match or expected)
        if there < len(images):
            yield _fewer(row, len(images), there)


def _match(found: torch.Tensor, place: int, candidates: Sequence[Shown]) -> Shown | None:
    return next((each for each in candidates if _same(found[place : place + _units(each)], each.pixels)), None)


def _units(shown: Shown) -> int:
    """How many patches, tiles or images along the first axis are this image's."""
    assert shown.pixels is not None
    return int(shown.pixels.shape[0])


def _same(found: torch.Tensor, expected: torch.Tensor | None) -> bool:
    """Whether pixels are equal, but for the padding that a batch puts behind them."""
    import torch

    assert expected is not None
    if found.ndim != expected.ndim or any(a < b for a, b in zip(found.shape, expected.shape, strict=True)):
        return False
    inside = found[tuple(slice(0, length) for length in expected.shape)]
    return torch.allclose(inside.float().cpu(), expected.float(), atol=CLOSE, rtol=0)


def _problem(row: Row, rule: str, message: str, hint: str) -> Problem:
    name = row_name(row)
    return Problem(rule=rule, message=message, source=name, id=name, hint=hint)


def _fewer(row: Row, wanted: int, there: int) -> Problem:
    message = f"the batch holds the pixels of {there} of the row's {wanted} images;"
    return _problem(row, "inspect.image_missing", message, "look at what the collator passes to the processor")


def _swapped(row: Row, number: int, other: int | None) -> Problem:
    whose = f"image {other}" if other else "an image of another row"
    message = f"where image {number} should be, the batch has the pixels of {whose};"
    return _problem(row, "inspect.image_order", message, "pass the images in the order of the row's image parts")


def _unlike(row: Row, number: int) -> Problem:
    message = f"the pixels of image {number} are not those that this processor makes of it;"
    hint = "other pixel bounds, an augmentation, or another picture"
    return _problem(row, "inspect.image_pixels", message, hint)


def _size(made: Mapping[str, Any], image_processor: Any) -> str:
    """The size in pixels that an image was given, with the number of its tiles where it has several."""
    grid, pixels = made.get("image_grid_thw"), made.get(PIXELS)
    if grid is not None:
        _, high, wide = (int(each) for each in grid[0])
        patch = int(image_processor.patch_size)
        return f"{wide * patch:,} x {high * patch:,}"
    if pixels is None:
        return ""
    if pixels.ndim < 4:  # patches of crops
        size = dict(image_processor.size)
        return _tiles(int(pixels.shape[0]), size.get("width", 0), size.get("height", 0))
    mask = made.get("aspect_ratio_mask")
    tiles = int(mask.sum()) if mask is not None else int(pixels[..., 0, 0, 0].numel())
    return _tiles(tiles, int(pixels.shape[-1]), int(pixels.shape[-2]))


def _tiles(count: int, width: int, height: int) -> str:
    one = f"{width:,} x {height:,}"
    return one if count == 1 else f"{count} tiles of {one}"
