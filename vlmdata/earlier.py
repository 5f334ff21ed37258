"""What an earlier build of a dataset found out about its images, by their bytes: they need not be decoded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from struct import Struct

from vlmdata.dataset import data_files, read_manifest
from vlmdata.errors import ContractError
from vlmdata.record import ImageInfo
from vlmdata.version import __version__

PACKED = Struct("<8siiB")
"""dhash, width, height, and the format's number."""


def known_images(dataset: Path) -> Callable[[str], ImageInfo | None] | None:
    """From the sha256 of an image to what the dataset says of it; None where nothing is to be had from it.

    Only what this version of vlmdata verified in full counts, since another version may have looked less closely.
    """
    packed: dict[bytes, bytes] = {}
    formats: list[str] = []
    try:
        if read_manifest(dataset).get("vlmdata") != __version__:
            return None
        for file in data_files(dataset):
            for batch in file.batches():
                for info in batch.column("image_info").flatten().to_pylist():
                    _keep(info, packed, formats)
    except (ContractError, KeyError, TypeError, ValueError):
        return None
    if not packed:
        return None

    def known(sha256: str) -> ImageInfo | None:
        found = packed.get(bytes.fromhex(sha256))
        if found is None:
            return None
        dhash, width, height, kind = PACKED.unpack(found)
        return ImageInfo(sha256=sha256, width=width, height=height, format=formats[kind], dhash=dhash.hex())

    return known


def _keep(info: dict[str, object], packed: dict[bytes, bytes], formats: list[str]) -> None:
    dhash, width, height, kind = (info[name] for name in ("dhash", "width", "height", "format"))
    if isinstance(dhash, str) and isinstance(width, int) and isinstance(height, int):
        if kind not in formats:
            formats.append(str(kind))
        packed[bytes.fromhex(str(info["sha256"]))] = PACKED.pack(
            bytes.fromhex(dhash), width, height, formats.index(str(kind))
        )
