"""Texts in which `<image>` marks the place of an image, and the list of images that belongs to them."""

from __future__ import annotations

import re
from typing import Any

from vlmdata.convert.formats.draft import Draft, Turn, kind_of_value
from vlmdata.convert.formats.image_values import images_of
from vlmdata.record import ImageReference, Part

MARKER = "<image>"
PLACE = f"{MARKER} marker"
PIECES = re.compile(r"<image>\n?|\n<image>\Z")
"""A marker, with the newline that sets it off: the one after it, or before it at the end of the text."""


def add_marked_text(draft: Draft, turn: Turn, text: Any) -> None:
    """Put a text into a turn, an image in the place of each marker. Blank text between two images is left out."""
    if not isinstance(text, str):
        draft.fault("messages.content", turn.place, f"found {kind_of_value(text)}, a text was expected")
        return
    position = 0
    for found in PIECES.finditer(text):
        _add_piece(turn, text[position : found.start()])
        draft.image(turn, None)
        position = found.end()
    if position == 0:
        turn.parts += [Part(type="text", text=text)] if text else []
    else:
        _add_piece(turn, text[position:])


def _add_piece(turn: Turn, text: str) -> None:
    if text.strip():
        turn.parts.append(Part(type="text", text=text))


def images_for_markers(draft: Draft, *keys: str) -> list[ImageReference]:
    """The images of the first of these keys that the row fills; those beside it in a tar, where it fills none."""
    value = draft.take(*keys)
    if value is None and draft.members:
        return list(draft.members.values())
    return images_of(draft, value, next((key for key in keys if key in draft.row), keys[0]))
