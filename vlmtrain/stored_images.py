"""Whether the images of a dataset are those that its rows say, in their order, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from vlmdata import pixels
from vlmdata.record import Problem
from vlmtrain.turns import Row

RULE = "budget.images"
QUARTER_TURNS = {5, 6, 7, 8}
"""The EXIF orientations under which an image's sides change places."""


def image_problems(rows: Iterable[Row]) -> Iterator[tuple[int, Problem]]:
    """Each row, by its number, whose images are not what image_info says of them.

    A row of several images is compared by their hashes, so that two that changed places are found; of a row with one
    image only the header is read, for its size decides on the tokens (`vlmdata validate` hashes all of them).
    """
    for number, row in enumerate(rows):
        found = _problem(row["images"] or (), row["image_info"] or ())
        if found:
            name = str(row.get("id") or "")
            hint = "build the dataset again with `vlmdata build`; `vlmdata validate` shows all that is wrong with it"
            yield number, Problem(rule=RULE, message=f"{found};", source=name, id=name, hint=hint)


def _problem(images: Any, infos: Any) -> str:
    if len(images) != len(infos):
        return f"{len(images)} images, but image_info has {len(infos)}"
    without = [place for place, image in enumerate(images) if not image or not image.get("bytes")]
    if without:
        return f"images[{without[0]}] has no bytes"
    if len(images) == 1:
        return _header_problem(images[0]["bytes"], infos[0])
    hashes = [sha256(image["bytes"]).hexdigest() for image in images]
    said = [info["sha256"] for info in infos]
    if hashes == said:
        return ""
    if sorted(hashes) == sorted(said):
        return f"its images stand in another order than image_info says ({', '.join(_places(hashes, said))})"
    wrong = next(place for place, (one, other) in enumerate(zip(hashes, said, strict=True)) if one != other)
    return f"images[{wrong}] is not the image that image_info names (sha256 {hashes[wrong][:8]}, not {said[wrong][:8]})"


def _places(hashes: list[str], said: list[str]) -> list[str]:
    return [f"images[{place}] is number {said.index(each)}" for place, each in enumerate(hashes) if said[place] != each]


def _header_problem(data: bytes, info: Mapping[str, Any]) -> str:
    try:
        image = pixels.open_image(data)
        with pixels.pillow_errors(len(data)):
            turned = pixels.orientation(image) in QUARTER_TURNS
    except pixels.PixelError as error:
        return f"images[0] {error}"
    size = (image.height, image.width) if turned else (image.width, image.height)
    if size != (info["width"], info["height"]):
        return f"images[0] is {size[0]} x {size[1]} pixels, but image_info says {info['width']} x {info['height']}"
    return ""
