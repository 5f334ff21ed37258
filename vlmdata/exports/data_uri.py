"""Images inside the rows themselves, as base64."""

from __future__ import annotations

from base64 import b64encode

from vlmdata.exports.row import Picture


def base64_of(picture: Picture) -> str:
    """The bytes as they are, as base64."""
    return b64encode(picture.data).decode("ascii")


def data_uri(picture: Picture) -> str:
    """The bytes as they are, as a `data:` address."""
    return f"data:{picture.mime};base64,{base64_of(picture)}"
