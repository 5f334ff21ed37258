"""`data:` addresses, which hold the image itself (RFC 2397)."""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote_to_bytes

from vlmdata.image.names import ImageReferenceError

SHOWN = 40
_HEAD = re.compile(r"data:([^,]*),", re.IGNORECASE)
_WHITE = re.compile(rb"[ \t\r\n]+")


def is_data_uri(reference: str) -> bool:
    """Whether a reference is a `data:` address."""
    return reference[:5].lower() == "data:"


def shown(reference: str) -> str:
    """A `data:` address in a few characters."""
    if len(reference) <= 2 * SHOWN:
        return repr(reference)
    return f"{reference[:SHOWN]!r} … ({len(reference):,} characters)"


def decode_data_uri(reference: str, byte_limit: int) -> bytes:
    """The bytes that a `data:` address holds. Raises ImageReferenceError."""
    head = _HEAD.match(reference)
    if head is None:
        raise _error(reference, "has no comma before its data", "data:image/png;base64,iVBORw0…")
    words = [word.strip().lower() for word in head[1].split(";")]
    if words[0] and not words[0].startswith(("image/", "application/octet-stream")):
        raise _error(reference, f"holds {words[0]!r}", "an image, such as image/png")
    room = len(reference) - head.end()
    if (room * 3 // 4 if "base64" in words else room // 3) > byte_limit:
        message = f"{shown(reference)} holds more than the {byte_limit:,} bytes that are read"
        raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")
    data = unquote_to_bytes(reference[head.end() :])
    if "base64" in words:
        data = _from_base64(data, reference)
    if len(data) > byte_limit:
        message = f"{shown(reference)} holds {len(data):,} bytes, at most {byte_limit:,} are read"
        raise ImageReferenceError("images.too_large", message, "make it smaller, or raise images.byte_limit")
    return data


def _from_base64(text: bytes, reference: str) -> bytes:
    """Base64 with its padding, or without it; of the alphabet for addresses too."""
    plain = _WHITE.sub(b"", text).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error as error:
        raise _error(reference, f"is no base64: {error}", "letters, digits, '+' and '/' alone") from None


def _error(reference: str, found: str, expected: str) -> ImageReferenceError:
    message = f"{shown(reference)} {found}; expected {expected}"
    return ImageReferenceError("images.data_uri", message, "correct it, or write the image to a file and give its path")
