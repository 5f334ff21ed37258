"""What is said of images that decode: blank, small, long and thin, turned; by a build and by a validation alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.vlmdata.shop import Shop, drawn, encoded, product
from vlmdata.check_settings import DEFAULT, CheckSettings
from vlmdata.image.findings import image_findings
from vlmdata.image.inspecting import FLAT, examine
from vlmdata.image.treating import treat
from vlmdata.recipe import ImagesConfig

SIDE = (400, 400)


def found(image: Image.Image, kind: str = "PNG", settings: CheckSettings = DEFAULT) -> set[str]:
    return {finding.rule for finding in image_findings(examine(encoded(image, kind)), settings)}


def noisy(mean: float, sigma: float = 2, seed: int = 7, side: tuple[int, int] = SIDE) -> Image.Image:
    return with_noise(Image.fromarray(np.full((*side, 3), mean, np.float32)[..., 0], "F"), sigma, seed)


def with_noise(image: Image.Image, sigma: float, seed: int = 7) -> Image.Image:
    """A picture as a sensor sees it: each pixel a little off, in each colour."""
    levels = np.asarray(image if image.mode == "F" else image.convert("RGB"), np.float64)
    levels = levels[..., None] if levels.ndim == 2 else levels
    values = levels + np.random.default_rng(seed).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def stars(count: int, sigma: float) -> Image.Image:
    """Points of five pixels on black, some of them faint."""
    rng = np.random.default_rng(count)
    levels = np.full(SIDE, 6.0)
    for row, column in rng.integers(2, 398, (count, 2)).tolist():
        light = rng.uniform(30, 90)
        levels[row, column] += light
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            levels[row + down, column + across] += light / 2
    return with_noise(Image.fromarray(np.repeat(levels[..., None], 3, 2).astype(np.uint8)), sigma)


def line(contrast: int, width: int) -> Image.Image:
    image = Image.new("RGB", SIDE, "white")
    points = [(20, 30), (370, 90), (60, 300), (350, 380)]
    ImageDraw.Draw(image).line(points, fill=(255 - contrast,) * 3, width=width)
    return image


def words() -> Image.Image:
    image = Image.new("RGB", SIDE, "white")
    ImageDraw.Draw(image).text((150, 200), "Art. No. 4711", fill=(120,) * 3)
    return image


def blocks_of_a_code() -> Image.Image:
    """As large and as evenly black and white as a QR code."""
    dots = np.random.default_rng(3).integers(0, 2, (100, 100)).astype(np.uint8) * 255
    return Image.fromarray(dots).resize(SIDE, Image.Resampling.NEAREST)


def fabric(contrast: float) -> Image.Image:
    rows, columns = np.mgrid[0:400, 0:400]
    threads = np.sign(np.sin(rows * np.pi / 4) * np.sin(columns * np.pi / 4))
    return with_noise(Image.fromarray((128 + contrast * threads).astype(np.uint8)), 2)


def pale_product(sigma: float, seed: int) -> Image.Image:
    """Twelve levels darker than its white ground, on 3 % of the picture."""
    image = Image.new("RGB", SIDE, (250,) * 3)
    ImageDraw.Draw(image).ellipse((100, 120, 178, 198), fill=(238,) * 3)
    return with_noise(image, sigma, seed)


def gradient(span: int, sigma: float) -> Image.Image:
    levels = np.repeat(np.linspace(200, 200 - span, 400)[:, None], 400, 1)
    return with_noise(Image.fromarray(levels.astype(np.uint8)), sigma)


def on_white(fill: int, outline: int) -> Image.Image:
    image = Image.new("RGB", SIDE, "white")
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), fill=(fill,) * 3, outline=(outline,) * 3)
    return image


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", SIDE, left)
    image.paste(right, (200, 0, 400, 400))
    return image


BLANK: dict[str, Callable[[], Image.Image]] = {
    "white": lambda: Image.new("RGB", SIDE, "white"),
    "red": lambda: Image.new("RGB", SIDE, (200, 10, 20)),
    "black": lambda: Image.new("RGB", SIDE),
    "grey with a sensor's noise": lambda: noisy(128.9),
    "grey without colour": lambda: Image.new("L", SIDE, 90),
    "one pixel": lambda: Image.new("RGB", (1, 1)),
    "a white wall in little light": lambda: noisy(255, 12),
    "white paper": lambda: noisy(246, 5, 1),
    "a grey card": lambda: noisy(128, 10, 2),
    "a lens cap at a high speed": lambda: noisy(0, 12, 3),
    "a lens cap and a little light": lambda: noisy(12, 6, 4),
    "a small grey card": lambda: noisy(128, 8, 5, (96, 128)),
}
NOT_BLANK: dict[str, Callable[[], Image.Image]] = {
    "a pale product on white": lambda: on_white(248, 248),
    "a hardly visible product on white": lambda: on_white(252, 252),
    "a thin line on white": lambda: on_white(255, 245),
    "a faint line on white": lambda: on_white(255, 248),
    "a vertical gradient": lambda: Image.linear_gradient("L").resize(SIDE),
    "two colours of one brightness": lambda: halves((255, 0, 0), (0, 130, 0)),
    "a small red mark": lambda: halves((255, 255, 255), (255, 255, 255)).transform(SIDE, Image.Transform.AFFINE, SHIFT),
    "a photo": lambda: drawn(3, SIDE),
    "a pale product in much noise": lambda: pale_product(8, 1),
    "a pale product in little noise": lambda: pale_product(2, 2),
    "a thin line in noise": lambda: with_noise(line(200, 1), 5),
    "a line drawing in noise": lambda: with_noise(line(60, 2), 5),
    "a thin grey line": lambda: line(40, 1),
    "a night with faint stars": lambda: stars(8, 0),
    "a night with faint stars in noise": lambda: stars(40, 4),
    "a slight gradient in noise": lambda: gradient(10, 5),
    "small words": words,
    "small words in noise": lambda: with_noise(words(), 8),
    "a code": blocks_of_a_code,
    "a code in noise": lambda: with_noise(blocks_of_a_code(), 8),
    "a fabric": lambda: fabric(8),
    "a coarse fabric": lambda: fabric(25),
}
SHIFT = (1, 0, -8, 0, 1, -8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("name", BLANK)
def test_a_picture_of_one_colour_is_blank(name: str, kind: str) -> None:
    assert "images.blank" in found(BLANK[name](), kind)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("name", NOT_BLANK)
def test_a_picture_that_shows_something_is_not_blank(name: str, kind: str) -> None:
    assert "images.blank" not in found(NOT_BLANK[name](), kind)


@pytest.mark.parametrize("mean", [3.0, 9.5, 250.1])
def test_a_photo_taken_with_the_lid_on_is_blank_whatever_its_noise(mean: float) -> None:
    data = encoded(noisy(mean), "JPEG")
    first = examine(data)
    assert "blank" in first.traits
    assert examine(data, known=lambda _: first.image.info) == first


def test_what_is_wholly_see_through_is_blank() -> None:
    assert {"images.blank", "images.alpha"} <= found(Image.new("RGBA", SIDE, (9, 9, 9, 0)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("name", [*BLANK, *NOT_BLANK])
def test_a_verdict_from_an_earlier_build_says_the_same(name: str, kind: str) -> None:
    data = encoded((BLANK | NOT_BLANK)[name](), kind)
    first = examine(data)
    assert examine(data, known=lambda _: first.image.info) == first
    assert "blank" not in examine(data, verify="header").traits


def test_a_blank_photo_is_blank_still_without_its_metadata() -> None:
    block = Image.Exif()
    block[0x010F] = "Maker"
    data = encoded(BLANK["red"](), "JPEG", exif=block.tobytes())
    made = treat(data, examine(data), ImagesConfig(metadata="strip"))
    assert made.data != data
    assert made.examined.image.info.dhash == FLAT
    assert "blank" in made.examined.traits


@pytest.mark.parametrize(
    ("size", "rules"),
    [
        ((28, 28), set()),
        ((27, 500), {"images.too_small"}),
        ((1, 1), {"images.too_small"}),
        ((560, 28), set()),
        ((561, 28), {"images.narrow"}),
        ((30, 601), {"images.narrow"}),
        ((5600, 28), {"images.narrow"}),
        ((28, 5601), {"images.aspect_ratio"}),
        ((4000, 10), {"images.aspect_ratio", "images.too_small"}),
    ],
)
def test_sizes_are_held_to_what_models_can_look_at(size: tuple[int, int], rules: set[str]) -> None:
    assert found(drawn(1).resize(size)) - {"images.blank"} == rules


def test_thresholds_are_those_of_the_settings() -> None:
    settings = CheckSettings(
        thresholds={"images.too_small": {"pixels": 10}, "images.narrow": {"ratio": 3}}, ignore=("images.blank",)
    )
    assert found(Image.new("RGB", (12, 12)), settings=settings) == set()
    assert found(drawn(1).resize((40, 12)), settings=settings) == {"images.narrow"}


def test_the_words_name_size_and_bound() -> None:
    (size, *_) = image_findings(examine(encoded(drawn(1).resize((20, 16)))), DEFAULT)
    assert size.message == "is 20 x 16 pixels, at least 28 on the shorter side were expected"
    (shape, *_) = image_findings(examine(encoded(drawn(1).resize((5601, 28)))), DEFAULT)
    assert shape.message == "is 5,601 x 28 pixels, a side ratio of 200, at most 200 may be"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_told_of_unless_it_is_upright(orientation: int) -> None:
    block = Image.Exif()
    block[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP"):
        data = encoded(drawn(2), kind, exif=block.tobytes())
        assert ("turned" in examine(data).traits) == (orientation != 1)
        assert ("turned" in examine(data, verify="header").traits) == (orientation != 1)


def test_a_build_warns_with_the_row_and_line(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.photo("white.jpg", encoded(Image.new("RGB", SIDE, "white"), "JPEG"))
    shop.photo("dot.png", encoded(drawn(1).resize((8, 8))))
    shop.write([product(0), product(1, photo="white.jpg"), product(2, photo="dot.png")])
    built = shop.build()
    assert built.ledger.warned_by_rule == {"images.blank": 1, "images.too_small": 1}
    said = [problem for problem in built.report["problems"] if problem["rule"] == "images.blank"]
    assert [(problem["source"], problem["line"], problem["severity"]) for problem in said] == [
        ("products.csv", 3, "warning")
    ]
    assert said[0]["message"] == "'white.jpg' shows one colour and nothing else"
