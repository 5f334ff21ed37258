"""Draw shop objects: a kind, a colour and a pattern, seen from a view, as a small photo.

An object is a list of parts (outlines in a unit box, y pointing down), each with a paint.
The parts are rasterised at twice the size, tilted, set on a tinted background with a shadow,
and scaled down. All randomness comes from the caller's `random.Random`.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Point = tuple[float, float]
Rgb = tuple[int, int, int]
Paint = Literal["body", "trim", "inside", "metal", "wood", "cream", "ink"]

COLOURS: dict[str, Rgb] = {
    "red": (208, 36, 40),
    "orange": (244, 132, 28),
    "yellow": (248, 212, 44),
    "green": (44, 150, 72),
    "blue": (36, 92, 204),
    "purple": (124, 58, 172),
    "pink": (246, 142, 186),
    "black": (44, 44, 50),
}
ACCENTS: dict[str, Rgb] = {"yellow": (150, 104, 16), "pink": (255, 250, 246)}
CREAM: Rgb = (250, 246, 234)
PATTERNS = ("plain", "striped", "dotted")

FIXED_PAINTS: dict[Paint, Rgb] = {
    "metal": (172, 176, 182),
    "wood": (176, 132, 92),
    "cream": CREAM,
    "ink": (58, 54, 56),
}
SUPERSAMPLING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: the same in all of its photos."""

    kind: str
    colour: str
    pattern: str
    width: float = 1.0
    """Horizontal stretch about the middle."""
    detail: float = 0.5
    """From 0 to 1: moves the proportions that vary within a kind."""
    slant: float = 0.0
    """Direction of stripes or rows of dots, in degrees."""
    pitch: float = 0.15
    """Distance between stripes or dots, as a share of the object's box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one photo shows an object."""

    size: tuple[int, int]
    scale: float
    centre: Point
    tilt: float
    mirrored: bool
    wall: Rgb
    floor: Rgb
    horizon: float
    light: float
    """From 0 (a flat light) to 1 (a strong shade on one side)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A filled outline, or a line of `stroke` width when that is given."""

    paint: Paint
    points: Sequence[Point]
    stroke: float | None = None


def random_thing(rng: Random, *, kind: str, colour: str, pattern: str) -> Thing:
    """An object of that look with proportions of its own."""
    slants = (0.0, 90.0, 45.0) if pattern == "striped" else (0.0, 20.0)
    return Thing(
        kind=kind,
        colour=colour,
        pattern=pattern,
        width=rng.uniform(0.86, 1.04),
        detail=rng.random(),
        slant=rng.choice(slants),
        pitch=rng.uniform(0.13, 0.17),
    )


def random_view(rng: Random, *, sides: Sequence[int] = (176, 192, 208)) -> View:
    """A view whose photo has sides drawn from `sides` (pixels)."""
    hue, strength = rng.random(), rng.uniform(0.02, 0.2)
    brightness = rng.uniform(0.8, 0.97)
    return View(
        size=(rng.choice(sides), rng.choice(sides)),
        scale=rng.uniform(0.64, 0.86),
        centre=(rng.uniform(0.45, 0.55), rng.uniform(0.47, 0.53)),
        tilt=rng.uniform(-7.0, 7.0),
        mirrored=rng.random() < 0.5,
        wall=tint(hue, strength, brightness),
        floor=tint(hue + rng.uniform(-0.1, 0.1), strength * 1.3, brightness * 0.86),
        horizon=rng.uniform(0.62, 0.82),
        light=rng.uniform(0.35, 0.8),
    )


def draw_photo(thing: Thing, view: View) -> Image.Image:
    """The object on its background, as an RGB image of `view.size`."""
    width, height = (side * SUPERSAMPLING for side in view.size)
    photo = background(view, width, height)
    side = round(min(width, height) * view.scale)
    cutout = posed_object(thing, view, side)
    left = round(view.centre[0] * width - cutout.width / 2)
    top = round(view.centre[1] * height - cutout.height / 2)
    cast_shadow(photo, cutout.getchannel("A"), (left, top))
    photo.paste(cutout, (left, top), cutout)
    return photo.resize(view.size, Image.Resampling.LANCZOS)


