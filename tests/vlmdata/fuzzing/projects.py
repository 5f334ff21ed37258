"""What projects are written with: drawn pictures, zips, tars and rows, the same bytes each time."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.vlmdata.shop import drawn, encoded

KINDS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif", "BMP": "bmp"}
WHEN = (2024, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A way to write a project into a folder. `table` is its file of rows, where each physical line is counted."""

    name: str
    write: Callable[[Path], None]
    table: str = ""


def picture(number: int, kind: str = "PNG") -> bytes:
    """A drawn picture in a format; every other JPEG has EXIF, with an orientation and a place."""
    image = drawn(number)
    if kind == "JPEG" and number % 2:
        exif = image.getexif()
        exif[0x0112], exif[0x010F] = 6, "Maker"
        exif.get_ifd(0x8825)[1] = "N"
        return encoded(image, kind, exif=exif.tobytes(), quality=60, progressive=number % 4 == 1)
    if kind == "GIF":
        return encoded(image, kind, save_all=True, append_images=[drawn(number + 1)])
    if kind == "TIFF":
        return encoded(image, kind, compression=("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")[number % 4])
    return encoded(image, kind, **({"quality": 40} if kind in {"JPEG", "WEBP", "AVIF"} else {}))


def product(number: int, photo: Any) -> dict[str, Any]:
    """A row of a shop."""
    return {
        "sku": f"S-{number:02d}",
        "photo": photo,
        "title": f"Mug {number}",
        "text": f"Mug number {number}, for tea.",
    }


def put(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files and the folders they need."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def recipe(folder: Path, source: Mapping[str, Any], **keys: Any) -> None:
    """Write a recipe."""
    put(folder, {"recipe.yaml": yaml.safe_dump({"source": dict(source), **keys}, sort_keys=False)})


def lines(rows: Iterable[Any]) -> str:
    """Rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, WHEN), data, method)
    return buffer.getvalue()


def tarred(files: Mapping[str, bytes | str]) -> bytes:
    """A tar, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, value in files.items():
            data = value.encode() if isinstance(value, str) else value
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def photos(kinds: Sequence[str] = ("PNG",), count: int = 4, folder: str = "photos/") -> dict[str, bytes]:
    """Pictures by file name."""
    made = [(number, kinds[number % len(kinds)]) for number in range(count)]
    return {f"{folder}{number}.{KINDS[kind]}": picture(number, kind) for number, kind in made}
