"""Rows of the record contract with drawn images, for a processor to read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

COLOURS = ("red", "green", "blue", "yellow")


def drawn_row(*texts: str, images: int = 0, size: tuple[int, int] = (90, 60), id: str = "row") -> dict[str, Any]:
    """A row whose texts are a question and its answer, in turn; the first question shows the images."""
    pictures = [_picture(number, size) for number in range(images)]
    messages = [
        {"role": ("user", "assistant")[number % 2], "content": [{"type": "text", "text": text}]}
        for number, text in enumerate(texts)
    ]
    shown: Sequence[Any] = [{"type": "image", "text": None}] * images
    messages[0]["content"] = [*shown, *messages[0]["content"]]
    return {
        "id": id,
        "messages": messages,
        "images": [{"bytes": data, "path": f"{number}.png"} for number, data in enumerate(pictures)],
        "image_info": [_info(data, size) for data in pictures],
        "origin": {"source": "drawn", "row": 1, "line": 1},
        "group": id,
        "tags": [],
        "fields": [],
        "provenance": None,
    }


def _picture(number: int, size: tuple[int, int]) -> bytes:
    """A PNG of two colours."""
    from PIL import Image

    picture = Image.new("RGB", size, COLOURS[number % len(COLOURS)])
    picture.paste(COLOURS[(number + 1) % len(COLOURS)], (0, 0, size[0] // 3, size[1] // 2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _info(data: bytes, size: tuple[int, int]) -> dict[str, Any]:
    sha256 = hashlib.sha256(data).hexdigest()
    return {"sha256": sha256, "width": size[0], "height": size[1], "format": "PNG", "dhash": None}
