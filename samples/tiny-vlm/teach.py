"""Teach the model: photos drawn in advance, lessons made up as it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import torch
from draw import COLOURS, KINDS, PATTERNS, draw_photo, random_thing, random_view
from lessons import IMAGE, Album, Lesson, Level, Look, random_lesson
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import Qwen2VLForConditionalGeneration, Qwen2VLProcessor

BATCH = 32
LEARNING_RATE = 2.5e-3
WARMUP_STEPS = 100
PHOTO_SIDES = (112, 128, 144, 176)
BUCKETS = 16
"""Batches whose lessons are sorted by length together."""
VIEWS = 2
"""Photos drawn of each object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Photos cut into patches: one row of `patches` holds a patch's 3 * 14 * 14 values."""

    patches: Sequence[Tensor]
    grids: Tensor
    """Frames, rows and columns of patches, one line a photo."""


def draw_album(seed: int, objects_per_look: int) -> tuple[Album, list[Image.Image]]:
    """An album with so many objects of each kind, colour and pattern, and its photos."""
    every = [(kind, colour, pat) for kind in KINDS for colour in COLOURS for pat in PATTERNS]
    looks = [Look(c, k, p) for k, c, p in every for _ in range(objects_per_look)]
    tasks = [(f"{seed} {index}", look) for index, look in enumerate(looks)]
    with ProcessPoolExecutor(max_workers=2) as pool:
        drawn = list(pool.map(draw_views, tasks, chunksize=64))
    numbers = [range(i * VIEWS, (i + 1) * VIEWS) for i in range(len(looks))]
    return Album(looks, numbers), [photo for photos in drawn for photo in photos]


def draw_views(task: tuple[str, Look]) -> list[Image.Image]:
    """The photos of one object; the seed fixes both the object and the views."""
    seed, look = task
    rng = Random(seed)
    thing = random_thing(rng, kind=look.kind, colour=look.colour, pattern=look.pattern)
    return [draw_photo(thing, random_view(rng, sides=PHOTO_SIDES)) for _ in range(VIEWS)]


def cut_photos(processor: Qwen2VLProcessor, images: Sequence[Image.Image]) -> Photos:
    """The photos as the processor cuts them, in half the room."""
    patches: list[Tensor] = []
    grids: list[Tensor] = []
    for start in range(0, len(images), 64):
        batch = processor.image_processor(images[start : start + 64], return_tensors="pt")
        counts = batch["image_grid_thw"].prod(-1).tolist()
        patches += [part.bfloat16() for part in batch["pixel_values"].split(counts)]
        grids.append(batch["image_grid_thw"])
    return Photos(patches=patches, grids=torch.cat(grids))


def chat_text(lesson: Lesson, image_tokens: Sequence[int]) -> tuple[str, str]:
    """The prompt as the chat template renders it, image tokens expanded, and the answer."""
    prompt = lesson.prompt
    for count in image_tokens:
        mark = "<|vision_start|>" + "<|image_pad|>" * count + "<|vision_end|>"
        prompt = prompt.replace(IMAGE, mark, 1)
    system = f"<|im_start|>system\n{lesson.system}<|im_end|>\n" if lesson.system else ""
    text = f"{system}<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    return text, lesson.answer + "<|im_end|>"


