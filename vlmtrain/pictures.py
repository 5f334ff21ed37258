"""A row's images as pictures, decoded as everywhere else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlmdata.errors import ContractError

if TYPE_CHECKING:
    from PIL import Image


ORIENTATION = 0x0112
SENT = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}

SHRUNK_TO = "shrunk_to"
"""The column that holds the width and height to which each image of a row over the token budget is made smaller."""


def pictures(row: Mapping[str, Any]) -> list[Image.Image]:
    """The row's images in RGB, in the order of its image parts.

    Bytes are decoded by vlmdata.pixels, as everywhere; pictures that `datasets` decoded already are only flattened.
    Where the row says so (SHRUNK_TO), they are made smaller.
    """
    from vlmdata import pixels

    found = []
    for index, image in enumerate(row["images"] or ()):
        if not isinstance(image, Mapping):
            found.append(pixels.flatten(image))
            continue
        try:
            found.append(pixels.to_rgb(image["bytes"]))
        except pixels.PixelError as error:
            raise ContractError(f"{row.get('id', '')} images[{index}]: {error}") from None
    sizes = row.get(SHRUNK_TO)
    return found if sizes is None else [_shrunk(*each) for each in zip(found, sizes[: len(found)], strict=True)]


def as_sent(data: bytes) -> tuple[bytes, str]:
    """An image for a reader elsewhere, with its MIME type: the bytes as they are where all read the same from them.

    What is turned by EXIF, or is no plain RGB or grey, others read in other ways; that is sent as PNG of our pixels.
    """
    from PIL import Image

    from vlmdata import pixels

    with Image.open(io.BytesIO(data)) as opened:
        plain = opened.mode in ("RGB", "L") and opened.getexif().get(ORIENTATION, 1) == 1
        if plain and not getattr(opened, "is_animated", False) and opened.format in SENT:
            return data, SENT[opened.format]
    file = io.BytesIO()
    pixels.to_rgb(data).save(file, "PNG")
    return file.getvalue(), "image/png"


def _shrunk(picture: Image.Image, size: Sequence[int]) -> Image.Image:
    from PIL.Image import Resampling

    width, height = size
    return picture if picture.size == (width, height) else picture.resize((width, height), Resampling.LANCZOS)
