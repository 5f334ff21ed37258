"""Drawn products and what shops do to their photos, for the tests of near-duplicates."""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

SIZE = (240, 200)
COLOURS = ((200, 40, 40), (40, 120, 60), (40, 80, 190), (230, 190, 40), (120, 60, 150))


def product_photo(
    seed: int, *, white: bool = False, colour: int | None = None, striped: bool | None = None
) -> Image.Image:
    """A drawn product: some shapes of a colour, plain or striped, on white or on a tinted wall."""
    rng = Random(seed)
    wall = (255, 255, 255) if white else tuple(rng.randrange(140, 240) for _ in range(3))
    image = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]), wall)
    pen = ImageDraw.Draw(image)
    chosen = rng.randrange(len(COLOURS)) if colour is None else colour
    stripes = rng.random() < 0.5 if striped is None else striped
    for _ in range(4):
        x, y, w, h = rng.randrange(40, 280), rng.randrange(40, 220), rng.randrange(80, 180), rng.randrange(60, 160)
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + w, y + h), fill=COLOURS[chosen], outline=(30, 30, 30), width=4)
        if stripes:
            for line in range(y + 16, y + h - 8, 32):
                pen.line((x + w // 5, line, x + 4 * w // 5, line), fill=(250, 246, 230), width=14)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def book_cover(title: tuple[str, ...], *, ground: tuple[int, int, int] = (180, 40, 40)) -> Image.Image:
    """The front of a book, of one design: other books differ in their titles only."""
    image = Image.new("RGB", (560, 840), ground)
    pen = ImageDraw.Draw(image)
    pen.ellipse((170, 430, 390, 650), fill=(220, 100, 90))
    for line, word in enumerate(title):
        font = ImageFont.load_default(size=64)
        pen.text((280, 140 + 90 * line), word, font=font, fill=(245, 240, 225), anchor="mm")
    return image.resize((280, 420), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """A picture as a JPEG file."""
    return saved(image, "JPEG", quality=quality)


def saved(image: Image.Image, kind: str, **options: int) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    left, top = round(width * share), round(height * share)
    return image.crop((left, top, width - left, height - top))


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


SAME: dict[str, Callable[[Image.Image], bytes]] = {
    "half the size": lambda image: jpeg(_scaled(image, 0.5)),
    "twice the size": lambda image: jpeg(_scaled(image, 2)),
    "quality 50": lambda image: jpeg(image, 50),
    "quality 95": lambda image: jpeg(image, 95),
    "PNG": lambda image: saved(image, "PNG"),
    "WebP": lambda image: saved(image, "WEBP", quality=75),
    "cropped by 3 %": lambda image: jpeg(_cropped(image, 0.015)),
    "brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.12)),
    "darker": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.88)),
    "blurred": lambda image: jpeg(image.filter(ImageFilter.GaussianBlur(1))),
}
