"""Photo-like JPEG files for the benchmarks: smooth fields of colour, shapes and noise, about 200 KB at 1000 x 800.

Drawn shapes alone compress too well, and would change every ratio. Some are drawn, the others are the same pictures
with a comment of their own in the file, so that every file has its own bytes and costs the same to decode.

    python benchmarks/photos.py FOLDER [images]
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

DRAWN = 100
WOODS = ("oak", "beech", "walnut", "cherry", "ash", "maple", "pine")
THINGS = ("chair", "table", "shelf", "bench", "cabinet", "stool", "desk", "chest", "frame", "lamp", "tray")
RECIPE = """source: {type: csv, path: products.csv}
id: sku
images: {root: photos, from: photo}
conversations: [{user: [images, "{{ title }}"], assistant: "{{ text }}"}]
"""


def draw_photo(seed: int, size: tuple[int, int] = (1000, 800)) -> bytes:
    """A picture as a JPEG file of quality 87."""
    import io

    random = np.random.default_rng(seed)
    width, height = size
    coarse = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    field = coarse.resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(field)
    for _ in range(12):
        x, y, side = (int(random.integers(0, most)) for most in (width * 9 // 10, height * 9 // 10, width // 5))
        pen.ellipse((x, y, x + side + 20, y + side + 20), fill=tuple(int(v) for v in random.integers(0, 255, 3)))
    noise = random.normal(0, 9, (height, width, 1))
    pixels = np.clip(np.asarray(field, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=87)
    return buffer.getvalue()


def with_comment(photo: bytes, text: str) -> bytes:
    """The same picture with a JPEG comment: other bytes, the same pixels."""
    comment = text.encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


def make_photos(folder: Path, images: int, size: tuple[int, int] = (1000, 800)) -> list[Path]:
    """So many files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [draw_photo(seed, size) for seed in range(min(images, DRAWN))]
    paths = [folder / f"{number:06d}.jpg" for number in range(images)]
    for number, path in enumerate(paths):
        path.write_bytes(with_comment(drawn[number % len(drawn)], f"photo {number}"))
    return paths


def title(number: int) -> str:
    """What the product of a photo is called."""
    return f"{WOODS[number % len(WOODS)].capitalize()} {THINGS[number % len(THINGS)]}, no. {number}"


def description(number: int) -> str:
    """Its description, as long as a shop's, in which no rule finds anything."""
    wood, thing = WOODS[number % len(WOODS)], THINGS[number % len(THINGS)]
    return (
        f"A {thing} of solid {wood}, {40 + number % 60} cm wide and {30 + number % 90} cm high, oiled by hand and "
        f"joined without screws. Piece {number} of the workshop's spring series, with rounded edges and a matt surface."
    )


def make_catalog(folder: Path, images: int, size: tuple[int, int] = (1000, 800)) -> list[Path]:
    """A CSV catalog of one photo a row, with a recipe. The photos' paths."""
    photos = make_photos(folder / "photos", images, size)
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "photo", "text"])
        writer.writerows([f"P{n}", title(n), photo.name, description(n)] for n, photo in enumerate(photos))
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return photos


if __name__ == "__main__":
    make_catalog(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2_000)
