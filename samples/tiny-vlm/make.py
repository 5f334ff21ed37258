"""Make the tiny vision-language model of this folder from nothing but drawn photos and words.

    python samples/tiny-vlm/make.py

Draws photos, fits a tokenizer, teaches a Qwen2-VL model of under two million weights, saves it in
bfloat16, loads it again in two precisions and writes accuracy.json.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
CATALOG = HERE.parent / "catalog"
sys.path.insert(0, str(CATALOG))

import torch  # noqa: E402
from build import make_model, make_processor, make_tokenizer  # noqa: E402
from lessons import IMAGE, Album, random_lesson  # noqa: E402
from measure import measure  # noqa: E402
from teach import cut_photos, draw_album, quicker, teach  # noqa: E402
from words import COMMON, MATERIALS, TRADE  # noqa: E402

SEED = 7
STEPS = 4000
OBJECTS_PER_LOOK = 10
LESSON_TEXTS = 20_000
"""Lessons whose text the tokenizer is fitted to, and that are compared with the catalog."""
PHRASE_WORDS = 5
"""So many words in a row of the catalog's own wording may not occur in a lesson."""


def main() -> None:
    """Make everything, in order."""
    torch.manual_seed(SEED)
    started = time.monotonic()
    album, images = draw_album(SEED, OBJECTS_PER_LOOK)
    print(f"drew {len(images)} photos, {time.monotonic() - started:.0f} s")
    texts = lesson_texts(album)
    check_apart(texts)
    tokenizer = make_tokenizer([*texts, *vocabulary_texts()])
    processor = make_processor(tokenizer, HERE / "chat_template.jinja")
    model = make_model(tokenizer)
    photos = cut_photos(processor, images)
    with quicker(model):
        teach(model, processor, album, photos, steps=STEPS, seed=SEED, report=print_now)
    model.bfloat16().save_pretrained(HERE)
    processor.save_pretrained(HERE)
    fresh, fresh_images = draw_album(SEED + 1, 1)
    accuracy = measure(HERE, fresh, fresh_images, count=192)
    write_report(accuracy, model.num_parameters(), round(time.monotonic() - started))


def print_now(line: str) -> None:
    """Print without waiting for more."""
    print(line, flush=True)


def lesson_texts(album: Album) -> list[str]:
    """The text of many lessons, as the model will meet them."""
    rng = Random(SEED)
    lessons = [random_lesson(rng, album) for _ in range(LESSON_TEXTS)]
    return ["\n".join([lesson.system, lesson.prompt.replace(IMAGE, ""), lesson.answer]) for lesson in lessons]


def vocabulary_texts() -> Iterable[str]:
    """Every word often enough to become one token, with a space and as a sentence's first."""
    for word in (*COMMON, *TRADE, *MATERIALS):
        yield f" {word}" * 30 + f"\n{word.capitalize()}" * 5


def check_apart(texts: Iterable[str]) -> None:
    """Raise if a lesson holds a brand of the catalog or a phrase of its descriptions."""
    with (CATALOG / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    phrases = {phrase for row in rows for phrase in word_runs(row["description"])}
    brands = {row["brand"].lower() for row in rows}
    titles = {row["title"].lower() for row in rows}
    for text in texts:
        found = phrases & word_runs(text)
        lowered = text.lower()
        found |= {name for name in brands | titles if name in lowered}
        if found:
            raise AssertionError(f"a lesson holds wording of the catalog: {sorted(found)}")


def word_runs(text: str) -> set[str]:
    """Every run of `PHRASE_WORDS` words, in lower case and without punctuation."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[start : start + PHRASE_WORDS]) for start in range(len(words) - PHRASE_WORDS + 1)}


def write_report(accuracy: dict[str, dict[str, float]], weights: int, seconds: int) -> None:
    """Save and print what was measured."""
    report = {"weights": weights, "seconds": seconds, "steps": STEPS, "accuracy": accuracy}
    text = json.dumps(report, indent=2) + "\n"
    (HERE / "accuracy.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
