"""The Ray engine against threads, with the same number of workers; the cluster is started before the clock is.

python benchmarks/engines.py [images] [turns]
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import in_turn, machine
from photos import make_catalog

WORKERS = 2


def build(folder: Path, engine: str) -> None:
    """The whole build, with its output thrown away behind it."""
    import vlmdata

    out = folder / "ours"
    vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), out, workers=WORKERS, engine=engine)
    shutil.rmtree(out)


def main(images: int = 3_000, turns: int = 3) -> None:
    """Both sides in turn, then the medians and their ratio."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_catalog(folder, images)
        for engine in ("local", "ray"):
            build(folder, engine)
        rates = in_turn(
            {engine: (images, lambda _, engine=engine: build(folder, engine)) for engine in ("local", "ray")}, turns
        )
    ray.shutdown()
    print(f"{machine()}; {images:,} JPEG files, {WORKERS} workers, medians of {turns} turns")
    for engine, rate in rates.items():
        print(f"{engine:<6} {rate:8,.0f} images/s")
    print(f"ray / local  {rates['ray'] / rates['local']:.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
