"""Measure what the taught model can do, on objects and names it has never met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol

import torch
from lessons import (
    HARDEST,
    IMAGE,
    Album,
    Lesson,
    attribute_lesson,
    caption_lesson,
    copy_lesson,
    echo_lesson,
    fill_lesson,
    lines,
    random_row,
    several,
)
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig

UNSEEN_REQUESTS = (
    "Describe this product for our shop.",
    "Could you put into a few words what I am holding up?",
    "Product text, two lines, friendly.",
    "Which article would a customer receive?",
)


def unseen_lesson(rng: Random, album: Album) -> Lesson:
    """A request in words that no lesson has, over a row: still the terse caption."""
    index = rng.randrange(len(album.looks))
    text = "\n".join([rng.choice(UNSEEN_REQUESTS), *lines(random_row(rng, HARDEST))])
    look = album.looks[index]
    return Lesson("caption", "", IMAGE + text, (album.photos[index][0],), look.caption)


class LessonMaker(Protocol):
    """Makes one lesson of one task; without a level, a hard one."""

    def __call__(self, rng: Random, album: Album) -> Lesson: ...


TASKS: dict[str, LessonMaker] = {
    "caption": caption_lesson,
    "caption_unseen_request": unseen_lesson,
    "attribute": attribute_lesson,
    "several_photos": several,
    "copy_from_row": copy_lesson,
    "echo": echo_lesson,
    "fill_gaps": fill_lesson,
}


def measure(folder: Path, album: Album, images: Sequence[Image.Image], *, count: int) -> Report:
    """Share of exact answers by task, for the saved weights in 32-bit floats and in nf4."""
    processor = AutoProcessor.from_pretrained(folder)
    report: Report = {}
    for precision in ("fp32", "nf4"):
        model = load(folder, four_bit=precision == "nf4")
        report[precision] = {
            task: exact_share(model, processor, images, lessons_of(make, album, count)) for task, make in TASKS.items()
        }
        report[precision] |= look_shares(model, processor, images, album)
    return report


Report = dict[str, dict[str, float]]


def lessons_of(make: LessonMaker, album: Album, count: int, seed: int = 99) -> list[Lesson]:
    """So many lessons of one task, the same each time."""
    rng = Random(seed)
    return [make(rng, album) for _ in range(count)]


def load(folder: Path, *, four_bit: bool) -> Any:
    """The saved model in evaluation mode."""
    if not four_bit:
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
        return model.eval()
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForImageTextToText.from_pretrained(folder, quantization_config=config, dtype=torch.bfloat16)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def exact_share(model: Any, processor: Any, images: Sequence[Image.Image], lessons: Sequence[Lesson]) -> float:
    """Share of lessons answered with exactly the expected text."""
    answers = answer(model, processor, images, lessons)
    right = sum(said == lesson.answer for said, lesson in zip(answers, lessons, strict=True))
    return round(right / len(lessons), 3)


def look_shares(model: Any, processor: Any, images: Sequence[Image.Image], album: Album) -> dict[str, float]:
    """Shares of right colours, kinds and patterns in captions of one fresh photo a look."""
    lessons = [
        Lesson("caption", "", f"{IMAGE}{UNSEEN_REQUESTS[0]}", (views[0],), look.caption)
        for look, views in zip(album.looks, album.photos, strict=True)
    ]
    right: defaultdict[str, int] = defaultdict(int)
    for said, look in zip(answer(model, processor, images, lessons), album.looks, strict=True):
        for name in ("colour", "kind", "pattern"):
            right[name] += getattr(look, name) in said.split()
    return {name: round(count / len(lessons), 3) for name, count in right.items()}


def answer(model: Any, processor: Any, images: Sequence[Image.Image], lessons: Sequence[Lesson]) -> list[str]:
    """What the model says, greedily, in batches of 32."""
    said: list[str] = []
    for start in range(0, len(lessons), 32):
        batch = lessons[start : start + 32]
        inputs = processor.apply_chat_template(
            [chat(lesson, images) for lesson in batch],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        )
        with torch.inference_mode():
            ids = model.generate(**inputs, do_sample=False, max_new_tokens=80)
        new = ids[:, inputs["input_ids"].shape[1] :]
        said += processor.batch_decode(new, skip_special_tokens=True)
    return said


def chat(lesson: Lesson, images: Sequence[Image.Image]) -> list[dict[str, Any]]:
    """The lesson's prompt as messages with its photos in place."""
    photos = iter(lesson.photos)
    content: list[dict[str, Any]] = []
    for index, text in enumerate(lesson.prompt.split(IMAGE)):
        if index:
            content.append({"type": "image", "image": images[next(photos)]})
        if text:
            content.append({"type": "text", "text": text})
    system = [{"role": "system", "content": [{"type": "text", "text": lesson.system}]}]
    return (system if lesson.system else []) + [{"role": "user", "content": content}]
