"""The directory at the end of a zip file, as a compact index: about 130 bytes a member.

`zipfile` keeps about a kilobyte a member, and which member a name means, or whether two share bytes, it does not say.
The layout is that of PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import xxhash

from vlmdata.errors import SourceError
from vlmdata.image.names import folded_path, plain

MEMBER_LIMIT = 5_000_000
"""The most members that are listed."""

DIRECTORY_BYTES_LIMIT = 1_000_000_000
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_COMMENT_LIMIT = 65_535
_IN_64 = 0xFFFFFFFF
_TOO_FAR = 2**62
"""More bytes than any file has; larger numbers are cut to this, so that sums of them stay numbers of 64 bits."""

_UNICODE_NAME = 0x800
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UNIX = 3
_KIND_MASK = 0o170000
_ORDINARY = (0, 0o100000)

Fault = Literal["", "encrypted", "link", "duplicate", "method"]
FAULTS: tuple[Fault, ...] = ("", "encrypted", "link", "duplicate", "method")
MEMBER = np.dtype(
    [("offset", "<u8"), ("packed", "<u8"), ("size", "<u8"), ("crc", "<u4"), ("method", "<u2"), ("fault", "u1")]
)
STORED, DEFLATED = 0, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a member's local header stands, what its data is like, and why it is not read, if so."""

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    fault: Fault


@dataclass(slots=True)
class Directory:
    """A zip file's members by name. Folders are left out."""

    names: list[str]
    _members: np.ndarray[Any, np.dtype[np.void]]
    _near: tuple[Any, Any] | None = field(default=None)
    _called: tuple[Any, Any] | None = field(default=None)

    def find(self, name: str) -> Member | None:
        """The member of that name, to the letter; one of them where there are several, and its fault says so."""
        place = bisect_left(self.names, name)
        if place == len(self.names) or self.names[place] != name:
            return None
        offset, packed, size, crc, method, fault = self._members[place].item()
        return Member(name=name, offset=offset, packed=packed, size=size, crc=crc, method=method, fault=FAULTS[fault])

    def near(self, path: str) -> list[str]:
        """The members whose folded path a path has."""
        if self._near is None:
            self._near = _by_hash(self.names)
        found = dict.fromkeys(self.names[place] for place in _places(*self._near, path))
        return [name for name in found if folded_path(name) == folded_path(path)]

    def called(self, path: str) -> list[str]:
        """The members in any folder whose folded last name a path has."""
        wanted = _last(path)
        if self._called is None:
            self._called = _by_hash([_last(name) for name in self.names])
        found = dict.fromkeys(self.names[place] for place in _places(*self._called, wanted))
        return [name for name in found if folded_path(_last(name)) == folded_path(wanted)]

    def starting_with(self, prefix: str) -> Iterator[str]:
        """The names that start with a prefix, in order."""
        for place in range(bisect_left(self.names, prefix), len(self.names)):
            if not self.names[place].startswith(prefix):
                return
            yield self.names[place]


