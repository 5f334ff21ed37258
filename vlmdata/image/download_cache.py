"""Downloaded images on disk, so that a second build needs no network and gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.errors import OutputError

HEADER_LIMIT = 4096
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """An image's bytes, and the origins (`https://images.example.org`) of the addresses asked on the way to them."""

    data: bytes = field(repr=False)
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DownloadCache:
    """A folder with one file per address, named by the address's sha256: a line of JSON, then the bytes.

    The address itself is not kept, since it may hold a token.
    """

    folder: Path

    def read(self, url: str) -> Download | None:
        """What was kept for an address; nothing where that is missing, or not what was written."""
        try:
            with self._file(url).open("rb") as file:
                header, data = file.readline(HEADER_LIMIT), file.read()
            kept = json.loads(header)
            if kept["version"] == VERSION and kept["sha256"] == hashlib.sha256(data).hexdigest():
                return Download(data=data, origins=tuple(kept["origins"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def write(self, url: str, download: Download) -> None:
        """Keep an image: whole or not at all. Raises OutputError where the folder can't be written."""
        header = json.dumps(_header(download.data, download.origins)).encode()
        path = self._file(url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, written = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.writelines((header, b"\n", download.data))
                Path(written).replace(path)
            finally:
                Path(written).unlink(missing_ok=True)
        except OSError as error:
            message = f"{self.folder}: downloaded images can't be kept there: {error.strerror or error}"
            raise OutputError(f"{message}; VLMDATA_CACHE may name another folder") from None

    def _file(self, url: str) -> Path:
        key = hashlib.sha256(url.encode()).hexdigest()
        return self.folder / key[:2] / key


def _header(data: bytes, origins: Sequence[str]) -> dict[str, object]:
    return {"version": VERSION, "sha256": hashlib.sha256(data).hexdigest(), "origins": list(origins)}


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where downloaded images are kept: below VLMDATA_CACHE, else below the user's own cache folder."""
    if chosen := environ.get("VLMDATA_CACHE"):
        return Path(chosen) / "images"
    users = Path(environ.get("XDG_CACHE_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".cache") / "vlmdata" / "images"
