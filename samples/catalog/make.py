"""Write the sample catalog: products.csv and the drawn photos it names.

    python samples/catalog/make.py

The same Pillow version writes the same bytes each time. The faults are on purpose: see README.md.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from draw import COLOURS, KINDS, PATTERNS, Thing, draw_photo, random_thing, random_view

SEED = 2026
GROUPS = 200
WITHDRAWN = 6
WITHOUT_SIZE = 5
JPEG_QUALITY = 88
HEADER = (
    "sku",
    "parent_sku",
    "title",
    "category",
    "colour",
    "pattern",
    "brand",
    "material",
    "size",
    "photos",
    "active",
    "description",
)

BRANDS = (
    "Aldermoor",
    "Brackwell",
    "Corvane",
    "Dunmere",
    "Eskholt",
    "Fennick",
    "Hestrand",
    "Kirrelow",
    "Lanquist",
    "Marrowby",
    "Tolverne",
    "Wexcombe",
)
MODELS = (
    "Alba",
    "Brio",
    "Cleo",
    "Dora",
    "Enzo",
    "Fjord",
    "Gala",
    "Hugo",
    "Isla",
    "Juno",
    "Kiko",
    "Luca",
    "Mira",
    "Nilo",
    "Otto",
    "Pippa",
    "Quinn",
    "Rafa",
    "Sole",
    "Tavi",
)
MATERIALS = {
    "mug": ("stoneware", "porcelain", "enamel"),
    "lamp": ("linen", "paper", "cotton"),
    "chair": ("velvet", "wool", "linen"),
    "bag": ("canvas", "leather", "cotton"),
    "vase": ("glass", "stoneware", "porcelain"),
    "clock": ("steel", "beech", "enamel"),
    "shirt": ("cotton", "linen", "wool"),
    "kettle": ("steel", "enamel", "stoneware"),
}
SIZES = {
    "mug": ("250 ml", "350 ml", "450 ml"),
    "lamp": ("30 cm", "45 cm", "60 cm"),
    "chair": ("75 cm", "80 cm", "90 cm"),
    "bag": ("8 litres", "12 litres", "16 litres"),
    "vase": ("18 cm", "25 cm", "30 cm"),
    "clock": ("9 cm", "12 cm", "18 cm"),
    "shirt": ("small", "medium", "large"),
    "kettle": ("1 litre", "2 litres", "3 litres"),
}
SENTENCES = {
    "kitchen": (
        "Slow mornings begin with our {colour} {pattern} {kind} in {material}.",
        "{brand} makes it {size_part}, and we wrap each one by hand.",
    ),
    "room": (
        "Give a quiet corner some company with our {colour} {pattern} {kind} in {material}.",
        "{brand} makes it {size_part}, and we look over each one by hand.",
    ),
    "wardrobe": (
        "Wherever the day takes you, our {colour} {pattern} {kind} in {material} comes along.",
        "{brand} makes it {size_part}, and we fold each one by hand.",
    ),
}
SHELVES = {"mug": "kitchen", "kettle": "kitchen", "bag": "wardrobe", "shirt": "wardrobe"}
"""The kinds whose words aren't those of `room`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of the table, with the object its photos show."""

    sku: str
    parent_sku: str
    title: str
    brand: str
    material: str
    size: str
    thing: Thing
    photos: tuple[str, ...]
    active: bool = True


def main() -> None:
    """Rewrite products.csv and photos/ beside this file."""
    folder = Path(__file__).resolve().parent
    products = make_products(Random(SEED))
    photo_bytes = write_photos(folder, products)
    write_table(folder / "products.csv", products)
    groups = len({product.parent_sku for product in products})
    print(f"{len(products)} products in {groups} groups, {photo_bytes / 1e6:.2f} MB of photos")


def make_products(rng: Random) -> list[Product]:
    """All products: groups of variants, then the withdrawn and the unsized ones marked."""
    titles = [f"{model} No. {number}" for model in MODELS for number in range(1, 11)]
    rng.shuffle(titles)
    looks = [look for _ in range(2) for look in shuffled_looks(rng)]
    products: list[Product] = []
    for group in range(GROUPS):
        first = first_product(rng, group, titles[group], looks[group])
        products += with_variants(rng, first, group)
    numbered = [replace(product, sku=f"TS-{1001 + i}") for i, product in enumerate(products)]
    return mark_exceptions(rng, [with_photos(rng, product) for product in numbered])


def shuffled_looks(rng: Random) -> list[tuple[str, str, str]]:
    """Every kind, colour and pattern together, once, in random order."""
    looks = [(kind, colour, pat) for kind in KINDS for colour in COLOURS for pat in PATTERNS]
    rng.shuffle(looks)
    return looks


