"""Conversations about drawn objects that teach the tiny model to see, to copy and to follow.

A lesson names its photos by object and view; `make.py` holds the photos. Any request that isn't
understood is answered with a terse caption such as "green lamp dotted".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from words import invented_word, random_label, random_value, random_words

IMAGE = "<image>"
"""Stands for a photo in `Lesson.prompt`."""

ASKS = ("Say", "Tell me", "Write", "Give", "Note", "Describe", "Name", "Caption", "List", "Explain")
SUBJECTS = (
    "what is shown",
    "what you see",
    "the photo",
    "this picture",
    "the item",
    "this product",
    "the object here",
    "the thing in the image",
    "a text for the page",
    "the look of it",
    "a description",
)
TAILS = ("", "", ".", ".", "!", " please.", " for us.", " for the list.", " in our style.", " now.")
ATTRIBUTES = {
    "colour": ("Which colour is it?", "What colour is this?", "Colour?", "Name the colour."),
    "pattern": ("Which pattern is it?", "Striped, dotted or plain?", "Pattern?", "Its pattern?"),
    "kind": ("What kind of thing is it?", "What is this object?", "Kind?", "What do you see?"),
}
FACTS = (
    "What is the {}?",
    "{}?",
    "Copy the {}.",
    "Read out the {}",
    "Which {} is given?",
    "Find the {}.",
)
ORDINALS = ("first", "second", "third")


Task = Literal["caption", "attribute", "copy", "echo", "fill", "several"]


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to say about a photo."""

    colour: str
    kind: str
    pattern: str

    @property
    def caption(self) -> str:
        """Three words in the model's own order."""
        return f"{self.colour} {self.kind} {self.pattern}"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A prompt with image marks in it, the photos they stand for, and the answer."""

    task: Task
    system: str
    prompt: str
    photos: tuple[int, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Album:
    """The photos to ask about: `looks[i]` is the object of each photo in `photos[i]`."""

    looks: Sequence[Look]
    photos: Sequence[Sequence[int]]


Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Level:
    """How hard lessons are, from 0 (one photo or one short text) to 1."""

    hardness: float

    def happens(self, rng: Random, chance: float) -> bool:
        """Whether something does that has this chance in the hardest lessons."""
        return rng.random() < chance * self.hardness

    def count(self, rng: Random, easy: int, hard: int) -> int:
        """A number from 1 up to `easy` in the easiest lessons and up to `hard` in the hardest."""
        return rng.randint(1, round(easy + (hard - easy) * self.hardness))


HARDEST = Level(1.0)


def random_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """One conversation; the easiest are captions, attributes and texts to repeat."""
    makers = (caption_lesson, attribute_lesson, echo_lesson, copy_lesson, fill_lesson, several)
    easy, hard = (50, 20, 30, 0, 0, 0), (25, 10, 12, 15, 30, 8)
    weights = [e + (h - e) * level.hardness for e, h in zip(easy, hard, strict=True)]
    return rng.choices(makers, weights=weights)[0](rng, album, level)


def caption_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """One object and a request in any words, often with a row: the terse caption."""
    look, photos = pick(rng, album, level)
    request = rng.choice(ASKS) + " " + rng.choice(SUBJECTS) + rng.choice(TAILS)
    if level.happens(rng, 0.35):
        request = random_words(rng, level.count(rng, 2, 12))
    row = random_row(rng, level) if level.happens(rng, 0.6) else {}
    return lesson(rng, level, "caption", photos, [request, *lines(row)], look.caption)


def attribute_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """One object and a question about its colour, its pattern or its kind."""
    look, photos = pick(rng, album, level)
    attribute = rng.choice(tuple(ATTRIBUTES))
    row = random_row(rng, level) if level.happens(rng, 0.3) else {}
    texts = [rng.choice(ATTRIBUTES[attribute]), *lines(row)]
    return lesson(rng, level, "attribute", photos, texts, getattr(look, attribute))


def echo_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """A text to repeat word for word."""
    photos = pick(rng, album, level)[1] if level.happens(rng, 0.2) else ()
    text = random_words(rng, level.count(rng, 8, 12))
    return lesson(rng, level, "echo", photos, [f"Repeat: {text}"], text)


def copy_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """A row and a question about one of its cells, with or without a photo."""
    photos = pick(rng, album, level)[1] if level.happens(rng, 0.4) else ()
    row = random_row(rng, level)
    label = rng.choice(tuple(row))
    question = rng.choice(FACTS).format(label if rng.random() < 0.5 else label.lower())
    return lesson(rng, level, "copy", photos, [question, *lines(row)], row[label])


def fill_lesson(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """A text with gaps to fill from the photo and from the row."""
    look, photos = pick(rng, album, level)
    row = random_row(rng, level)
    facts = {"colour": look.colour, "pattern": look.pattern, "kind": look.kind}
    gaps = rng.sample(tuple(facts), level.count(rng, 1, 3))
    gaps += rng.sample(tuple(row), min(len(row), rng.randint(0, 3)))
    rng.shuffle(gaps)
    pieces: list[str] = []
    for gap in gaps:
        pieces += [random_words(rng, rng.randint(0, 4)), f"[{gap}]"]
    pieces.append(random_words(rng, rng.randint(0, 4)))
    text = answer = " ".join(piece for piece in pieces if piece)
    for gap in gaps:
        answer = answer.replace(f"[{gap}]", facts.get(gap) or row[gap])
    return lesson(rng, level, "fill", photos, [f"Fill in: {text}", *lines(row)], answer)


def several(rng: Random, album: Album, level: Level = HARDEST) -> Lesson:
    """Two or three objects: the caption of one of them, or of all."""
    picked = [pick(rng, album, level) for _ in range(rng.randint(2, 3))]
    photos = tuple(of_one[0] for _, of_one in picked)
    captions = [look.caption for look, _ in picked]
    if rng.random() < 0.5:
        return lesson(rng, level, "several", photos, ["Name them all."], "; ".join(captions))
    which = rng.randrange(len(picked))
    question = f"The {ORDINALS[which]} photo?"
    return lesson(rng, level, "several", photos, [question], captions[which])


def pick(rng: Random, album: Album, level: Level) -> tuple[Look, tuple[int, ...]]:
    """An object and one or more of its photos."""
    index = rng.randrange(len(album.looks))
    views = album.photos[index]
    count = len(views) if level.happens(rng, 0.4) else 1
    return album.looks[index], tuple(rng.sample(views, count))


def random_row(rng: Random, level: Level) -> Row:
    """One to four labelled values."""
    return {random_label(rng): random_value(rng) for _ in range(level.count(rng, 1, 4))}


def lines(row: Row) -> list[str]:
    """The row as text, one line a label."""
    return [f"{label}: {value}" for label, value in row.items()]


def lesson(
    rng: Random,
    level: Level,
    task: Task,
    photos: tuple[int, ...],
    texts: list[str],
    answer: str,
) -> Lesson:
    """The lesson with its texts in a likely order, and the photos before or after them."""
    request, rows = texts[0], texts[1:]
    ordered = [*rows, request] if level.happens(rng, 0.4) else [request, *rows]
    text = ("\n", " ", "\n\n")[rng.choices((0, 1, 2), weights=(3, 1, 1))[0]].join(ordered)
    marks = IMAGE * len(photos)
    prompt = text + marks if level.happens(rng, 0.2) else marks + text
    system = random_system(rng) if level.happens(rng, 0.2) else ""
    return Lesson(task, system, prompt, photos, answer)


def random_system(rng: Random) -> str:
    """An instruction that changes nothing."""
    if rng.random() < 0.5:
        return f"You work for {invented_word(rng)}, and you answer in few words."
    return random_words(rng, rng.randint(2, 9))
