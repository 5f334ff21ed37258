"""Rows to look at: thumbnails inside the page, and conversations as they read, each held to what the page may weigh."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from vlmdata.page import shortened, text
from vlmdata.pixels import PixelError, flatten, open_image, orientation, pillow_errors, turned
from vlmdata.words import plural

SIDE = 224
"""The longer side of a thumbnail, in pixels."""

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
MOST_TEXT = 700
MOST_MESSAGES, MOST_PARTS = 12, 24
MOST_PAIRS = 24
MOST_VALUE = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A thumbnail as a data address, or why there is none. `width` and `height` are the picture's own."""

    uri: str = ""
    shown: tuple[int, int] = (0, 0)
    width: int = 0
    height: int = 0
    name: str = ""
    missing: str = ""


def thumbnail(data: bytes, name: str = "", side: int = SIDE) -> Picture:
    """A small JPEG of a picture, as a person sees it, with nothing of the file but its pixels.

    A JPEG is decoded at a fraction of its size, which takes a tenth of the time.
    """
    try:
        image = open_image(data)
        size = (image.width, image.height)
        with pillow_errors(len(data)):
            turn = orientation(image)
            if turn >= 5:
                size = size[::-1]
            image.draft("RGB", _box(image.size, side))
            image.load()
            small = turned(_reduced(flatten(image), side), turn)
            return Picture(uri=_jpeg(small), shown=small.size, width=size[0], height=size[1], name=name)
    except PixelError as error:
        return Picture(name=name, missing=error.message)