def collate(
    processor: Qwen2VLProcessor, photos: Photos, lessons: Sequence[Lesson], jitter: torch.Generator
) -> tuple[dict[str, Tensor], Tensor]:
    """Model inputs of the lessons, padded on the right, and labels on the answers only."""
    numbers = [number for lesson in lessons for number in lesson.photos]
    merged = (photos.grids.prod(-1) // 4).tolist()
    chats = [chat_text(lesson, [merged[n] for n in lesson.photos]) for lesson in lessons]
    prompts = processor.tokenizer([prompt for prompt, _ in chats])["input_ids"]
    answers = processor.tokenizer([answer for _, answer in chats])["input_ids"]
    length = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    ids = torch.full((len(lessons), length), processor.tokenizer.pad_token_id)
    labels = torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    inputs = {
        "input_ids": ids,
        "attention_mask": (ids != processor.tokenizer.pad_token_id).long(),
        "mm_token_type_ids": (ids == processor.image_token_id).int(),
    }
    if numbers:
        inputs["pixel_values"] = pixels(photos, numbers, jitter)
        inputs["image_grid_thw"] = photos.grids[numbers]
    return inputs, labels


def pixels(photos: Photos, numbers: Sequence[int], jitter: torch.Generator) -> Tensor:
    """The patches of those photos with brightness and contrast varied a little."""
    varied = []
    for number in numbers:
        patches = photos.patches[number].float()
        gain = 1 + 0.1 * torch.randn(1, generator=jitter)
        shift = 0.08 * torch.randn(3, generator=jitter).repeat_interleave(patches.shape[1] // 3)
        varied.append(patches * gain + shift)
    return torch.cat(varied)


def teach(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    album: Album,
    photos: Photos,
    *,
    steps: int,
    seed: int,
    report: Callable[[str], None],
) -> None:
    """Train all weights on fresh lessons, the loss on the answers only."""
    rng, jitter = Random(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    batches = lesson_batches(rng, album, steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
    model.train()
    started, recent = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        loss = answer_loss(model, *collate(processor, photos, next(batches), jitter))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        recent += loss.item()
        if step % 100 == 0:
            seconds = time.monotonic() - started
            report(f"step {step} of {steps}: loss {recent / 100:.3f}, {seconds:.0f} s")
            recent = 0.0


def lesson_batches(rng: Random, album: Album, steps: int) -> Iterator[list[Lesson]]:
    """Batches of lessons of about the same length: easy ones for a third, then harder ones."""
    step = 0
    while step < steps:
        level = Level(min(1.0, max(0.0, (step / steps - 0.35) / 0.3)))
        lessons = [random_lesson(rng, album, level) for _ in range(BATCH * BUCKETS)]
        lessons.sort(key=lesson_size)
        starts = list(range(0, len(lessons), BATCH))
        rng.shuffle(starts)
        yield from (lessons[start : start + BATCH] for start in starts)
        step += len(starts)


def lesson_size(lesson: Lesson) -> int:
    """About how long a lesson is, in characters; a photo counts as 50."""
    return len(lesson.system + lesson.prompt + lesson.answer) + 50 * len(lesson.photos)


def rate(step: int, steps: int) -> float:
    """Share of the learning rate: a linear warm-up, then a cosine down to 2 percent."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def answer_loss(model: Qwen2VLForConditionalGeneration, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of the answers' tokens, each weighted by one over the root of its answer's
    length, so that a word about a photo isn't drowned by texts to repeat.

    The head runs on the places of answers only.
    """
    hidden = model.model(**inputs, use_cache=False).last_hidden_state
    places = labels[:, 1:] != -100
    logits = model.lm_head(hidden[:, :-1][places])
    losses = functional.cross_entropy(logits, labels[:, 1:][places], reduction="none")
    weights = places.sum(-1, keepdim=True).rsqrt().expand_as(places)[places]
    return (losses * weights).sum() / weights.sum()


class FlatPatches(nn.Module):
    """The patch embedding as a matrix product: the same weights, ten times as fast on a CPU."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight = convolution.weight

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches of shape (count, 3, 1, 14, 14)."""
        return functional.linear(patches.flatten(1), self.weight.flatten(1))


@contextmanager
def quicker(model: Qwen2VLForConditionalGeneration) -> Iterator[None]:
    """Until the end of the block, use `FlatPatches` and let the head share the embedding.

    A shared matrix learns to copy sooner; the head gets its own copy of it at the end, because the
    configuration says that the two aren't tied.
    """
    embedding, words = model.model.visual.patch_embed, model.get_input_embeddings()
    convolution = embedding.proj
    embedding.proj, model.lm_head.weight = FlatPatches(convolution), words.weight
    yield
    embedding.proj = convolution
    model.lm_head.weight = nn.Parameter(words.weight.detach().clone())
