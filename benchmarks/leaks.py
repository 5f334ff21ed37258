"""Leaks between splits of a catalog in which products have each other's photos, resized, re-encoded or cropped.

Splits by vlmdata are compared with scikit-learn's GroupShuffleSplit by SKU. A leak is a planted pair whose two products
stand in different splits; what a tool thinks of the pictures does not matter here.

    python benchmarks/leaks.py [products, 300 by default]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from near_duplicates import CHANGES, drawn, encoded
from sklearn.model_selection import GroupShuffleSplit

sys.path.insert(0, str(Path(__file__).parent.parent / "samples" / "catalog"))
import draw

import vlmdata
from vlmdata.dataset import data_files

PLANTED = 0.2
SHARES = {"train": 0.8, "test": 0.2}
RECIPE = """source: {type: csv, path: products.csv}
id: sku
images: {root: photos, from: photo}
conversations: [{user: [images, "{{ title }}"], assistant: "{{ text }}"}]
"""


def main() -> None:
    """Build the catalog with one split, shuffled; split it both ways; count."""
    products = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for white in (False, True):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            pairs = make_catalog(folder, products, white)
            vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), folder / "whole")
            done = vlmdata.split(folder / "whole", folder / "split", SHARES, seed=1)
            print(
                f"{products} products on {'white' if white else 'varied walls'}, {len(pairs)} planted near-duplicates"
            )
            share = done.largest / sum(done.splits.values())
            print(f"  vlmdata split          {leaks(ours(folder / 'split'), pairs):>3} leaks   {dict(done.splits)}")
            print(f"  {'':<22} {done.groups} groups, the largest {done.largest} rows ({share:.1%})")
            print(f"  GroupShuffleSplit      {leaks(theirs(products), pairs):>3} leaks")


def make_catalog(folder: Path, products: int, white: bool) -> list[tuple[str, str]]:
    """A shuffled table of drawn products; the pairs of SKUs that have one photo, changed."""
    rng = Random(11)
    photos = {}
    for number in range(products):
        thing = draw.random_thing(
            rng, kind=rng.choice(draw.KINDS), colour=rng.choice(list(draw.COLOURS)), pattern=rng.choice(draw.PATTERNS)
        )
        photos[f"S{number:04d}"] = drawn(thing, draw.random_view(rng, sides=(320, 360, 400)), white)
    skus = list(photos)
    changes = list(CHANGES.items())
    (folder / "photos").mkdir()
    files = {sku: encoded(photo, "JPEG", quality=88) for sku, photo in photos.items()}
    copies = rng.sample(range(1, products), round(PLANTED * products))
    pairs = []
    for number, copy in enumerate(copies):
        first = rng.choice([sku for place, sku in enumerate(skus) if place not in set(copies)])
        files[skus[copy]] = changes[number % len(changes)][1](photos[first])
        pairs.append((first, skus[copy]))
    for sku, data in files.items():
        (folder / "photos" / f"{sku}.img").write_bytes(data)
    rng.shuffle(skus)
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "photo", "text"])
        writer.writerows([sku, f"Product {sku}", f"{sku}.img", f"Description of {sku}."] for sku in skus)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return pairs


def ours(dataset: Path) -> dict[str, str]:
    """The split of each SKU."""
    found = {}
    for file in data_files(dataset):
        for batch in file.batches():
            found.update(dict.fromkeys(batch.column("id").to_pylist(), file.split))
    return found


def theirs(products: int) -> dict[str, str]:
    """The split of each SKU by scikit-learn, each SKU a group."""
    skus = [f"S{number:04d}" for number in range(products)]
    ((train, test),) = GroupShuffleSplit(n_splits=1, test_size=SHARES["test"], random_state=1).split(skus, groups=skus)
    return {skus[row]: "train" for row in train} | {skus[row]: "test" for row in test}


def leaks(where: dict[str, str], pairs: list[tuple[str, str]]) -> int:
    """How many pairs stand in two splits."""
    return Counter(where[one] != where[two] for one, two in pairs)[True]


if __name__ == "__main__":
    main()