def _box(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size of a picture whose longer side is `side`, in its own shape."""
    scale = min(side / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    if max(image.size) <= side:
        return image
    return image.resize(_box(image.size, side), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _jpeg(image: Image.Image) -> str:
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode('ascii')}"


def picture_html(picture: Picture, label: str) -> str:
    """A thumbnail with its size and name, or the place where it would be with the reason."""
    if not picture.uri:
        said = f"{label}: {picture.missing or 'not shown here'}"
        return f'<span class="picture none">{text(said)}</span>'
    words = f"{label}, {picture.width:,} x {picture.height:,}"
    named = f"{words}, {shortened(picture.name, 80)}" if picture.name else words
    width, height = picture.shown
    return (
        f'<img class="picture" src="{picture.uri}" width="{width}" height="{height}" alt="{text(named)}" '
        f'title="{text(named)}" loading="lazy">'
    )


def conversation(messages: Sequence[Mapping[str, Any]], pictures: Sequence[Picture], language: str = "") -> str:
    """Messages with each picture in its place in the text; what a card has no room for is counted.

    `language` is how a browser may be told what the texts are written in, such as `ja`.
    """
    reading = _Reading(pictures, f' lang="{text(language)}"' if LANGUAGE.fullmatch(language) else "")
    lines = []
    for message in messages[:MOST_MESSAGES]:
        role = str(message.get("role"))
        kind = role if role in {"user", "assistant", "system"} else "other"
        parts = "".join(reading.parts(message.get("content") or ()))
        lines.append(f'<div class="turn {kind}"><h4 class="role">{text(shortened(role, 40))}</h4>{parts}</div>')
    if len(messages) > MOST_MESSAGES:
        lines.append(f'<p class="more">… {plural(len(messages) - MOST_MESSAGES, "more message")}</p>')
    return "\n".join(lines)


@dataclass(slots=True)
class _Reading:
    """How far the pictures and the room of one card were used."""

    pictures: Sequence[Picture]
    spoken: str
    place: int = 0
    parts_left: int = MOST_PARTS

    def parts(self, content: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The parts of one message."""
        for number, part in enumerate(content):
            if not self.parts_left:
                yield f'<p class="more">… {plural(len(content) - number, "more part")}</p>'
                return
            self.parts_left -= 1
            if part.get("type") == "image":
                yield self._picture()
            elif part.get("text"):
                yield f'<p class="said" dir="auto"{self.spoken}>{text(shortened(part["text"], MOST_TEXT))}</p>'

    def _picture(self) -> str:
        label = f"image {self.place + 1}"
        picture = self.pictures[self.place] if self.place < len(self.pictures) else Picture(missing="not shown here")
        self.place += 1
        return picture_html(picture, label)


def pairs(title: str, values: Mapping[str, Any], *, most: int = MOST_PAIRS) -> str:
    """Names and values, folded away; long ones and those beyond the first are cut with their number."""
    if not values:
        return ""
    lines = "".join(
        f'<dt dir="auto">{text(shortened(str(name), 60))}</dt>'
        f'<dd dir="auto">{text(shortened(str(value), MOST_VALUE))}</dd>'
        for name, value in list(values.items())[:most]
    )
    rest = f'<p class="more">… {len(values) - most:,} more</p>' if len(values) > most else ""
    return f"<details><summary>{text(title)}</summary><dl>{lines}</dl>{rest}</details>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One row to look at. `kinds` say why it was chosen; `body` is HTML, everything else is text.

    `rules`, `split` and `tags` are what the page's filters know it by.
    """

    title: str
    where: str
    kinds: tuple[str, ...]
    body: str
    split: str = ""
    rules: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def card_html(card: Card, tag_numbers: Mapping[tuple[str, str], int]) -> str:
    """A card, with what the filters need in its attributes: names of rules, and numbers of tags."""
    numbers = " ".join(str(tag_numbers[pair]) for pair in card.tags.items() if pair in tag_numbers)
    kinds = "".join(f'<span class="badge">{text(kind)}</span>' for kind in card.kinds)
    split = f'<span class="badge split">{text(card.split)}</span>' if card.split else ""
    tags = "".join(
        f'<span class="tag" dir="auto">{text(shortened(f"{name}: {value}", 60))}</span>'
        for name, value in list(card.tags.items())[:6]
    )
    words = " ".join(kind.replace(" ", "-") for kind in card.kinds)
    return (
        f'<article class="card" data-kind="{text(words)}" '
        f'data-split="{text(card.split)}" data-rules="{text(" ".join(card.rules))}" data-tags="{numbers}">\n'
        f'<header><h3 dir="auto">{text(shortened(card.title, 120))}</h3>'
        f'<p class="where">{text(shortened(card.where, 120))}</p>'
        f'<p class="badges">{split}{kinds}{tags}</p></header>\n{card.body}\n</article>'
    )


def filters(cards: Sequence[Card], tag_numbers: Mapping[tuple[str, str], int]) -> str:
    """The choices above a gallery. They are of use with the page's script alone, and hidden without it."""
    kinds = dict.fromkeys(kind for card in cards for kind in card.kinds)
    splits = dict.fromkeys(card.split for card in cards if card.split)
    rules = sorted({rule for card in cards for rule in card.rules})
    tags = [(str(place), shortened(f"{name}: {value}", 60)) for (name, value), place in tag_numbers.items()]
    return (
        '<div class="filters" id="filters" role="group" aria-label="Which rows are shown" hidden>'
        + _choice("kind", "Chosen as", [(kind.replace(" ", "-"), kind) for kind in kinds])
        + _choice("split", "Split", [(split, split) for split in splits])
        + _choice("rule", "Rule", [(rule, rule) for rule in rules])
        + _choice("tag", "Tag", tags)
        + '<button type="button" id="reset">Show all</button>'
        + f'<output id="shown" aria-live="polite">{plural(len(cards), "row")}</output></div>'
    )


def _choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> str:
    if not options:
        return ""
    entries = "".join(f'<option value="{text(value)}">{text(words)}</option>' for value, words in options)
    return (
        f'<label>{label} <select id="filter-{name}" data-filter="{name}"><option value="">all</option>{entries}'
        "</select></label>"
    )