def _by_hash(paths: Sequence[str]) -> tuple[Any, Any]:
    """The hashes of folded paths in ascending order, and the place of each."""
    hashes = np.array([_hash(path) for path in paths], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    return hashes[order], order


def _places(hashes: Any, order: Any, path: str) -> list[int]:
    """The places of the paths that have a path's hash, in order."""
    wanted = np.uint64(_hash(path))
    first, last = np.searchsorted(hashes, wanted, "left"), np.searchsorted(hashes, wanted, "right")
    return sorted(order[first:last].tolist())


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _hash(path: str) -> int:
    return int(xxhash.xxh3_64_intdigest(folded_path(path).encode()))


def read_directory(path: Path, shown: str) -> Directory:
    """The directory of a zip file. Raises SourceError, under the name `shown`, where it can't be trusted."""
    try:
        with path.open("rb") as file:
            data, count, base = _directory_bytes(file, shown)
    except OSError as error:
        raise SourceError(f"{shown}: can't be read: {error.strerror or error}") from None
    names, members, lengths = _entries(data, count, shown)
    members["offset"] += np.uint64(base.shift)
    _refuse_overlaps(names, members, lengths, base.start, shown)
    order = sorted((number for number in range(len(names)) if not names[number].endswith("/")), key=names.__getitem__)
    kept = members[order]
    sorted_names = [names[number] for number in order]
    for place in range(1, len(order)):
        if sorted_names[place] == sorted_names[place - 1]:
            kept["fault"][place - 1 : place + 1] = FAULTS.index("duplicate")
    return Directory(sorted_names, kept)


@dataclass(frozen=True, slots=True)
class _Base:
    """Where the directory starts in the file, and by how much the offsets in it are short."""

    start: int
    shift: int


def _directory_bytes(file: BinaryIO, shown: str) -> tuple[bytes, int, _Base]:
    end = file.seek(0, 2)
    tail_start = max(0, end - _COMMENT_LIMIT - _END.size)
    file.seek(tail_start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    while place >= 0 and not _is_end(tail, place):
        place = tail.rfind(b"PK\5\6", 0, place)
    if place < 0:
        file.seek(0)
        found = "it is cut short" if file.read(2) == b"PK" else "it is no zip file"
        raise SourceError(f"{shown}: no zip directory at its end: {found}; copy or download it again")
    _, disk, first_disk, _, count, size, offset, _ = _END.unpack_from(tail, place)
    start = tail_start + place
    locator = start - _LOCATOR_64.size
    if _IN_64 in {size, offset} or count == 0xFFFF:
        file.seek(max(0, locator))
        found_64 = file.read(_LOCATOR_64.size)
        if locator >= 0 and found_64.startswith(b"PK\6\7"):
            start = locator - _END_64.size
            file.seek(max(0, start))
            record = file.read(_END_64.size)
            if start < 0 or not record.startswith(b"PK\6\6"):
                raise SourceError(f"{shown}: its zip64 directory is damaged; copy or download it again")
            _, _, _, _, disk, first_disk, _, count, size, offset = _END_64.unpack(record)
    if disk or first_disk:
        raise SourceError(f"{shown}: one part of a zip in several parts; join them (`zip -s 0`) first")
    if count > MEMBER_LIMIT or size > DIRECTORY_BYTES_LIMIT:
        message = f"{shown}: names {count:,} members ({size:,} bytes of names), at most {MEMBER_LIMIT:,} are listed"
        raise SourceError(f"{message}; split it")
    shift = start - size - offset
    if shift < 0:
        raise SourceError(f"{shown}: its directory is said to be longer than the file; copy or download it again")
    file.seek(start - size)
    return file.read(size), count, _Base(start - size, shift)


def _is_end(tail: bytes, place: int) -> bool:
    if len(tail) - place < _END.size:
        return False
    comment: int = _END.unpack_from(tail, place)[-1]
    return place + _END.size + comment == len(tail)


def _entries(data: bytes, count: int, shown: str) -> tuple[list[str], Any, Any]:
    """Each entry's name, its row of MEMBER, and how many bytes its local header and data take at least."""
    names: list[str] = []
    columns = [array(code) for code in "QQQIHB"]  # not a tuple a member, which would be six times the memory
    lengths = array("Q")
    place = 0
    while place + _ENTRY.size <= len(data):
        (mark, made, _, flags, method, _, _, crc, packed, size, name_n, extra_n, note_n, _, _, attributes, offset) = (
            _ENTRY.unpack_from(data, place)
        )
        name_at = place + _ENTRY.size
        place = name_at + name_n + extra_n + note_n
        if mark != b"PK\1\2" or place > len(data):
            break
        raw = data[name_at : name_at + name_n]
        if _IN_64 in {packed, size, offset}:
            extra = data[name_at + name_n : name_at + name_n + extra_n]
            size, packed, offset = _sizes_64(extra, size, packed, offset)
        name = _name(raw, flags)
        names.append(name if name.endswith("/") else plain(name))
        fault = _fault(flags, made >> 8, attributes >> 16, method)
        for column, value in zip(columns, (offset, packed, size, crc, method, FAULTS.index(fault)), strict=True):
            column.append(value)
        lengths.append(LOCAL_HEADER.size + name_n + packed)
    if len(names) != count or place != len(data):
        message = f"{shown}: its directory names {count:,} members, {len(names):,} can be read"
        raise SourceError(f"{message}; copy or download it again")
    members = np.empty(count, dtype=MEMBER)
    for field_name, column in zip(MEMBER.names or (), columns, strict=True):
        members[field_name] = np.frombuffer(column, dtype=column.typecode) if column else 0
    return names, members, np.array(lengths, dtype=np.uint64)


def _sizes_64(extra: bytes, *values: int) -> Sequence[int]:
    """Sizes and offset with those that did not fit into 32 bits taken from the extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            count = min(length, len(extra) - place - 4) // 8
            wide = [min(value, _TOO_FAR) for value in struct.unpack_from(f"<{count}Q", extra, place + 4)]
            return [wide.pop(0) if value == _IN_64 and wide else value for value in values]
        place += 4 + length
    return values


def _name(raw: bytes, flags: int) -> str:
    """A member's name. macOS writes UTF-8 and does not say so; what is no UTF-8 is in the code page of old DOS."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace") if flags & _UNICODE_NAME else raw.decode("cp437")


def _fault(flags: int, system: int, mode: int, method: int) -> Fault:
    if flags & _ENCRYPTED:
        return "encrypted"
    if system == _UNIX and mode & _KIND_MASK not in (*_ORDINARY, 0o040000):
        return "link"
    return "" if method in {STORED, DEFLATED} else "method"


def _refuse_overlaps(names: list[str], members: Any, lengths: Any, directory_start: int, shown: str) -> None:
    """Raise SourceError where two members share bytes, which is how a small file holds petabytes."""
    if not names:
        return
    order = np.argsort(members["offset"], kind="stable")
    starts = members["offset"][order]
    ends = starts + lengths[order]
    limits = np.append(starts[1:], np.uint64(directory_start))
    wrong = np.flatnonzero((ends > limits) | (ends < starts) | (starts > np.uint64(directory_start)))
    if wrong.size:
        first = int(wrong[0])
        other = repr(names[order[first + 1]]) if first + 1 < len(names) else "the directory"
        message = f"{shown}: the member {names[order[first]]!r} shares bytes with {other}"
        raise SourceError(f"{message}, as no honest zip does; zip the images again")
