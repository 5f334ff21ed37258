"""Images a second of `vlmdata build` against the usual `datasets.map` recipe that puts PIL images into messages.

Both sides read the same photo-like JPEG files of about 1000 x 800 pixels and write a dataset that can be opened again,
in turn, in one run. The recipe is the one of TRL's guide to fine-tuning VLMs with `on_mixed_types=None`, without which
datasets 5.2 stores no pixels at all; it is given fewer images, since it takes that much longer for each.

    python benchmarks/build_speed.py [images] [repeats]
"""

from __future__ import annotations

import csv
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

RECIPE_SHARE = 16
"""The recipe gets one image of so many."""


def draw_photo(path: Path, seed: int) -> None:
    """A smooth field of colour, some shapes, and noise: about 200 KB as JPEG of quality 87."""
    random = np.random.default_rng(seed)
    field = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize(
        (1000, 800), Image.Resampling.BICUBIC
    )
    pen = ImageDraw.Draw(field)
    for _ in range(12):
        x, y, size = random.integers(0, 900), random.integers(0, 700), random.integers(20, 200)
        pen.ellipse((x, y, x + size, y + size), fill=tuple(int(value) for value in random.integers(0, 255, 3)))
    noise = random.normal(0, 9, (800, 1000, 1))
    pixels = np.clip(np.asarray(field, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=87)


def make_catalog(folder: Path, images: int) -> list[Path]:
    """A CSV catalog of one photo a row, with a recipe."""
    photos = [folder / "photos" / f"{number:05d}.jpg" for number in range(images)]
    photos[0].parent.mkdir(parents=True)
    for number, photo in enumerate(photos):
        draw_photo(photo, number)
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "photo", "text"])
        writer.writerows([f"P{n}", f"Product {n}", photo.name, f"Description {n}."] for n, photo in enumerate(photos))
    (folder / "recipe.yaml").write_text(
        "source: {type: csv, path: products.csv}\nid: sku\nimages: {root: photos, from: photo}\n"
        'conversations: [{user: [images, "{{ title }}"], assistant: "{{ text }}"}]\n',
        encoding="utf-8",
    )
    return photos


def with_vlmdata(folder: Path, out: Path) -> None:
    """The whole build: every image verified, hashed and strictly decoded."""
    import vlmdata

    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), out)


def with_map(photos: list[Path], out: Path) -> None:
    """Decoded images inside messages, through datasets.map, saved to disk."""
    from datasets import Dataset

    def conversation(row: dict[str, Any]) -> dict[str, Any]:
        image = Image.open(row["path"]).convert("RGB")
        content = [{"type": "image", "image": image}, {"type": "text", "text": "Product"}]
        return {"messages": [{"role": "user", "content": content}]}

    rows = Dataset.from_list([{"path": str(photo)} for photo in photos])
    rows.map(conversation, batch_size=4, writer_batch_size=4, on_mixed_types=None).save_to_disk(out)


def rate(images: int, work: Callable[[], None]) -> float:
    """Images a second."""
    started = time.perf_counter()
    work()
    return images / (time.perf_counter() - started)


def main(images: int = 480, repeats: int = 3) -> None:
    """Both sides in turn, then the medians and their ratio."""
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
        photos = make_catalog(folder, images)
        few = photos[: max(images // RECIPE_SHARE, 4)]
        ours, theirs = [], []
        for turn in range(repeats):
            ours.append(rate(images, lambda turn=turn: with_vlmdata(folder, folder / f"ours{turn}")))  # type: ignore[misc]
            theirs.append(rate(len(few), lambda turn=turn: with_map(few, folder / f"map{turn}")))  # type: ignore[misc]
        size = statistics.mean(photo.stat().st_size for photo in photos) / 1000
    print(f"{platform.machine()}, {os.cpu_count()} cores; JPEG files of {size:.0f} kB on average, {repeats} turns")
    print(f"vlmdata build       {statistics.median(ours):8,.1f} images/s, {os.cpu_count()} threads, fully verified")
    print(f"datasets.map recipe {statistics.median(theirs):8,.1f} images/s, 1 process")
    print(f"ratio               {statistics.median(ours) / statistics.median(theirs):8,.0f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
