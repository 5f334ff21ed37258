"""Rows a second of the rules about messages and texts, on one core, against the same patterns over `to_pylist`.

    python benchmarks/rule_speed.py [rows] [turns]

The dataset is made up here: catalog prompts and descriptions in English and German, a tenth of the rows with four or
six turns, one row in a hundred with something wrong. Batches are as large as those of a built dataset.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
from measuring import machine

from vlmdata.check.messages import check_messages, is_blank, roles_in_order
from vlmdata.check.text import TextCheck, text_rules
from vlmdata.corpus import corpus_schema
from vlmdata.protocols import Check

BATCH = 8_192
"""Rows that a validation looks at together."""
BLOCK = 512
"""Rows of a block of a build."""
ENGLISH = (
    "The mug holds {n} ml and keeps tea warm for a long time. Its handle is wide enough for three fingers.",
    "A backpack of waxed cotton with two outer pockets & a padded sleeve for a laptop of {n} inches.",
    "Glazed stoneware in a deep blue, fired twice; every piece differs a little from the next.",
    "It weighs {n} g (without the box) and may go into the dishwasher: top rack only.",
    "The lid closes tightly, so that nothing spills, even when the bottle lies on its side.",
    "Made in Portugal by a family that has worked with clay for {n} years.",
)
GERMAN = (
    "Die Tasse fasst {n} ml und hält den Tee lange warm. Der Henkel ist breit genug für drei Finger.",
    "Glasiertes Steinzeug in tiefem Blau, zweimal gebrannt – jedes Stück ist ein wenig anders.",
    "Größe: {n} cm, Gewicht: 350 g; für die Spülmaschine geeignet.",
    "Aus gewachster Baumwolle, mit zwei Außentaschen und gepolstertem Fach für Geräte bis {n} Zoll.",
)
PROMPTS = (
    "Describe this product for a shop.\nTitle: Mug {n}\nBrand: Nordlicht",
    "Beschreibe dieses Produkt: Tasse {n}, blau, Marke Nordlicht",
    "What can be seen in the picture? Answer in a few sentences.",
)
WRONG = (
    "nan",
    "I'm sorry, but I can't see the image.",
    "A mug <br> in blue &amp; white.",
    "Sure! Here is a description: A mug.",
)


def made_rows(rows: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """Rows of a catalog, as a built dataset holds them."""
    rng = random.Random(seed)

    def said(sentences: tuple[str, ...], count: int) -> str:
        return " ".join(each.format(n=rng.randint(2, 900)) for each in rng.sample(sentences, count))

    for row in range(rows):
        messages: list[dict[str, object]] = []
        for turn in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 2))):
            first = [{"type": "image", "text": None}] if not turn else []
            prompt = {"type": "text", "text": rng.choice(PROMPTS).format(n=rng.randint(1, 9_999))}
            answer = said(rng.choice((ENGLISH, GERMAN)), rng.randint(2, 4))
            if rng.random() < 0.01:
                answer = rng.choice(WRONG)
            messages.append({"role": "user", "content": [*first, prompt]})
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        if row % 3 == 0:
            system = {"type": "text", "text": "You write for a shop."}
            messages.insert(0, {"role": "system", "content": [system]})
        yield {
            "id": f"P{row}",
            "messages": messages,
            "image_info": [{"sha256": "0" * 64, "width": 8, "height": 8, "format": "png", "dhash": None}],
            "origin": {"source": "products.csv", "row": row + 1, "line": row + 2},
            "group": f"P{row}",
            "tags": [],
            "fields": [],
            "provenance": None,
        }


def batches_of(rows: list[dict[str, object]], size: int) -> list[pa.RecordBatch]:
    """The rows in batches of a size."""
    schema = corpus_schema()
    return [pa.RecordBatch.from_pylist(rows[at : at + size], schema=schema) for at in range(0, len(rows), size)]


def naive(batches: list[pa.RecordBatch]) -> int:
    """What a loop over Python objects finds, with the screens' own patterns."""
    patterns = [re.compile(_for_python(rule.screen)) for rule in text_rules() if rule.screen]
    found = 0
    for batch in batches:
        for row in batch.to_pylist():
            turns = row["messages"]
            found += not roles_in_order([turn["role"] for turn in turns])
            for turn in turns:
                for part in turn["content"]:
                    if part["type"] == "text":
                        found += is_blank(part["text"])
                        found += any(pattern.search(part["text"]) for pattern in patterns)
    return found


def _for_python(pattern: str) -> str:
    r"""A pattern of RE2 for Python, which writes `\u200b` and `\Z`, and has no classes such as `\pZ`."""
    pattern = re.sub(r"\\x\{([0-9a-f]+)\}", lambda match: re.escape(chr(int(match[1], 16))), pattern)
    return re.sub(r"\\p[A-Z]", "", pattern).replace(r"\z", r"\Z")


def main() -> None:
    """Measure, and print rows a second."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    made = list(made_rows(count))
    batches, blocks = batches_of(made, BATCH), batches_of(made[: count // 4], BLOCK)
    few = batches[: max(len(batches) // 20, 1)]
    texts = [len(part["text"]) for row in made for turn in row["messages"] for part in turn["content"] if part["text"]]  # type: ignore[attr-defined]
    del made
    text = TextCheck(text_rules())

    def run(checks: tuple[Check, ...], over: list[pa.RecordBatch]) -> Callable[[], int]:
        return lambda: sum(len(list(check(batch))) for batch in over for check in checks)

    sides: dict[str, tuple[int, Callable[[], int]]] = {
        "structure": (count, run((check_messages,), batches)),
        "text": (count, run((text,), batches)),
        "structure and text": (count, run((check_messages, text), batches)),
        f"both, in blocks of {BLOCK} as in a build": (count // 4, run((check_messages, text), blocks)),
        "to_pylist and the same patterns": (BATCH * len(few), lambda: naive(few)),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, (rows, work) in sides.items():
            started = time.process_time()
            work()
            rates[name].append(rows / (time.process_time() - started))
    print(f"{machine()}, one of them used; time of the processor, so that other programs count little")
    print(f"{count:,} rows, {sum(texts) / count:.0f} characters a row in {len(texts) / count:.1f} texts")
    print(f"{sides['structure and text'][1]():,} findings; median of {turns} turns")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:40} {rate:12,.0f} rows/s {1e6 / rate:8.1f} µs a row")


if __name__ == "__main__":
    main()
