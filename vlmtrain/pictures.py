"""A row's images as pictures, decoded as everywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlmdata.errors import ContractError

if TYPE_CHECKING:
    from PIL import Image


def pictures(row: Mapping[str, Any]) -> list[Image.Image]:
    """The row's images in RGB, in the order of its image parts.

    Bytes are decoded by vlmdata.pixels, as everywhere; pictures that `datasets` decoded already are only flattened.
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
    return found
