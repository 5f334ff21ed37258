"""The memory of a run of descriptions, for catalogs of two sizes: it must not grow with the number of rows.

Every row has a photo, a prompt and an answer out of a file, so that reading, verifying, the window of rows under way,
the journal and its index are all at work; there is no network. Each size is a process of its own.

    python benchmarks/describe_memory.py [rows, 100000 by default]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine
from PIL import Image

import vlmdata

PHOTOS = 50
RECIPE = """\
source: {type: csv, path: products.csv}
id: sku
images: {from: photo}
describe: {provider: file, path: answers.jsonl, prompt: "Describe {{ title }}."}
conversations:
  - user: "Describe: {{ title }}"
    assistant: "{{ description }}"
"""


def main() -> None:
    """Print the peak of a tenth of the rows and of all, and what each further row took."""
    if sys.argv[1:2] == ["--one"]:
        run_one(Path(sys.argv[2]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(machine())
    small, large = (peak_of(count) for count in (rows // 10, rows))
    further = rows - rows // 10
    print(f"{further:,} further rows took {(large - small) / 1e6:.1f} MB: {(large - small) / further:.0f} bytes each")


def peak_of(rows: int) -> int:
    """The peak of a run in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        write_catalog(Path(folder), rows)
        started = time.perf_counter()
        words = [sys.executable, __file__, "--one", folder]
        said = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        seconds = time.perf_counter() - started
    done = f"{said['described']:,} described"
    print(f"{rows:,} rows: peak {said['peak'] / 1e6:.1f} MB, {rows / seconds:,.0f} rows/s, {done}")
    return int(said["peak"])


def run_one(folder: Path) -> None:
    """One run; its peak goes to standard output."""
    result = vlmdata.describe(vlmdata.load_recipe(folder / "recipe.yaml"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "described": result.tally.described}))


def write_catalog(folder: Path, rows: int) -> None:
    """A catalog whose rows have no description, and a file with one for each."""
    for number in range(PHOTOS):
        Image.linear_gradient("L").resize((64 + number, 48)).save(folder / f"{number}.jpg")
    with (
        (folder / "products.csv").open("w", encoding="utf-8") as table,
        (folder / "answers.jsonl").open("w") as answers,
    ):
        table.write("sku,title,photo,description\n")
        for number in range(rows):
            table.write(f"P{number},Chair {number},{number % PHOTOS}.jpg,\n")
            text = f"A steady chair of wood with four straight legs and a high back, made as number {number}."
            answers.write(json.dumps({"id": f"P{number}", "text": text}) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")


if __name__ == "__main__":
    main()
