"""What `vlmdata validate` reaches over a dataset that was built: rows a second without images on one core, images a
second beside the decode kernel with the same threads, and memory at one size and at four times that size.

The search for near-duplicates decodes a second time, in colour, each picture whose hash is near another's. How many
these are depends on the pictures, so that it is measured apart: with it, and without it.

The kernel is what the same threads do when they take the same bytes from the same files, hash (sha256), strictly decode
and dhash them, and say nothing. The validation does that, and looks at every text, row and split.

    python benchmarks/validate_speed.py [rows of text] [photos] [turns]
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from kernel_share import OPTIONS
from measuring import each_turn, in_turn, machine, median_ratio, peak_memory
from photos import draw_photo, with_comment
from rule_speed import made_rows

from vlmdata.contract import arrow_type, stored_schema
from vlmdata.dataset import data_files
from vlmdata.image.inspecting import dhash_of, inspect
from vlmdata.whole_checks import OF_LOOKS
from vlmdata.write.arrow_files import WrittenFile, write_split_metadata, write_splits_file

WORKERS = 2
KERNEL, RULES, ALL = "kernel", "without near-duplicates", "all rules"
PROGRAM = "import sys, vlmdata; vlmdata.validate([sys.argv[1]], images=False)"


def make_dataset(folder: Path, rows: int, photos: Callable[[int], bytes], *, known: bool) -> None:
    """A dataset of one split, a photo a row, in batches as builds write them. `known`: what is said of the photos is
    true; else their hashes are made up, so that no two look alike."""
    (folder / "train").mkdir(parents=True)
    place = folder / "train" / "data-00000-of-00001.arrow"
    rng = random.Random(1)
    written = 0
    with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_stream(sink, stored_schema()) as writer:
        batch: list[dict[str, object]] = []
        for number, row in enumerate(made_rows(rows)):
            data = with_comment(photos(number), f"{number}")
            info = inspect(data, verify="full" if known else "header").info
            row["images"] = [{"bytes": data, "path": f"{number}.jpg"}]
            row["image_info"] = [
                {
                    "sha256": sha256(data).hexdigest(),
                    "width": info.width,
                    "height": info.height,
                    "format": info.format,
                    "dhash": info.dhash or f"{rng.getrandbits(64):016x}",
                }
            ]
            batch.append(row)
            if len(batch) == 100 or number == rows - 1:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=arrow_type()))
                written += len(batch)
                batch = []
    file = WrittenFile(name=f"train/{place.name}", rows=written, bytes=place.stat().st_size, xxh3="0" * 32)
    write_split_metadata(folder, "train", [file])
    write_splits_file(folder, ["train"])


def kernel(data: bytes) -> tuple[str, str]:
    """sha256 and dhash of an image, strictly decoded at 1/8 of its size."""
    import numpy as np
    import simplejpeg
    from PIL import Image

    digest = sha256(data).hexdigest()
    grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", **OPTIONS)
    return digest, dhash_of(Image.fromarray(np.ascontiguousarray(grey[..., 0])))


def kernel_alone(folder: Path) -> None:
    """The kernel over all images of a dataset."""
    with ThreadPoolExecutor(WORKERS) as pool:
        for file in data_files(folder):
            for batch in file.batches():
                data = batch.column("images").flatten().field("bytes")
                list(pool.map(lambda place, data=data: kernel(data[place].as_py()), range(len(data))))  # type: ignore[misc]


def validate(folder: Path, *, images: bool, ignore: Sequence[str] = ()) -> None:
    """The whole validation, or all rules but some."""
    import vlmdata

    vlmdata.validate([folder], images=images, ignore=ignore, workers=WORKERS)


def on_one_core(folder: Path, rows: int, turns: int) -> float:
    """Rows a second without images, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        rates = in_turn({"rows": (rows, lambda _: validate(folder, images=False))}, turns + 1)
    finally:
        os.sched_setaffinity(0, cores)
    return rates["rows"]


def main(rows: int = 60_000, photos: int = 1_500, turns: int = 3) -> None:
    """Three comparisons, one after the other."""
    print(f"{machine()}; medians of {turns} turns")
    small = draw_photo(1, (64, 48))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(folder / "texts", rows, lambda _: small, known=False)
        make_dataset(folder / "more", 4 * rows, lambda _: small, known=False)
        make_dataset(folder / "photos", photos, draw_photo, known=True)
        print(f"{rows:,} rows without images, one core   {on_one_core(folder / 'texts', rows, turns):8,.0f} rows/s")
        peaks = [peak_memory([sys.executable, "-c", PROGRAM, str(folder / name)]) for name in ("texts", "more")]
        more = (peaks[1] - peaks[0]) * 1e6 / (3 * rows)
        print(f"memory {peaks[0]:,.0f} MB; at four times the rows {peaks[1]:,.0f} MB, {more:,.0f} bytes a row")
        validate(folder / "photos", images=True)  # the first look of a process imports what all need
        rates = each_turn(
            {
                KERNEL: (photos, lambda _: kernel_alone(folder / "photos")),
                RULES: (photos, lambda _: validate(folder / "photos", images=True, ignore=OF_LOOKS)),
                ALL: (photos, lambda _: validate(folder / "photos", images=True)),
            },
            turns,
        )
    for side, found in rates.items():
        print(f"{side:<32} {statistics.median(found):8,.0f} images/s with {WORKERS} threads")
    for side in (RULES, ALL):
        print(f"{side} / {KERNEL}   {median_ratio(rates[side], rates[KERNEL]):.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
