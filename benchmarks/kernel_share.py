"""How much of the decode kernel's speed a whole build reaches, and what a second worker adds.

The kernel is what the same threads do when they read, hash (sha256), strictly decode and dhash the same files and write
nothing. The build does that, and reads the catalog, renders the templates, checks the conversations, splits and writes.

    python benchmarks/kernel_share.py [images] [turns]
"""

from __future__ import annotations

import hashlib
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
from measuring import each_turn, machine, median_ratio
from photos import make_catalog
from PIL import Image

OPTIONS = {"min_height": 1, "min_width": 1, "min_factor": 8, "fastdct": True, "fastupsample": True, "strict": True}

OUT = "ours"


def kernel(path: Path) -> tuple[str, bytes]:
    """sha256 and dhash of one file, read and strictly decoded at 1/8 of its size."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", **OPTIONS)
    small = Image.fromarray(np.ascontiguousarray(grey[..., 0])).resize((9, 8), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.int16)
    return digest, np.packbits(values[:, 1:] > values[:, :-1]).tobytes()


def kernel_alone(photos: list[Path], workers: int) -> None:
    """The kernel over all files."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(kernel, photos))


def build(folder: Path, workers: int) -> None:
    """The whole build."""
    import vlmdata

    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), folder / OUT, workers=workers)


def clear(folder: Path) -> None:
    """Throw away what a build has written."""
    shutil.rmtree(folder / OUT, ignore_errors=True)


def main(images: int = 3_000, turns: int = 3) -> None:
    """All sides in turn, then the medians and their ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_catalog(folder, images)
        build(folder, 2)
        clear(folder)
        rates = each_turn(
            {
                "kernel, 2 threads": (images, lambda _: kernel_alone(photos, 2)),
                "build, 2 workers": (images, lambda _: build(folder, 2)),
                "kernel, 1 thread": (images, lambda _: kernel_alone(photos, 1)),
                "build, 1 worker": (images, lambda _: build(folder, 1)),
            },
            turns,
            lambda: clear(folder),
        )
    print(f"{machine()}; {images:,} JPEG files, medians of {turns} turns and of their ratios")
    for side, found in rates.items():
        print(f"{side:<20} {statistics.median(found):8,.0f} images/s")
    for side, other in (("build, 2 workers", "kernel, 2 threads"), ("build, 2 workers", "build, 1 worker")):
        print(f"{side + ' / ' + other:<37} {median_ratio(rates[side], rates[other]):.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
