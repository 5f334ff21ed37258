"""Near-duplicate images: which changes of a photo are found, which other products are mistaken for it, and how fast.

Products are drawn as the sample catalog draws them, on varied walls and on white, at the size of the catalog's photos
and three times as large. Each is changed as shops change photos, and drawn once more in another colour, pattern or
kind, and with another brand on it, everything else as it was. Covers of books, alike but for their words, come last.

    python benchmarks/near_duplicates.py [products, 40 by default]
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

sys.path.insert(0, str(Path(__file__).parent.parent / "samples" / "catalog"))
import draw
from measuring import machine, seconds

from vlmdata.check.near_duplicates import WIDE, Proposals
from vlmdata.confirming import usual_distance
from vlmdata.image.inspecting import inspect
from vlmdata.image.likeness import ROUGH_LIMIT, distances, rough_distances, rough_pictures
from vlmdata.image.small_picture import Small, coarse_picture, may_be_alike, small_picture

BRANDS = ("ALDERMOOR", "BRACKWELL", "CORVANE", "FENNICK")
GROUNDS = ((180, 40, 40), (30, 60, 120), (240, 235, 220), (40, 40, 45), (60, 120, 70), (200, 160, 60))
WORDS = ("River", "Moon", "Garden", "Winter", "Silent", "House", "Stone", "Light", "Shadow", "Ocean", "Forest", "Night")
SIZES = {"small": (176, 192, 208), "large": (560, 600, 640)}
Change = Callable[[Image.Image], bytes]


def main() -> None:
    """Print precision and recall for both backgrounds, and the time of a million hashes."""
    products = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"{machine()}; {products} products of each background and size, confirmed up to {usual_distance():g}\n")
    for white in (False, True):
        for size, sides in SIZES.items():
            measure(f"{'white' if white else 'varied'} background, {size}", products, white, sides)
    measure_covers(4 * products)
    time_hashes(1_000_000)


def measure(title: str, products: int, white: bool, sides: tuple[int, ...]) -> None:
    """One background and size."""
    rng = Random(5)
    looks: dict[tuple[bool, str], list[tuple[bool, bool]]] = {}
    for _ in range(products):
        thing = draw.random_thing(
            rng, kind=rng.choice(draw.KINDS), colour=rng.choice(list(draw.COLOURS)), pattern=rng.choice(draw.PATTERNS)
        )
        view = draw.random_view(rng, sides=sides)
        photo = drawn(thing, view, white)
        first = encoded(photo, "JPEG", quality=90)
        for name, change in CHANGES.items():
            looks.setdefault((True, name), []).append(judged(first, change(photo)))
        for name, other in others(thing, view, white, rng):
            looks.setdefault((False, name), []).append(judged(first, encoded(other, "JPEG", quality=90)))
        one, two = (encoded(labelled(photo, brand), "JPEG", quality=90) for brand in rng.sample(BRANDS, 2))
        looks.setdefault((False, "another brand on it"), []).append(judged(one, two))
    right = sum(found for (same, _), rows in looks.items() if same for _, found in rows)
    wrong = sum(found for (same, _), rows in looks.items() if not same for _, found in rows)
    print(f"{title}: precision {right / max(right + wrong, 1):.4f}")
    print(f"  {'':<28}proposed by dhash   confirmed of all pairs")
    for (same, name), rows in looks.items():
        proposed, found = (np.mean([row[side] for row in rows]) for side in (0, 1))
        print(f"  {'same: ' if same else 'other: '}{name:<22}{proposed:>12.1%}{found:>20.1%}")
    print()


def measure_covers(books: int) -> None:
    """Covers in six colours and three designs: what is found of changed ones, and how many pairs of other books."""
    rng = Random(7)
    covers = [book_cover(rng) for _ in range(books)]
    small = [small_picture(encoded(cover, "JPEG", quality=90)) for cover in covers]
    print(f"covers of {books} books")
    for name, change in CHANGES.items():
        changed = [small_picture(change(cover)) for cover in covers]
        print(f"  same: {name:<22}{np.mean(alike(np.stack(small), np.stack(changed))):>32.1%}")
    first, second = np.triu_indices(books, 1)
    taken = sum(
        int(
            alike(
                np.stack([small[one] for one in first[at : at + 256]]),
                np.stack([small[two] for two in second[at : at + 256]]),
            ).sum()
        )
        for at in range(0, len(first), 256)
    )
    print(f"  other books taken for the same: {taken} of {len(first):,} pairs\n")


def alike(one: Small, two: Small) -> np.ndarray:
    """Which pairs of small pictures are confirmed."""
    coarse = [np.stack([coarse_picture(small) for small in side]) for side in (one, two)]
    found = may_be_alike(*coarse)
    found[found] = rough_distances(rough_pictures(one[found]), rough_pictures(two[found])) <= ROUGH_LIMIT
    found[found] = distances(one[found], two[found], usual_distance()) <= usual_distance()
    return found


def judged(first: bytes, second: bytes) -> tuple[bool, bool]:
    """Whether the hashes propose the pair, and whether the pictures confirm it."""
    hashes = [int(inspect(data).info.dhash or "0", 16) for data in (first, second)]
    confirmed = alike(small_picture(first)[None], small_picture(second)[None])
    return (hashes[0] ^ hashes[1]).bit_count() <= WIDE, bool(confirmed[0])


def others(thing: draw.Thing, view: draw.View, white: bool, rng: Random) -> Iterator[tuple[str, Image.Image]]:
    """The same photo of another product."""
    colour = rng.choice([name for name in draw.COLOURS if name != thing.colour])
    pattern = rng.choice([name for name in draw.PATTERNS if name != thing.pattern])
    kind = rng.choice([name for name in draw.KINDS if name != thing.kind])
    yield "another colour", drawn(replace(thing, colour=colour), view, white)
    yield "another pattern", drawn(replace(thing, pattern=pattern), view, white)
    yield "another kind", drawn(replace(thing, kind=kind), view, white)


def drawn(thing: draw.Thing, view: draw.View, white: bool) -> Image.Image:
    """A photo, on its wall or cut out on white."""
    if not white:
        return draw.draw_photo(thing, view)
    width, height = (side * draw.SUPERSAMPLING for side in view.size)
    photo = Image.new("RGB", (width, height), (255, 255, 255))
    cutout = draw.posed_object(thing, view, round(min(width, height) * view.scale))
    place = (
        round(view.centre[0] * width - cutout.width / 2),
        round(view.centre[1] * height - cutout.height / 2),
    )
    photo.paste(cutout, place, cutout)
    return photo.resize(view.size, Image.Resampling.LANCZOS)


def labelled(photo: Image.Image, brand: str) -> Image.Image:
    """The photo with a label on the product."""
    made, (width, height) = photo.copy(), photo.size
    pen = ImageDraw.Draw(made)
    pen.rectangle((width * 0.25, height * 0.52, width * 0.75, height * 0.64), fill=(250, 246, 230))
    font = ImageFont.load_default(size=height * 0.08)
    pen.text((width / 2, height * 0.58), brand, font=font, fill=(20, 20, 25), anchor="mm")
    return made


def book_cover(rng: Random) -> Image.Image:
    """The front of a book: a colour, a frame or a disc, a title and its author."""
    width, height = 560, 840
    ground = rng.choice(GROUNDS)
    ink = (245, 240, 225) if sum(ground) < 384 else (25, 25, 30)
    made = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(made)
    design = rng.randrange(3)
    if design == 1:
        pen.rectangle((30, 40, width - 30, height - 40), outline=ink, width=6)
    if design == 2:
        pen.ellipse((170, 430, 390, 650), fill=tuple(min(255, level + 50) for level in ground))
    for line in range(rng.choice((2, 3))):
        font = ImageFont.load_default(size=height * (0.09, 0.06, 0.075)[design])
        pen.text((width / 2, height * (0.16 + 0.1 * line)), rng.choice(WORDS), font=font, fill=ink, anchor="mm")
    author = " ".join(rng.sample(WORDS, 2))
    pen.text((width / 2, height * 0.88), author, font=ImageFont.load_default(size=34), fill=ink, anchor="mm")
    small: Image.Image = made.resize((280, 420), Image.Resampling.LANCZOS)
    return small


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """A picture in another size."""
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """A picture without a share of each side."""
    width, height = image.size
    box = (round(left * width), round(top * height), width - round(right * width), height - round(bottom * height))
    return image.crop(box)


def brightened(image: Image.Image, factor: float) -> bytes:
    """A picture in another light."""
    return encoded(ImageEnhance.Brightness(image).enhance(factor), "JPEG", quality=88)


CHANGES: dict[str, Change] = {
    "half the size": lambda image: encoded(scaled(image, 0.5), "JPEG", quality=88),
    "0.75 of the size": lambda image: encoded(scaled(image, 0.75), "JPEG", quality=88),
    "twice the size": lambda image: encoded(scaled(image, 2), "JPEG", quality=88),
    "JPEG quality 50": lambda image: encoded(image, "JPEG", quality=50),
    "JPEG quality 95": lambda image: encoded(image, "JPEG", quality=95),
    "PNG": lambda image: encoded(image, "PNG"),
    "WebP": lambda image: encoded(image, "WEBP", quality=75),
    "cropped by 3 %": lambda image: encoded(cropped(image, 0.015, 0.015, 0.015, 0.015), "JPEG", quality=88),
    "cropped at a corner": lambda image: encoded(cropped(image, 0.03, 0, 0, 0.03), "JPEG", quality=88),
    "10 % brighter": lambda image: brightened(image, 1.1),
    "15 % brighter": lambda image: brightened(image, 1.15),
    "15 % darker": lambda image: brightened(image, 0.85),
    "blurred": lambda image: encoded(image.filter(ImageFilter.GaussianBlur(0.005 * image.width)), "JPEG", quality=88),
    "smaller, cropped, worse": lambda image: encoded(
        cropped(scaled(image, 0.6), 0.01, 0.02, 0.02, 0.01), "JPEG", quality=60
    ),
}


def time_hashes(count: int) -> None:
    """How long it takes to propose the pairs of so many random hashes, with near ones planted."""
    rng = np.random.default_rng(0)
    hashes = np.unique(rng.integers(0, 2**64, count, dtype=np.uint64))
    planted = hashes[:1000] ^ (np.uint64(1) << rng.integers(0, 64, 1000).astype(np.uint64))
    hashes = np.unique(np.concatenate([hashes, planted]))
    found = 0

    def work() -> None:
        nonlocal found
        found = sum(len(first) for first, _ in Proposals(hashes).pairs())

    spent = seconds(work)
    print(f"{len(hashes):,} hashes: {found:,} pairs in {spent:.1f} s, up to {Proposals(hashes).reach} bits apart")


if __name__ == "__main__":
    main()
