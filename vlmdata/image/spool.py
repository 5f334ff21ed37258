"""Bytes put aside on disk: images that a row held itself, and those that the recipe has encoded anew."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol

from vlmdata.record import Location


class Spool(Protocol):
    """Where a build puts bytes aside that it could not read again as they are stored."""

    def add(self, data: bytes) -> Location:
        """Keep the bytes; safe to call from several threads."""
        ...


@dataclass(slots=True)
class FileSpool:
    """A file in a folder that grows at its end, one for each process; equal bytes are kept once.

    What `add` has returned for can be read by other processes at once.
    """

    folder: Path
    _file: Path | None = None
    _process: int = 0
    _places: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, data: bytes) -> Location:
        """Keep the bytes; safe to call from several threads."""
        digest = sha256(data).digest()
        with self._lock:
            place = self._places.get(digest)
            if place is None:
                place = self._places[digest] = self._append(data)
        return Location(file=place[0], offset=place[1], size=len(data))

    def close(self) -> None:
        """Forget what was kept; the file stays, and what is added afterwards goes into another one."""
        with self._lock:
            self._file = None
            self._places.clear()

    def _append(self, data: bytes) -> tuple[str, int]:
        if self._file is None or self._process != os.getpid():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._process = os.getpid()
            self._file = self.folder / f"{self._process}-{uuid.uuid4().hex}.bytes"
        with self._file.open("ab") as file:
            offset = file.tell()
            file.write(data)
        return str(self._file), offset


def read_run(place: Location) -> bytes:
    """The bytes of a place in a file, fewer where the file ends before. Raises OSError."""
    with Path(place.file).open("rb", buffering=0) as file:
        file.seek(place.offset)
        data = file.read(place.size)
        while len(data) < place.size and (more := file.read(place.size - len(data))):
            data += more
        return data
