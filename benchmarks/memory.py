"""Peak private memory of `vlmdata build` at one size and at ten times that size, and of rows with very large images.

Private memory is resident less shared pages, imports included, as the kernel counts it, looked at every 20 ms in a
process of its own. The photos are smaller than elsewhere, to keep the disk out of it: memory must depend on neither.

    python benchmarks/memory.py [images]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from measuring import machine, peak_memory
from photos import draw_photo, make_catalog, with_comment

LARGE_ROWS, LARGE_BYTES = 100, 25_000_000
PROGRAM = "import sys, vlmdata; vlmdata.build(vlmdata.load_recipe(sys.argv[1]), sys.argv[2], workers=2)"


def peak_of_build(folder: Path) -> float:
    """Megabytes of private memory at most, while a catalog is built."""
    return peak_memory([sys.executable, "-c", PROGRAM, str(folder / "recipe.yaml"), str(folder / "out")])


def make_large(folder: Path) -> None:
    """Rows whose one image has 25 MB: a JPEG file with comments of that size, 65 kB each."""
    make_catalog(folder, 1)
    photo = draw_photo(0)
    comment = b"\xff\xfe" + (65_002).to_bytes(2, "big") + b"x" * 65_000
    large = photo[:2] + comment * (LARGE_BYTES // len(comment)) + photo[2:]
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "photo", "text"])
        for row in range(LARGE_ROWS):
            (folder / "photos" / f"{row}.jpg").write_bytes(with_comment(large, f"photo {row}"))
            writer.writerow([f"P{row}", "A photo", f"{row}.jpg", "A description."])


def main(images: int = 2_000) -> None:
    """Three builds, one after the other."""
    print(machine())
    peaks = {}
    for count in (images, 10 * images):
        with tempfile.TemporaryDirectory() as name:
            make_catalog(Path(name), count, (400, 320))
            peaks[count] = peak_of_build(Path(name))
            print(f"{count:8,} images of one row each          {peaks[count]:6,.0f} MB at most")
    print(f"ten times the images cost              {peaks[10 * images] - peaks[images]:+6,.0f} MB")
    with tempfile.TemporaryDirectory() as name:
        make_large(Path(name))
        peak = peak_of_build(Path(name))
        print(f"{LARGE_ROWS:8,} rows of {LARGE_BYTES / 1e6:.0f} MB images             {peak:6,.0f} MB at most")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
