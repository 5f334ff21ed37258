"""A build of a catalog of which a few rows changed, with the old dataset in its place, against a build from nothing.

python benchmarks/rebuild.py [images] [turns]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from measuring import in_turn, machine
from photos import make_catalog


def main(images: int = 2_000, turns: int = 3) -> None:
    """Both sides in turn, then the medians and their ratio."""
    import vlmdata

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_catalog(folder, images)
        recipe = vlmdata.load_recipe(folder / "recipe.yaml")
        kept = folder / "kept"
        vlmdata.build(recipe, kept)

        def change(turn: int) -> None:
            table = folder / "products.csv"
            text = table.read_text(encoding="utf-8")
            for row in range(10):
                text = text.replace(f",Description {row}.", f",Description {row}. Turn {turn}.")
            table.write_text(text, encoding="utf-8")

        def from_nothing(_: int) -> None:
            vlmdata.build(recipe, folder / "new")
            shutil.rmtree(folder / "new")

        def rebuild(turn: int) -> None:
            change(turn)
            vlmdata.build(recipe, kept, replace=True)

        rates = in_turn({"from nothing": (images, from_nothing), "10 rows changed": (images, rebuild)}, turns)
    print(f"{machine()}; {images:,} JPEG files, medians of {turns} turns")
    for side, rate in rates.items():
        print(f"{side:<16} {rate:8,.0f} images/s")
    print(f"ratio            {rates['10 rows changed'] / rates['from nothing']:8.1f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
