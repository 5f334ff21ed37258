"""Images a second of `vlmdata build` against the usual `datasets.map` recipe that puts PIL images into messages.

Both sides read the same photo-like JPEG files and write a dataset that can be opened again, with two workers each, in
turn, in one run. The recipe is the one of TRL's guide to fine-tuning VLMs with `on_mixed_types=None`, without which
datasets 5.2 stores no pixels at all; it is given fewer images, since it takes that much longer for each.

    python benchmarks/build_speed.py [images] [turns]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import in_turn, machine
from photos import make_catalog
from PIL import Image

WORKERS = 2
RECIPE_SHARE = 50
"""The recipe gets one image of so many."""


def build(folder: Path, verify: str) -> None:
    """The whole build, with its output thrown away behind it."""
    import vlmdata

    out = folder / "ours"
    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml", set={"images.verify": verify}), out, workers=WORKERS)
    shutil.rmtree(out)


def conversation(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its decoded image inside the messages."""
    image = Image.open(row["path"]).convert("RGB")
    content = [{"type": "image", "image": image}, {"type": "text", "text": "Product"}]
    return {"messages": [{"role": "user", "content": content}]}


def with_map(photos: list[Path], out: Path) -> None:
    """Decoded images inside messages, through datasets.map, saved to disk."""
    from datasets import Dataset

    rows = Dataset.from_list([{"path": str(photo)} for photo in photos])
    options = {"batch_size": 4, "writer_batch_size": 4, "on_mixed_types": None, "num_proc": WORKERS}
    rows.map(conversation, **options).save_to_disk(out)


def main(images: int = 2_000, turns: int = 3) -> None:
    """All sides in turn, then the medians and their ratios."""
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
        photos = make_catalog(folder, images)
        size = sum(photo.stat().st_size for photo in photos) / len(photos) / 1000
        few = photos[: max(images // RECIPE_SHARE, 4)]
        rates = in_turn(
            {
                "vlmdata build, verify: full": (images, lambda _: build(folder, "full")),
                "vlmdata build, verify: header": (images, lambda _: build(folder, "header")),
                "datasets.map recipe": (len(few), lambda turn: with_map(few, folder / f"map{turn}")),
            },
            turns,
        )
    print(f"{machine()}; {images:,} JPEG files of {size:.0f} kB, {WORKERS} workers each, medians of {turns} turns")
    theirs = rates["datasets.map recipe"]
    for side, rate in rates.items():
        print(f"{side:<30} {rate:9,.1f} images/s   x {rate / theirs:,.0f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