def tint(hue: float, strength: float, brightness: float) -> Rgb:
    """A colour from hue, saturation and value, each from 0 to 1 (the hue wraps)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, strength, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """`first` with a share of `second`."""
    a, b, c = (round(x + (y - x) * share) for x, y in zip(first, second, strict=True))
    return a, b, c


def background(view: View, width: int, height: int) -> Image.Image:
    """A wall that gets lighter upwards, and a floor."""
    fade = Image.linear_gradient("L").resize((width, height))
    light = Image.new("RGB", (width, height), mixed(view.wall, (255, 255, 255), 0.5))
    photo = Image.composite(Image.new("RGB", (width, height), view.wall), light, fade)
    top = round(view.horizon * height)
    far, near = view.floor, mixed(view.floor, (255, 255, 255), 0.3)
    floor_fade = Image.linear_gradient("L").resize((width, height - top))
    plane = Image.new("RGB", floor_fade.size, far)
    plane.paste(near, (0, 0), floor_fade)
    photo.paste(plane, (0, top))
    return photo


def cast_shadow(photo: Image.Image, silhouette: Image.Image, corner: Point) -> None:
    """Darken the photo softly beside and below the silhouette."""
    offset = max(2, silhouette.width // 36)
    mask = Image.new("L", photo.size, 0)
    place = (round(corner[0]) + offset, round(corner[1]) + offset)
    mask.paste(silhouette.point([value * 2 // 5 for value in range(256)]), place)
    mask = mask.filter(ImageFilter.BoxBlur(offset * 1.2))
    photo.paste((40, 36, 44), (0, 0), mask)


def posed_object(thing: Thing, view: View, side: int) -> Image.Image:
    """The object as RGBA: parts painted, shaded, mirrored and tilted."""
    cutout = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    body = patterned(thing, side)
    for part in OUTLINES[thing.kind](thing.detail):
        paint_part(cutout, part, thing, body)
    shade(cutout, view.light)
    if view.mirrored:
        cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return cutout.rotate(view.tilt, Image.Resampling.BILINEAR, expand=True)


def paint_part(cutout: Image.Image, part: Part, thing: Thing, body: Image.Image) -> None:
    """Lay one part over what is there, with a thin darker edge."""
    side = cutout.width
    points = [((0.5 + (x - 0.5) * thing.width) * side, y * side) for x, y in part.points]
    mask = Image.new("L", cutout.size, 0)
    pen = ImageDraw.Draw(mask)
    colour = paint_colour(part.paint, thing.colour)
    if part.stroke is not None:
        pen.line(points, fill=255, width=max(1, round(part.stroke * side)), joint="curve")
        cutout.paste(colour, (0, 0), mask)
        return
    pen.polygon(points, fill=255)
    if part.paint == "body":
        cutout.paste(body, (0, 0), mask)
    else:
        cutout.paste(colour, (0, 0), mask)
    edge = max(1, side // 110)
    outline = mixed(colour, (20, 16, 20), 0.4)
    ImageDraw.Draw(cutout).line([*points, points[0]], fill=outline, width=edge)


def paint_colour(paint: Paint, colour: str) -> Rgb:
    """The plain colour of a paint on an object of that colour."""
    if paint in FIXED_PAINTS:
        return FIXED_PAINTS[paint]
    darker = {"body": 0.0, "trim": 0.22, "inside": 0.55}[paint]
    return mixed(COLOURS[colour], (16, 12, 20), darker)


def patterned(thing: Thing, side: int) -> Image.Image:
    """A square of the object's cloth: its colour with stripes, dots or nothing on it."""
    cloth = Image.new("RGBA", (side, side), (*COLOURS[thing.colour], 255))
    if thing.pattern == "plain":
        return cloth
    room = round(side * 1.45)
    marks = Image.new("L", (room, room), 0)
    if thing.pattern == "striped":
        draw_stripes(marks, thing.pitch * side)
    else:
        draw_dots(marks, thing.pitch * side)
    marks = marks.rotate(thing.slant, Image.Resampling.BILINEAR)
    start = (room - side) // 2
    mask = marks.crop((start, start, start + side, start + side))
    cloth.paste(ACCENTS.get(thing.colour, CREAM), (0, 0), mask)
    return cloth


def draw_stripes(marks: Image.Image, pitch: float) -> None:
    """Level stripes, two fifths of the pitch wide."""
    pen = ImageDraw.Draw(marks)
    for row in range(math.ceil(marks.height / pitch)):
        top = row * pitch
        pen.rectangle((0, top, marks.width, top + pitch * 0.4), fill=255)


def draw_dots(marks: Image.Image, pitch: float) -> None:
    """Dots in staggered rows, each about three fifths of the pitch across."""
    pen = ImageDraw.Draw(marks)
    radius = pitch * 0.29
    rows = math.ceil(marks.height / (pitch * 0.87))
    for row in range(rows):
        y = row * pitch * 0.87
        for column in range(math.ceil(marks.width / pitch) + 1):
            x = (column + 0.5 * (row % 2)) * pitch
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def shade(cutout: Image.Image, strength: float) -> None:
    """Darken the right side and lighten the left, inside the silhouette only."""
    alpha = cutout.getchannel("A")
    ramp = Image.linear_gradient("L").rotate(90).resize(cutout.size)
    limit = 110 * strength
    dark = ramp.point([round(max(0, v - 110) / 145 * limit) for v in range(256)])
    light = ramp.point([round(max(0, 110 - v) / 110 * limit * 0.6) for v in range(256)])
    cutout.paste((12, 8, 24, 255), (0, 0), ImageChops.darker(dark, alpha))
    cutout.paste((255, 255, 255, 255), (0, 0), ImageChops.darker(light, alpha))
    cutout.putalpha(alpha)


