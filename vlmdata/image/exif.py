"""EXIF blocks edited where they stand, so that nothing else in them moves: makers' notes point into the block.

The layout is TIFF 6.0's: a header, and folders of 12-byte entries, each with an offset to the next folder.
"""

from __future__ import annotations

import struct

GPS_TAG = 0x8825
ORIENTATION_TAG = 0x0112
PREFIX = b"Exif\0\0"
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ENTRY = 12
_FOLDERS_LIMIT = 8


class OddMetadataError(ValueError):
    """Metadata whose structure is not as it should be, so that they can't be edited safely."""


def without_position(block: bytes) -> bytes:
    """An EXIF block without its GPS folder, whose values are overwritten; everything else stays where it was.

    `block` may start with `Exif\\0\\0`. Raises OddMetadataError.
    """
    start = len(PREFIX) if block.startswith(PREFIX) else 0
    edited = bytearray(block[start:])
    try:
        _drop_positions(edited)
    except (struct.error, IndexError) as error:
        raise OddMetadataError(f"its EXIF block is damaged: {error}") from None
    return block[:start] + bytes(edited)


def _drop_positions(block: bytearray) -> None:
    if not block.startswith((b"II*\0", b"MM\0*")):
        raise OddMetadataError("its EXIF block does not start as one")
    order = "<" if block[:2] == b"II" else ">"
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    for _ in range(_FOLDERS_LIMIT):
        if place == 0:
            return
        place = _drop_from_folder(block, order, place)
    raise OddMetadataError("its EXIF block has too many folders")


def _drop_from_folder(block: bytearray, order: str, start: int) -> int:
    """Take the GPS entry out of the folder at `start`. The place of the next folder."""
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + count * _ENTRY
    struct.unpack_from(f"{order}I", block, end)
    number = 0
    while number < count:
        at = start + 2 + number * _ENTRY
        tag, kind, values, folder = struct.unpack_from(f"{order}HHII", block, at)
        if tag != GPS_TAG:
            number += 1
            continue
        if kind not in {4, 13} or values != 1:
            raise OddMetadataError("its EXIF block names a GPS folder in an odd way")
        _blank(block, order, folder)
        block[at : end + 4 - _ENTRY] = block[at + _ENTRY : end + 4]
        block[end + 4 - _ENTRY : end + 4] = bytes(_ENTRY)
        count, end = count - 1, end - _ENTRY
        struct.pack_into(f"{order}H", block, start, count)
    (following,) = struct.unpack_from(f"{order}I", block, end)
    return int(following)


def _blank(block: bytearray, order: str, start: int) -> None:
    """Overwrite a folder and the values that it points to with zeros."""
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + count * _ENTRY
    if end > len(block):
        raise OddMetadataError("its GPS folder is cut short")
    for at in range(start + 2, end, _ENTRY):
        _, kind, values, place = struct.unpack_from(f"{order}HHII", block, at)
        size = _SIZES.get(kind, 0) * values
        if size > 4:
            if place < 8 or place + size > len(block):
                raise OddMetadataError("its GPS folder points outside the block")
            block[place : place + size] = bytes(size)
    block[start:end] = bytes(end - start)


def orientation_alone(orientation: int) -> bytes:
    """The smallest EXIF block that says how an image is to be turned, without the prefix."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, ORIENTATION_TAG, 3, 1, orientation, 0, 0)
