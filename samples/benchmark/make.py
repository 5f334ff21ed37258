"""Write the sample benchmark: all.parquet and the zips of drawn images that it names.

    python samples/benchmark/make.py

The same versions of Pillow and pyarrow write the same bytes each time.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

SEED = 2026
SETS = 10
"""Sets of images a task; each is asked two questions."""

SIZE = 96
COLOURS = {"red": (214, 48, 49), "blue": (37, 99, 205), "green": (39, 139, 76), "yellow": (240, 190, 30)}
SHAPES = ("circle", "square", "triangle", "star")
STAR = ((0, -20), (5, -6), (19, -6), (8, 3), (12, 17), (0, 8), (-12, 17), (-8, 3), (-19, -6), (-5, -6))
ORDINALS = ("first", "second", "third", "fourth")
STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
PLACES = ((26, 26), (70, 26), (26, 70), (70, 70))
LETTERS = "ABCD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of the table. `options` are in the order of their letters."""

    zip: str
    task: str
    names: tuple[str, ...]
    context: str
    question: str
    options: tuple[str, ...]
    answer: str

    def row(self) -> dict[str, object]:
        """The row as the benchmark publishes it: its context lists the options too."""
        options = "\n".join(f"{letter}: {text}" for letter, text in zip(LETTERS, self.options, strict=False))
        return {
            "task": self.task,
            "visual_input_component": "synthetic image",
            "source": "drawn",
            "options": options,
            "question": self.question,
            "context": f"{self.context}\nSelect from the following choices.\n{options}\n",
            "input_image_path": [f"./{self.zip}/{self.task}/{name}" for name in self.names],
            "output": LETTERS[self.options.index(self.answer)],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What one task draws: images by name, and questions over them."""

    images: dict[str, Image.Image]
    questions: tuple[Question, ...]


def main() -> None:
    """Rewrite all.parquet and the zips beside this file."""
    folder = Path(__file__).resolve().parent
    tasks = [differences(Random(SEED)), odd_ones(Random(SEED + 1)), rolling_balls(Random(SEED + 2))]
    for drawn in tasks:
        write_zip(folder, drawn)
    rows = [question.row() for drawn in tasks for question in drawn.questions]
    pq.write_table(pa.Table.from_pylist(rows), folder / "all.parquet", compression="none")
    images = sum(len(drawn.images) for drawn in tasks)
    print(f"{len(rows)} questions over {images} images, {sum(p.stat().st_size for p in files(folder)) / 1e3:.0f} kB")


def files(folder: Path) -> list[Path]:
    """What this script writes."""
    return [folder / "all.parquet", *sorted(folder.glob("*.zip"))]


def differences(rng: Random) -> Drawn:
    """Two images, of which the second has one shape more."""
    images: dict[str, Image.Image] = {}
    questions: list[Question] = []
    for number in range(SETS):
        colours = rng.sample(sorted(COLOURS), 4)
        places = rng.sample(PLACES, 4)
        shapes = [rng.choice(SHAPES) for _ in range(4)]
        count = rng.choice((1, 2, 3))
        things = list(zip(shapes, colours, places, strict=True))
        names = (f"spot_the_diff_{number}_0.png", f"spot_the_diff_{number}_1.png")
        images[names[0]] = scene(things[:count])
        images[names[1]] = scene(things[: count + 1])
        asked = (
            ("What colour is the shape that only the second image shows?", shuffled(rng, COLOURS), colours[count]),
            ("How many shapes does the second image show?", ("1", "2", "3", "4"), str(count + 1)),
        )
        context = "You are given two pictures that differ in one shape."
        questions += of_set("Low-level-semantic", "spot_the_diff", names, context, asked)
    return Drawn(images=images, questions=tuple(questions))


def odd_ones(rng: Random) -> Drawn:
    """Four images, of which one shows another shape than the rest."""
    images: dict[str, Image.Image] = {}
    questions: list[Question] = []
    for number in range(SETS):
        usual, other = rng.sample(SHAPES, 2)
        odd, third = rng.randrange(4), rng.choice(sorted(COLOURS))
        names = tuple(f"odd_one_out_{number}_{index}.jpg" for index in range(4))
        for index, name in enumerate(names):
            colour = third if index == 2 else rng.choice(sorted(COLOURS))
            place = (rng.randint(30, 66), rng.randint(30, 66))
            images[name] = scene([(other if index == odd else usual, colour, place)])
        asked = (
            ("Which image shows another shape than the rest?", by_ordinal(), f"the {ORDINALS[odd]} image"),
            ("What colour is the shape in the third image?", shuffled(rng, COLOURS), third),
        )
        context = "Look at the four pictures, one after the other."
        questions += of_set("High-level-obj-semantic", "odd_one_out", names, context, asked)
    return Drawn(images=images, questions=tuple(questions))


def rolling_balls(rng: Random) -> Drawn:
    """Three images of a ball on its way. Two sets start from the same image: their rows must not be split apart."""
    images: dict[str, Image.Image] = {}
    questions: list[Question] = []
    for number in range(SETS):
        direction = ("left", "right")[number] if number < 2 else rng.choice(sorted(STEPS))
        colour = "red" if number < 2 else rng.choice(sorted(COLOURS))
        start = (48, 48) if number < 2 else (rng.randint(44, 52), rng.randint(44, 52))
        names = tuple(f"ball_path_{0 if number == 1 and step == 0 else number}_{step}.png" for step in range(3))
        for step, name in enumerate(names):
            centre = tuple(at + 14 * step * move for at, move in zip(start, STEPS[direction], strict=True))
            images[name] = scene([("circle", colour, (centre[0], centre[1]))])
        asked = (
            ("In which direction does the ball roll?", shuffled(rng, STEPS), direction),
            ("What colour is the ball?", shuffled(rng, COLOURS), colour),
        )
        context = "The pictures were taken one after the other."
        questions += of_set("Discrete-temporal", "ball_path", names, context, asked)
    return Drawn(images=images, questions=tuple(questions))


def of_set(
    zip: str, task: str, names: tuple[str, ...], context: str, asked: Sequence[tuple[str, tuple[str, ...], str]]
) -> Iterator[Question]:
    """The questions over one set of images."""
    for question, options, answer in asked:
        yield Question(
            zip=zip, task=task, names=names, context=context, question=question, options=options, answer=answer
        )


def by_ordinal() -> tuple[str, ...]:
    """The four images as options."""
    return tuple(f"the {ordinal} image" for ordinal in ORDINALS)


def shuffled(rng: Random, words: Iterable[str]) -> tuple[str, ...]:
    """Words in random order."""
    return tuple(rng.sample(sorted(words), 4))


def scene(things: Sequence[tuple[str, str, tuple[int, int]]]) -> Image.Image:
    """A picture of shapes, each with its colour and the middle that it is drawn round."""
    image = Image.new("RGB", (SIZE, SIZE), (245, 243, 238))
    draw = ImageDraw.Draw(image)
    for shape, colour, (x, y) in things:
        if shape == "circle":
            draw.ellipse((x - 16, y - 16, x + 16, y + 16), fill=COLOURS[colour])
        elif shape == "square":
            draw.rectangle((x - 15, y - 15, x + 15, y + 15), fill=COLOURS[colour])
        else:
            corners = ((0, -18), (18, 15), (-18, 15)) if shape == "triangle" else STAR
            draw.polygon([(x + dx, y + dy) for dx, dy in corners], fill=COLOURS[colour])
    return image


def write_zip(folder: Path, drawn: Drawn) -> None:
    """One zip of a task's images, stored as they are, without the zip's own name as a folder."""
    first = drawn.questions[0]
    with zipfile.ZipFile(folder / f"{first.zip}.zip", "w") as archive:
        for name, image in drawn.images.items():
            entry = zipfile.ZipInfo(f"{first.task}/{name}", (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, encoded(image, name))


def encoded(image: Image.Image, name: str) -> bytes:
    """An image as a file's bytes, in the format that its name says."""
    buffer = io.BytesIO()
    if name.endswith(".png"):
        image.quantize(16).save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