def ellipse(x: float, y: float, across: float, down: float) -> list[Point]:
    """A closed ellipse from its middle and its two radii."""
    return arc(x, y, across, down, 0, 352)


def arc(x: float, y: float, across: float, down: float, start: int, end: int) -> list[Point]:
    """Points every 8 degrees, clockwise on screen from `start` to `end`."""
    turns = [math.radians(angle) for angle in range(start, end + 1, 8)]
    return [(x + across * math.cos(turn), y + down * math.sin(turn)) for turn in turns]


def curve(points: Sequence[Point]) -> list[Point]:
    """A Catmull-Rom spline through the points, eight steps between neighbours."""
    padded = [points[0], *points, points[-1]]
    smooth = [
        tuple(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            for a, b, c, d in zip(*padded[start : start + 4], strict=True)
        )
        for start in range(len(points) - 1)
        for t in (step / 8 for step in range(8))
    ]
    return [(x, y) for x, y in smooth] + [points[-1]]


def turned(profile: Sequence[Point]) -> list[Point]:
    """The outline of a round body from (height, radius) pairs, top to bottom."""
    right = curve([(0.5 + radius, y) for y, radius in profile])
    return right + [(1.0 - x, y) for x, y in reversed(right)]


def mug(detail: float) -> list[Part]:
    """A cup with a handle on its right."""
    foot = 0.2 + 0.06 * detail
    side = [(0.2, 0.3), (0.45, 0.3), (0.72, 0.27), (0.84, foot), (0.87, foot - 0.03)]
    handle = curve([(0.74, 0.34), (0.93, 0.34), (0.97, 0.5), (0.9, 0.64), (0.71, 0.7)])
    return [
        Part(paint="trim", points=handle, stroke=0.07),
        Part(paint="body", points=turned(side)),
        Part(paint="trim", points=ellipse(0.5, 0.2, 0.3, 0.085)),
        Part(paint="inside", points=ellipse(0.5, 0.21, 0.265, 0.062)),
    ]


def lamp(detail: float) -> list[Part]:
    """A shade on a thin metal stand."""
    top = 0.14 + 0.12 * detail
    shade_sides = [(0.5 - top, 0.08), (0.5 + top, 0.08), (0.86, 0.52), (0.14, 0.52)]
    return [
        Part(paint="metal", points=[(0.5, 0.5), (0.5, 0.92)], stroke=0.04),
        Part(paint="metal", points=ellipse(0.5, 0.92, 0.2, 0.05)),
        Part(paint="cream", points=ellipse(0.5, 0.52, 0.36, 0.06)),
        Part(paint="body", points=shade_sides),
        Part(paint="trim", points=ellipse(0.5, 0.08, top, 0.03)),
    ]


def chair(detail: float) -> list[Part]:
    """A padded chair on four wooden legs."""
    top = 0.04 + 0.1 * detail
    back = [(0.28, top + 0.04), (0.34, top), (0.66, top), (0.72, top + 0.04)]
    legs = [((0.22, 0.68), (0.17, 0.97)), ((0.78, 0.68), (0.83, 0.97))]
    legs += [((0.34, 0.66), (0.32, 0.89)), ((0.66, 0.66), (0.68, 0.89))]
    return [
        *(Part(paint="wood", points=leg, stroke=0.045) for leg in legs),
        Part(paint="body", points=[*back, (0.69, 0.5), (0.31, 0.5)]),
        Part(paint="body", points=[(0.3, 0.48), (0.7, 0.48), (0.84, 0.64), (0.16, 0.64)]),
        Part(paint="trim", points=[(0.16, 0.64), (0.84, 0.64), (0.82, 0.71), (0.18, 0.71)]),
    ]


def bag(detail: float) -> list[Part]:
    """A shopping bag with two leather handles and a clasp."""
    top = 0.24 + 0.08 * detail
    sides = [(0.5 - top, 0.38), (0.5 + top, 0.38), (0.88, 0.88), (0.84, 0.93)]
    back = [(0.4, 0.4), (0.42, 0.16), (0.52, 0.07), (0.62, 0.16), (0.64, 0.4)]
    front = [(0.35, 0.44), (0.37, 0.18), (0.47, 0.09), (0.57, 0.18), (0.6, 0.44)]
    return [
        Part(paint="ink", points=curve(back), stroke=0.03),
        Part(paint="body", points=[*sides, (0.16, 0.93), (0.12, 0.88)]),
        Part(paint="wood", points=curve(front), stroke=0.036),
        Part(paint="cream", points=ellipse(0.5, 0.5, 0.035, 0.035)),
    ]


