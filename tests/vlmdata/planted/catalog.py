"""A clean catalog: drawn photos and, in ten languages, what a shop says of the products in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import yaml
from PIL import Image, ImageDraw

COLUMNS = ("sku", "family", "title", "brand", "size", "kind", "language", "photo", "question", "description")
BRANDS = ("Brackwell", "Corvane", "Fennick", "Tormley", "Ashby & Söhne", "L'Atelier Nord", "白山", "Öresund")
COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 120, 60),
    "blue": (40, 80, 190),
    "yellow": (230, 190, 40),
    "violet": (120, 60, 150),
}
KINDS = ("mug", "lamp", "chair", "clock", "vase")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How a language names colours and kinds, asks, and describes in sentences of which each row has some."""

    colours: tuple[str, ...]
    kinds: tuple[str, ...]
    title: str
    question: str
    sentences: tuple[str, ...]
    gap: str = " "


LANGUAGES = {
    "en": Language(
        colours=("red", "green", "blue", "yellow", "violet"),
        kinds=("mug", "lamp", "chair", "clock", "vase"),
        title="{brand} {kind} “{name}”, {colour}",
        question="Describe this product for our shop.",
        sentences=(
            "A {colour} {kind} by {brand}, {size} cm high and made by hand.",
            "None of the paint comes off, even after years of use.",
            "It weighs {weight} g (without the box); the item number is {code}.",
            "Care: wipe with a damp cloth, don't use bleach & keep it dry.",
            "Its {colour} glaze is a little different on every piece.",
        ),
    ),
    "de": Language(
        colours=("rot", "grün", "blau", "gelb", "violett"),
        kinds=("Tasse", "Lampe", "Stuhl", "Uhr", "Vase"),
        title="{brand}: {kind} „{name}“, {colour}",
        question="Beschreibe dieses Produkt für unseren Shop.",
        sentences=(
            "Handgefertigt und {colour}: {kind} von {brand}, {size} cm hoch.",
            "Größe: {size} × {weight} mm, Gewicht ca. {weight} g.",
            "Für die Spülmaschine geeignet – bei höchstens 60 °C.",
            "Artikelnummer {code}; Lieferung in 3–5 Tagen.",
            "Süß, schlicht und schön: ein Geschenk für jeden Anlass.",
        ),
    ),
    "fr": Language(
        colours=("rouge", "vert", "bleu", "jaune", "violet"),
        kinds=("tasse", "lampe", "chaise", "horloge", "vase"),
        title="{kind} « {name} » de {brand} ({colour})",
        question="Décris ce produit en quelques phrases.",
        sentences=(
            "Modèle {colour} de {brand}, fabriqué à la main, haut de {size} cm.",
            "Poids : {weight} g ; référence {code}.",
            "L’émail est résistant à la chaleur jusqu’à 200 °C.",
            "Idéal pour le petit-déjeuner ou comme cadeau de Noël !",
            "À nettoyer à l'eau tiède ; ne pas mettre au lave-vaisselle.",
        ),
    ),
    "es": Language(
        colours=("rojo", "verde", "azul", "amarillo", "violeta"),
        kinds=("taza", "lámpara", "silla", "reloj", "jarrón"),
        title="{kind} {name} de {brand}, {colour}",
        question="Describe el producto de la imagen.",
        sentences=(
            "Diseño de {brand} en color {colour}, {size} cm de alto.",
            "¡Hecho a mano! Pesa {weight} g y cabe en cualquier estantería.",
            "Referencia: {code}. Garantía de 2 años.",
            "Se limpia con un paño húmedo; no apto para lavavajillas.",
            "¿Buscas un regalo original? Este año llega en caja de cartón reciclado.",
        ),
    ),
    "it": Language(
        colours=("rosso", "verde", "blu", "giallo", "viola"),
        kinds=("tazza", "lampada", "sedia", "orologio", "vaso"),
        title="{kind} “{name}” {brand} - {colour}",
        question="Descrivi questo prodotto.",
        sentences=(
            "Realizzato a mano da {brand}, colore {colour}, altezza {size} cm.",
            "Pesa {weight} g; codice articolo {code}.",
            "La qualità è garantita: ogni pezzo è diverso dall'altro.",
            "Si può lavare in lavastoviglie, perché lo smalto è resistente.",
        ),
    ),
    "pl": Language(
        colours=("czerwony", "zielony", "niebieski", "żółty", "fioletowy"),
        kinds=("kubek", "lampa", "krzesło", "zegar", "wazon"),
        title="{kind} „{name}” {brand}, {colour}",
        question="Opisz ten produkt.",
        sentences=(
            "Ręcznie wykonany produkt marki {brand}, kolor {colour}, wysokość {size} cm.",
            "Waga: {weight} g; numer katalogowy {code}.",
            "Można myć w zmywarce w temperaturze do 60 °C.",
            "Świetny pomysł na prezent; każdy egzemplarz jest inny.",
        ),
    ),
    "ru": Language(
        colours=("красный", "зелёный", "синий", "жёлтый", "фиолетовый"),
        kinds=("кружка", "лампа", "стул", "часы", "ваза"),
        title="{kind} «{name}» {brand}, {colour}",
        question="Опишите этот товар.",
        sentences=(
            "Изделие {brand} ручной работы, цвет — {colour}, высота {size} см.",
            "Вес {weight} г, артикул {code}.",
            "Можно мыть в посудомоечной машине при температуре до 60 °C.",
            "Отличный подарок: каждая вещь немного отличается от других.",
        ),
    ),
    "zh": Language(
        colours=("红色", "绿色", "蓝色", "黄色", "紫色"),
        kinds=("马克杯", "台灯", "椅子", "时钟", "花瓶"),
        title="{brand}{kind}“{name}”（{colour}）",
        question="请描述这件商品。",
        sentences=(
            "{brand}出品的{colour}{kind}，手工制作，高{size}厘米。",
            "重量约{weight}克，货号{code}。",
            "可用洗碗机清洗，水温不超过60℃。",
            "每一件都略有不同，适合送礼。",
        ),
        gap="",
    ),
    "ja": Language(
        colours=("赤", "緑", "青", "黄色", "紫"),
        kinds=("マグカップ", "ランプ", "椅子", "時計", "花瓶"),
        title="{brand} {kind}「{name}」{colour}",
        question="この商品を説明してください。",
        sentences=(
            "{brand}の手作りの{kind}です。色は{colour}、高さは{size}cmです。",
            "重さは約{weight}g、品番は{code}です。",
            "食器洗い機で洗えます（60℃まで）。",
            "一つ一つ表情が違うので、贈り物にもおすすめです。",
        ),
        gap="",
    ),
    "ar": Language(
        colours=("أحمر", "أخضر", "أزرق", "أصفر", "بنفسجي"),
        kinds=("كوب", "مصباح", "كرسي", "ساعة", "مزهرية"),
        title="{kind} {name} من {brand}، {colour}",
        question="صف هذا المنتج.",
        sentences=(
            "منتج يدوي الصنع من {brand} باللون {colour}، ارتفاعه {size} سم.",
            "الوزن {weight} غرام، ورقم المنتج {code}.",
            "يمكن غسله في غسالة الصحون حتى 60 درجة.",
            "هدية مناسبة لكل المناسبات؛ وكل قطعة تختلف قليلاً عن الأخرى.",
        ),
    ),
}
NAMES = ("Aalto", "Borealis", "Calla", "Dune", "Ester", "Fjord", "Gritta", "Hanami", "Isola", "Juniper")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One row of the catalog, and its photo's bytes, where it has a photo of its own."""

    sku: str
    family: str
    title: str
    brand: str
    size: str
    kind: str
    language: str
    photo: str
    question: str
    description: str
    data: bytes | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its row."""
        return tuple(getattr(self, column) for column in COLUMNS)


def product(number: int) -> Product:
    """The product of a number; no two are alike."""
    rng = Random(number)
    code = list(LANGUAGES)[number % len(LANGUAGES)]
    language, colour, kind = LANGUAGES[code], rng.randrange(len(COLOURS)), rng.randrange(len(KINDS))
    words = {
        "brand": rng.choice(BRANDS),
        "colour": language.colours[colour],
        "kind": language.kinds[kind],
        "name": f"{rng.choice(NAMES)} {number}",
        "size": str(rng.randrange(4, 60)),
        "weight": str(rng.randrange(90, 990)),
        "code": f"{rng.randrange(100, 999)}-{number:05d}/{rng.choice('ABCX')}",
    }
    first, *others = language.sentences
    said = [first, *rng.sample(others, rng.randrange(2, len(others)))]
    return Product(
        sku=f"SKU-{number:05d}",
        family=f"F{number:05d}",
        title=language.title.format(**words),
        brand=words["brand"],
        size=f"{words['size']} cm",
        kind=KINDS[kind],
        language=code,
        photo=f"{number % 20:02d}/{number:05d}.jpg",
        question=language.question,
        description=language.gap.join(said).format(**words),
        data=jpeg(drawn(number, list(COLOURS.values())[colour])),
    )


def drawn(seed: int, colour: tuple[int, int, int] = (200, 40, 40), size: tuple[int, int] = (176, 144)) -> Image.Image:
    """Shapes of one colour on a tinted wall, other ones for every seed."""
    rng = Random(seed)
    image = Image.new("RGB", size, tuple(rng.randrange(130, 245) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    width, height = max(size[0], 6), max(size[1], 6)
    for number in range(6):
        x, y = rng.randrange(0, width * 2 // 3), rng.randrange(0, height * 2 // 3)
        w, h = rng.randrange(width // 6, width // 2), rng.randrange(height // 6, height // 2)
        fill = colour if number % 2 else tuple(rng.randrange(20, 235) for _ in range(3))
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + w, y + h), fill=fill, outline=(30, 30, 30), width=2)
    return image


def jpeg(image: Image.Image, **options: object) -> bytes:
    """A picture as a JPEG file."""
    return saved(image, "JPEG", **{"quality": 85, **options})


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, form, **options)  # type: ignore[arg-type]
    return file.getvalue()


RECIPE = {
    "source": {"type": "csv", "path": "products.csv"},
    "id": "sku",
    "group": "family",
    "images": {"root": "photos", "from": "photo"},
    "conversations": [
        {"user": "{{ question }}\n{{ title }}\n{{ brand }}, {{ size }}", "assistant": "{{ description }}"},
    ],
    "tags": ["kind", "language"],
    "split": {"train": 0.8, "test": 0.2},
    "max_rejected": "100%",
}


def table(products: Iterable[Product]) -> str:
    """The products as CSV."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([COLUMNS, *(each.cells for each in products)])
    return file.getvalue()


def write(folder: Path, products: Sequence[Product], recipe: dict[str, object] | None = None) -> Path:
    """Write a catalog: photos, table and recipe. The recipe's path."""
    for each in products:
        if each.data is not None:
            path = folder / "photos" / each.photo
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.data)
    (folder / "products.csv").write_text(table(products), encoding="utf-8", newline="", errors="surrogatepass")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe or RECIPE, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


__all__ = ["Product", "drawn", "jpeg", "product", "replace", "saved", "table", "write"]