def first_product(rng: Random, group: int, title: str, look: tuple[str, str, str]) -> Product:
    """The product a group starts from, without its photos."""
    kind, colour, pattern = look
    return Product(
        sku="",
        parent_sku=f"TP-{101 + group}",
        title=title,
        brand=rng.choice(BRANDS),
        material=rng.choice(MATERIALS[kind]),
        size=rng.choice(SIZES[kind]),
        thing=random_thing(rng, kind=kind, colour=colour, pattern=pattern),
        photos=(),
    )


def with_variants(rng: Random, first: Product, group: int) -> Iterator[Product]:
    """The group's first product and its variants in looks or in sizes; most groups have none."""
    kind, colour = first.thing.kind, first.thing.colour
    if group % 8 == 0:
        yield first
        other = rng.choice([name for name in COLOURS if name != colour])
        pattern = rng.choice(PATTERNS)
        yield replace(first, thing=random_thing(rng, kind=kind, colour=other, pattern=pattern))
    elif group % 28 == 3:
        for size in SIZES[kind]:
            yield replace(first, size=size)
    else:
        yield first


def with_photos(rng: Random, product: Product) -> Product:
    """The product with names for its one to three photos; size variants share the first."""
    count = rng.choices((1, 2, 3), weights=(4, 4, 2))[0]
    folder = "photos/wear" if SHELVES.get(product.thing.kind) == "wardrobe" else "photos"
    names = [f"{folder}/{product.sku.lower()}-{number}.jpg" for number in range(1, count + 1)]
    return replace(product, photos=tuple(names))


def mark_exceptions(rng: Random, products: Sequence[Product]) -> list[Product]:
    """Share photos between size variants, withdraw some products, and leave out some sizes."""
    marked = [share_photo(product, products) for product in products]
    alone = [i for i in range(len(marked)) if is_alone(marked[i], marked)]
    chosen = rng.sample(alone, WITHDRAWN + WITHOUT_SIZE)
    for index in chosen[:WITHDRAWN]:
        marked[index] = replace(marked[index], active=False)
    for index in chosen[WITHDRAWN:]:
        marked[index] = replace(marked[index], size="")
    return marked


def share_photo(product: Product, products: Sequence[Product]) -> Product:
    """The product with the first photo of the first product that shows the same object."""
    twin = next(other for other in products if other.thing is product.thing)
    return replace(product, photos=(twin.photos[0], *product.photos[1:]))


def is_alone(product: Product, products: Sequence[Product]) -> bool:
    """Whether the product's group has no other product."""
    return sum(other.parent_sku == product.parent_sku for other in products) == 1


def write_photos(folder: Path, products: Sequence[Product]) -> int:
    """Draw every photo but the missing one, cut the truncated one short; return the bytes."""
    shutil.rmtree(folder / "photos", ignore_errors=True)
    missing, truncated = faulty_photos(products)
    total = 0
    for name, thing in photo_subjects(products).items():
        content = photo_content(name, thing)
        if name == missing:
            continue
        if name == truncated:
            content = content[: len(content) // 2]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        total += len(content)
    return total


def photo_subjects(products: Sequence[Product]) -> dict[str, Thing]:
    """Photo name to the object it shows, shared photos once."""
    return {name: product.thing for product in products for name in product.photos}


def photo_content(name: str, thing: Thing) -> bytes:
    """The JPEG of one photo; its name is the seed of the view."""
    photo = draw_photo(thing, random_view(Random(f"{SEED} {name}")))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def faulty_photos(products: Sequence[Product]) -> tuple[str, str]:
    """The photo that is named but not written, and the one that is cut short."""
    single = [p for p in products if len(p.photos) == 1 and p.active and p.size]
    lonely = [p for p in single if is_alone(p, products)]
    return lonely[7].photos[0], lonely[29].photos[0]


def description(product: Product) -> str:
    """The shop's two sentences about a product."""
    thing = product.thing
    sentences = SENTENCES[SHELVES.get(thing.kind, "room")]
    return " ".join(sentences).format(
        colour=thing.colour,
        pattern=thing.pattern,
        kind=thing.kind,
        brand=product.brand,
        material=product.material,
        size_part=f"in size {product.size}" if product.size else "in one size",
    )


def write_table(path: Path, products: Sequence[Product]) -> None:
    """The table, one row a product."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table_row(product) for product in products)


def table_row(product: Product) -> dict[str, str]:
    """The cells of one row."""
    return {
        "sku": product.sku,
        "parent_sku": product.parent_sku,
        "title": product.title,
        "category": product.thing.kind,
        "colour": product.thing.colour,
        "pattern": product.thing.pattern,
        "brand": product.brand,
        "material": product.material,
        "size": product.size,
        "photos": "|".join(product.photos),
        "active": "1" if product.active else "0",
        "description": description(product),
    }


if __name__ == "__main__":
    main()
