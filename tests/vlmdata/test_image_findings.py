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


def noisy(mean: float) -> Image.Image:
    values = np.random.default_rng(7).normal(mean, 2, (*SIDE, 3))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


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