def vase(detail: float) -> list[Part]:
    """A round-bellied vase holding three dry twigs."""
    belly = 0.25 + 0.08 * detail
    side = [(0.3, 0.15), (0.37, 0.09), (0.46, 0.12), (0.62, belly), (0.76, belly)]
    tips = [(0.34, 0.06), (0.5, 0.02), (0.66, 0.08)]
    twigs = [Part(paint="wood", points=[(0.5, 0.34), tip], stroke=0.016) for tip in tips]
    buds = [Part(paint="cream", points=ellipse(x, y, 0.028, 0.036)) for x, y in tips]
    return [
        *twigs,
        *buds,
        Part(paint="body", points=turned([*side, (0.9, 0.19), (0.95, 0.15)])),
        Part(paint="trim", points=ellipse(0.5, 0.3, 0.15, 0.034)),
        Part(paint="inside", points=ellipse(0.5, 0.302, 0.115, 0.022)),
    ]


def clock(detail: float) -> list[Part]:
    """An alarm clock with two bells, two feet and a small dial."""
    turn = math.radians(360 * detail)
    hour = (0.5 + 0.09 * math.sin(turn), 0.55 - 0.09 * math.cos(turn))
    minute = (0.5 + 0.15 * math.sin(turn * 7), 0.55 - 0.15 * math.cos(turn * 7))
    ticks = [ellipse(x, y, 0.012, 0.012) for x, y in arc(0.5, 0.55, 0.165, 0.165, 0, 352)[::5]]
    return [
        Part(paint="ink", points=[(0.3, 0.82), (0.2, 0.97)], stroke=0.05),
        Part(paint="ink", points=[(0.7, 0.82), (0.8, 0.97)], stroke=0.05),
        Part(paint="metal", points=ellipse(0.27, 0.19, 0.14, 0.12)),
        Part(paint="metal", points=ellipse(0.73, 0.19, 0.14, 0.12)),
        Part(paint="trim", points=ellipse(0.5, 0.55, 0.4, 0.4)),
        Part(paint="body", points=ellipse(0.5, 0.55, 0.36, 0.36)),
        Part(paint="cream", points=ellipse(0.5, 0.55, 0.2, 0.2)),
        *(Part(paint="ink", points=tick) for tick in ticks),
        Part(paint="ink", points=[(0.5, 0.55), hour], stroke=0.026),
        Part(paint="ink", points=[(0.5, 0.55), minute], stroke=0.018),
    ]


def shirt(detail: float) -> list[Part]:
    """A shirt laid flat, with short or longer sleeves."""
    drop = 0.12 * detail
    right = [(0.64, 0.08), (0.78, 0.13), (1.0 - drop / 4, 0.42 + drop)]
    right += [(0.86 - drop / 4, 0.5 + drop), (0.76, 0.38), (0.77, 0.95)]
    left = [(1.0 - x, y) for x, y in reversed(right)]
    neck = curve([(0.36, 0.08), (0.42, 0.17), (0.5, 0.19), (0.58, 0.17), (0.64, 0.08)])
    return [
        Part(paint="inside", points=neck),
        Part(paint="body", points=[*neck, *right, *left]),
        Part(paint="trim", points=neck, stroke=0.03),
    ]


def kettle(detail: float) -> list[Part]:
    """A low kettle with a spout on its right and an arched handle."""
    shoulder = 0.24 + 0.06 * detail
    side = [(0.36, 0.13), (0.44, shoulder), (0.62, 0.34), (0.82, 0.36), (0.91, 0.32)]
    spout = [(0.74, 0.6), (0.93, 0.38), (1.0, 0.42), (0.84, 0.78)]
    handle = curve([(0.24, 0.52), (0.26, 0.24), (0.5, 0.07), (0.74, 0.24), (0.76, 0.52)])
    return [
        Part(paint="trim", points=spout),
        Part(paint="body", points=turned(side)),
        Part(paint="ink", points=handle, stroke=0.05),
        Part(paint="trim", points=ellipse(0.5, 0.37, 0.16, 0.045)),
        Part(paint="ink", points=ellipse(0.5, 0.31, 0.045, 0.04)),
    ]


OUTLINES: dict[str, Callable[[float], list[Part]]] = {
    "mug": mug,
    "lamp": lamp,
    "chair": chair,
    "bag": bag,
    "vase": vase,
    "clock": clock,
    "shirt": shirt,
    "kettle": kettle,
}
KINDS = tuple(OUTLINES)
